"""What is said of a text: the scripts that it may have used, and the passages that show it."""

from dataclasses import dataclass
from enum import Enum
from typing import ClassVar

from shengdun.fingerprint.errors import Status
from shengdun.index.errors import IndexRoomError


class View(Enum):
    """How a passage agrees."""

    CHARACTERS = "CHARACTERS"
    """In nearly all of its characters."""
    PINYIN = "PINYIN"
    """In its sound; many characters are others."""


class ScriptTooShort(IndexRoomError):
    """A script has too few characters to be told from what anybody may say."""

    status: ClassVar[Status] = Status.INVALID_ARGUMENT
    reason: ClassVar[str] = "SCRIPT_TOO_SHORT"


@dataclass(frozen=True, slots=True, kw_only=True)
class Passage:
    """Wording that a text shares with a script; offsets are code points of the strings as they were given, half-open.

    Attributes:
        text_start: where it begins in the text.
        text_end: one past its end.
        script_start: where it begins in the script.
        script_end: one past its end.
        view: how it agrees.
    """

    text_start: int
    text_end: int
    script_start: int
    script_end: int
    view: View


@dataclass(frozen=True, slots=True, kw_only=True)
class ScriptMatch:
    """One script as a text may have used it.

    Attributes:
        script_id: which.
        llr: natural-log likelihood ratio of "this script was used".
        worth: what the passages are worth together, in rare syllables; the LLR comes from it.
        script_share: share of the script's characters that lie in a passage, 0 to 1.
        text_share: share of the text's.
        passages: by place in the text.
    """

    script_id: str
    llr: float
    worth: float
    script_share: float
    text_share: float
    passages: tuple[Passage, ...]
