"""The values of known scripts: what is kept of one, and what is asked to be kept.

A value that exists is well-formed; ``InvalidRecord``, ``InvalidText`` or ``TextTooLong`` says which field is wrong.
"""

import re
from dataclasses import dataclass, field
from datetime import UTC, datetime
from enum import Enum
from typing import Final

from shengdun.index.errors import InvalidRecord, InvalidText, TextTooLong
from shengdun.index.identifiers import check_record_id, check_text
from shengdun.index.watchlists import NAME_CHARACTERS, NOTES_CHARACTERS, Provenance

LONGEST_TEXT: Final = 200_000
"""Code points of a script, or of a text that is compared with scripts: a chat of months, 0.6 MB in Chinese."""
_UNREADABLE_SHARE: Final = 0.05
_UNREADABLE: Final = "\ufffd"
# Tabs and the five kinds of line end come with letters from word processors.
_CONTROL: Final = re.compile(r"[\x00-\x08\x0e-\x1f\x7f-\x84\x86-\x9f\ud800-\udfff]")
# Their left-to-right counterparts come with telephone numbers that were copied, and turn nothing around in Chinese.
_RIGHT_TO_LEFT: Final = re.compile("[\u202b\u202e\u2067]")


class ScriptKind(Enum):
    """What a script was taken from."""

    LETTER = "letter"
    """A letter or a written complaint."""
    CHAT = "chat"
    """A conversation in writing."""
    TRANSCRIPT = "transcript"
    """What was said in a call."""
    TEMPLATE = "template"
    """A form with blanks, as agents hand it out."""


def check_content(what: str, text: str) -> str:
    """Return a text as people write it, or say why it can't be one.

    Args:
        what: the text, as the message names it, for instance ``script's text``.
        text: the text.

    Raises:
        InvalidText: it is blank, no text, or turned around by right-to-left marks.
        TextTooLong: it has more than ``LONGEST_TEXT`` code points.
    """
    if len(text) > LONGEST_TEXT:
        raise TextTooLong(
            f"The {what} has {len(text):,} characters; at most {LONGEST_TEXT:,} are taken. Send the part that matters."
        )
    if not text.strip():
        raise InvalidText(f"The {what} is empty; send what was said or written.")
    if text.count(_UNREADABLE) > _UNREADABLE_SHARE * len(text):
        raise InvalidText(
            f"The {what} was read in a wrong encoding and lost its characters; read it in its own, and send UTF-8."
        )
    _refuse(what, text, _CONTROL, "a control character, as files have that are no text")
    _refuse(what, text, _RIGHT_TO_LEFT, "a mark that shows what follows from right to left")
    return text


def _refuse(what: str, text: str, pattern: re.Pattern[str], meaning: str) -> None:
    found = pattern.search(text)
    if found is not None:
        raise InvalidText(
            f"The {what} has U+{ord(found[0]):04X}, {meaning}, at character {found.start()}: "
            f"remove it, or send what people read."
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class NewScript:
    """What a caller gives to register a script. The fields are those of ``Script``; no id means a new one."""

    title: str
    kind: ScriptKind
    text: str = field(repr=False)
    network_id: str | None = None
    campaign: str = ""
    purpose: str = ""
    provenance: Provenance = field(default_factory=Provenance)
    expires_at: datetime | None = None
    script_id: str | None = None

    def __post_init__(self) -> None:
        check_content("script's text", self.text)


@dataclass(frozen=True, slots=True, kw_only=True)
class Script:
    """A known script.

    Attributes:
        script_id: made by the server, or given by the caller.
        title: what investigators call it.
        kind: what it was taken from.
        text: what is kept of it: names, numbers and the like are masked.
        network_id: the network (gang) that uses it, if one is known; as for actors.
        campaign: the campaign it belongs to, as investigators name it; may be empty.
        purpose: what it is processed for (PIPL art. 6).
        provenance: where the knowledge comes from.
        expires_at: from then on it is not found any more; None for never.
        created_at: in UTC.
    """

    script_id: str
    title: str
    kind: ScriptKind
    text: str = field(repr=False)
    network_id: str | None = None
    campaign: str = ""
    purpose: str = ""
    provenance: Provenance = field(default_factory=Provenance)
    expires_at: datetime | None = None
    created_at: datetime

    def __post_init__(self) -> None:
        check_record_id("Script id", self.script_id)
        check_text("title", self.title, longest=NAME_CHARACTERS, empty=False)
        if self.network_id is not None:
            check_text("network id", self.network_id, longest=NAME_CHARACTERS, empty=False)
        check_text("campaign", self.campaign, longest=NAME_CHARACTERS)
        check_text("purpose", self.purpose, longest=NOTES_CHARACTERS)
        for moment in (self.expires_at, self.created_at):
            if moment is not None and moment.utcoffset() != UTC.utcoffset(None):
                raise InvalidRecord("The times of a script are in UTC with their time zone.")

    def expired(self, at: datetime) -> bool:
        """Whether the script is no longer to be found at this time."""
        return self.expires_at is not None and self.expires_at <= at


@dataclass(frozen=True, slots=True, kw_only=True)
class ScriptPage:
    """A page of scripts in the order of their ids.

    Attributes:
        scripts: the page.
        next_page_token: gives the next page; empty on the last one.
        total: how many scripts there are over all pages.
    """

    scripts: tuple[Script, ...]
    next_page_token: str
    total: int
