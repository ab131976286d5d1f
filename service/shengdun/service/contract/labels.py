"""What a client learns of words that label packs name."""

from dataclasses import dataclass
from enum import Enum


class LabelSeverity(Enum):
    """How much a label matters to who reads it; no probability."""

    LOW = "low"
    """Said by many who coach or harm nobody."""
    MEDIUM = "medium"
    """Seldom said without a reason to look closer."""
    HIGH = "high"
    """To be looked at by a person."""
    UNKNOWN = "unknown"


@dataclass(frozen=True, slots=True, kw_only=True)
class TextLabel:
    """Words of a text, or of a call, that are worth a person's look. They mark words and not people.

    Attributes:
        label: its name.
        severity: how much it matters.
        term: the word or phrase that was found there first, as its pack writes it; of a pattern its name.
        start: where it begins in the text, or in the caller's words, in code points from 0: Python's own indices.
        end: one past its last.
        meaning_zh: what the label stands for, in Chinese.
        meaning_en: the same in English.
        pack_id: the pack that has the term, by name, version and content.
        source: the law with its article, the notice or the rule that the label follows; empty from a server that is
            older than this client.
    """

    label: str
    severity: LabelSeverity
    term: str
    start: int
    end: int
    meaning_zh: str
    meaning_en: str
    pack_id: str
    source: str = ""
