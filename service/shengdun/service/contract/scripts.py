"""What a client says about scripts, and what it learns of them and of the texts that use them."""

from dataclasses import dataclass, field
from datetime import datetime
from enum import Enum


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
    UNKNOWN = "unknown"


@dataclass(frozen=True, slots=True, kw_only=True)
class NewScript:
    """A script to be registered.

    Attributes:
        title: a name for people.
        kind: what it was taken from.
        text: its wording; names, numbers and the like are masked by the server before it is kept.
        network_id: the network (gang) that uses it, as for actors; may be empty.
        campaign: the campaign it belongs to; may be empty.
        purpose: what it is kept for.
        source: where the knowledge comes from.
        case_reference: the case it was found in.
        legal_basis: the legal basis of keeping it.
        expires_at: after this instant it is no longer searched for, with a time zone; None for no expiry.
        script_id: an id of one's own; empty lets the server make one.
    """

    title: str
    kind: ScriptKind
    text: str = field(repr=False)
    network_id: str = ""
    campaign: str = ""
    purpose: str = ""
    source: str = ""
    case_reference: str = ""
    legal_basis: str = ""
    expires_at: datetime | None = None
    script_id: str = ""

    def __post_init__(self) -> None:
        if self.expires_at is not None and self.expires_at.tzinfo is None:
            raise ValueError("expires_at needs a time zone")


@dataclass(frozen=True, slots=True, kw_only=True)
class NearDuplicate:
    """A script that has nearly the wording of one that was just registered. Nothing is refused because of it.

    Attributes:
        script_id: the script that was there.
        title: its name.
        network_id: the network that uses it; may be empty.
        campaign: the campaign it belongs to; may be empty.
        share: of it that the new script has in common with it, 0 to 1.
        share_of_new: of the new script that is in it, 0 to 1.
    """

    script_id: str
    title: str
    network_id: str
    campaign: str
    share: float
    share_of_new: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Script:
    """A known script as the server has it. The fields that ``NewScript`` has mean the same here.

    Attributes:
        registered_by: the name of the access token that registered it, or "local".
        text_length: code points of its text as it is kept.
        searched: whether texts and calls are compared with it.
        text: as it is kept, masked; None where it was not asked for.
        near_duplicates: scripts that were there already and have nearly the same wording, the most alike first; None
            but in the answer to its registration.
    """

    script_id: str
    title: str
    kind: ScriptKind
    network_id: str
    campaign: str
    purpose: str
    source: str
    case_reference: str
    legal_basis: str
    expires_at: datetime | None
    created_at: datetime
    registered_by: str
    text_length: int
    searched: bool
    text: str | None = field(default=None, repr=False)
    near_duplicates: tuple[NearDuplicate, ...] | None = None


class PassageView(Enum):
    """How a passage agrees."""

    CHARACTERS = "characters"
    """In nearly all of its characters."""
    PINYIN = "pinyin"
    """In its sound; characters are others."""
    UNKNOWN = "unknown"


@dataclass(frozen=True, slots=True, kw_only=True)
class Passage:
    """Wording that a text shares with a script. Places count code points from 0, as Python's strings do; half-open.

    Attributes:
        text_start: where it begins in the text.
        text_end: where it ends there.
        script_start: where it begins in the script's text as it is kept.
        script_end: where it ends there.
        view: how it agrees.
        text_excerpt: what the text has there, cut after 500 code points.
        script_excerpt: what the script has there, cut likewise.
    """

    text_start: int
    text_end: int
    script_start: int
    script_end: int
    view: PassageView
    text_excerpt: str
    script_excerpt: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ScriptMatch:
    """A script that a text may use.

    Attributes:
        script_id: the script.
        title: its name.
        network_id: the network that uses it; may be empty.
        campaign: the campaign it belongs to; may be empty.
        llr: natural-log likelihood ratio of "this script was used"; 0 says nothing, negative speaks against it.
        script_share: share of the script that lies in a passage, 0 to 1.
        text_share: share of the text, 0 to 1.
        passages: what shows it, in the order of the text; of more than 50 the longest.
    """

    script_id: str
    title: str
    network_id: str
    campaign: str
    llr: float
    script_share: float
    text_share: float
    passages: tuple[Passage, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class SimilarScript:
    """A script that a text is like in meaning, in whatever words. It decides nothing.

    Attributes:
        script_id: the script.
        title: a name for people.
        similarity: semantic similarity, a cosine of -1 to 1; no likelihood ratio.
    """

    script_id: str
    title: str
    similarity: float


@dataclass(frozen=True, slots=True, kw_only=True)
class MatchedText:
    """The scripts that a text may use.

    Attributes:
        matches: the likeliest first; none without a passage in common.
        scripts_searched: how many scripts it was compared with.
        similar: scripts that it is like in meaning, the most alike first, at most three; none without a model for it.
    """

    matches: tuple[ScriptMatch, ...]
    scripts_searched: int
    similar: tuple[SimilarScript, ...] = ()
