"""What can be wrong with label packs.

::

    TextError
    └── LabelError
        ├── PackRefused    packs with mistakes; each with its file, its line and what to do
        └── PackUnknown    no pack of this name ships with Shengdun
"""

from collections.abc import Sequence
from dataclasses import dataclass

from shengdun.fingerprint.errors import Status
from shengdun.fingerprint.text.errors import TextError

_SHOWN = 50


@dataclass(frozen=True, slots=True, kw_only=True, order=True)
class Mistake:
    """One thing that is wrong with a pack.

    Attributes:
        file: the pack's file, as it was named.
        line: where in it, from 1; 0 where it is the file as a whole.
        message: what is wrong and what to do.
    """

    file: str
    line: int
    message: str

    def __str__(self) -> str:
        where = f"{self.file}:{self.line}" if self.line else self.file
        return f"{where}: {self.message}"


class LabelError(TextError):
    """Anything that is wrong with label packs."""

    status = Status.FAILED_PRECONDITION
    reason = "LABELS_UNUSABLE"


class PackRefused(LabelError):
    """Packs with mistakes; nothing of any of them is used.

    Attributes:
        mistakes: all that was found, by file and line; the message shows the first fifty.
    """

    reason = "LABEL_PACK_REFUSED"

    def __init__(self, mistakes: Sequence[Mistake]) -> None:
        self.mistakes = tuple(mistakes)
        shown = [str(mistake) for mistake in self.mistakes[:_SHOWN]]
        if more := len(self.mistakes) - _SHOWN:
            shown += [f"and {more} more"] if more > 0 else []
        super().__init__(
            "Label packs were refused; correct and load them again:\n" + "\n".join(shown)
        )


class PackUnknown(LabelError):
    """No pack of this name ships with Shengdun; the message names those that do."""

    status = Status.NOT_FOUND
    reason = "LABEL_PACK_UNKNOWN"
