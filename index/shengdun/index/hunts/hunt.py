"""A hunt: what is looked for, how far it is, and what was found; and how that is written down."""

import base64
import json
from dataclasses import asdict, dataclass, field, replace
from datetime import UTC, date, datetime, timedelta
from enum import Enum
from typing import Any, Final, Self

import numpy as np

from shengdun.index.archive.rows import CallQuery
from shengdun.index.errors import InvalidRecord
from shengdun.index.hunts.hits import Hit, Hits
from shengdun.index.hunts.subject import WantedVoice

MOST_HITS: Final = 10_000
DEFAULT_HITS: Final = 1_000
_FORMAT: Final = 1


class Quarry(Enum):
    """What is hunted."""

    ACTOR = "actor"
    RECORDING = "recording"
    SCRIPT = "script"


class HuntState(Enum):
    """Where a hunt stands."""

    RUNNING = "running"
    DONE = "done"
    CANCELLED = "cancelled"
    INTERRUPTED = "interrupted"
    """The server stopped, or the archive couldn't be read; it can be resumed as a cancelled one can."""


@dataclass(frozen=True, slots=True, kw_only=True)
class HuntRequest:
    """What to hunt.

    Attributes:
        quarry: an actor, the voice of a recording, or a script.
        subject: the id of the actor or script; the name of the recording.
        since: calls that started then or later; None for any.
        until: calls that started before; None for any.
        line: calls of this line of business; empty for any.
        least: the least score of a hit: the natural-log LLR of a voice, the share of a script.
        limit: how many hits are kept, the best ones; 1 to ``MOST_HITS``.
    """

    quarry: Quarry
    subject: str
    since: datetime | None = None
    until: datetime | None = None
    line: str = ""
    least: float
    limit: int = DEFAULT_HITS

    def __post_init__(self) -> None:
        if not 1 <= self.limit <= MOST_HITS:
            raise InvalidRecord(f"A hunt keeps 1 to {MOST_HITS} hits.")
        if not np.isfinite(self.least):
            raise InvalidRecord("The least score of a hit must be a number.")
        if self.since is not None and self.until is not None and self.until <= self.since:
            raise InvalidRecord("The time that is hunted through must end after it begins.")


@dataclass(frozen=True, slots=True, kw_only=True)
class Hunt:
    """A hunt as it stands.

    Attributes:
        hunt_id: which.
        request: what is hunted.
        started_by: who asked for it.
        started_at: when, in UTC.
        state: where it stands.
        model_id: the voice model whose voiceprints are compared; empty for a script.
        voice: the voice of a recording; None else, for an actor's is looked up.
        profile_id: the calibration profile that the LLRs are of; empty for a script.
        day: the day that it is in, or was last in; empty before the first.
        settled_day: up to and with this day it needn't look again; empty if there is none.
        read: calls looked through so far.
        of: calls to look through in all, as far as the archive could tell when it began.
        hits: what was found.
        problems: what of the archive couldn't be read, and why it was interrupted.
    """

    hunt_id: str
    request: HuntRequest
    started_by: str
    started_at: datetime
    state: HuntState
    model_id: str = ""
    voice: WantedVoice | None = field(default=None, repr=False)
    profile_id: str = ""
    day: str = ""
    settled_day: str = ""
    read: int = 0
    of: int = 0
    hits: Hits
    problems: tuple[str, ...] = ()

    @property
    def query(self) -> CallQuery:
        """What is left to look through."""
        since = self.request.since
        if self.settled_day:
            next_day = date.fromisoformat(self.settled_day) + timedelta(days=1)
            begin = datetime(next_day.year, next_day.month, next_day.day, tzinfo=UTC)
            since = begin if since is None else max(since, begin)
        return CallQuery(
            since=since,
            until=self.request.until,
            line=self.request.line,
            model_id=self.model_id,
        )

    @property
    def subject_key(self) -> str:
        """What is hunted, as the journal names it."""
        return f"{self.request.quarry.value}/{self.request.subject}"

    def without(self, call_ids: frozenset[str]) -> Self:
        """Without hits on some calls, which were erased."""
        return replace(self, hits=self.hits.without(call_ids))


def encode_hunt(hunt: Hunt) -> bytes:
    """A hunt as it is sealed and kept."""
    request, voice = hunt.request, hunt.voice
    tree: dict[str, Any] = {
        "format": _FORMAT,
        "hunt_id": hunt.hunt_id,
        "quarry": request.quarry.value,
        "subject": request.subject,
        "since": None if request.since is None else request.since.isoformat(),
        "until": None if request.until is None else request.until.isoformat(),
        "line": request.line,
        "least": request.least,
        "limit": request.limit,
        "started_by": hunt.started_by,
        "started_at": hunt.started_at.isoformat(),
        "state": hunt.state.value,
        "model_id": hunt.model_id,
        "voice": None if voice is None else _voice_tree(voice),
        "found": hunt.hits.found,
        "hits": [asdict(hit) for hit in hunt.hits.best],
    }
    for name in ("profile_id", "day", "settled_day", "read", "of", "problems"):
        tree[name] = getattr(hunt, name)
    return json.dumps(tree, ensure_ascii=False).encode()


def decode_hunt(content: bytes) -> Hunt:
    """Undo ``encode_hunt``."""
    tree = json.loads(content)
    request = HuntRequest(
        quarry=Quarry(tree["quarry"]),
        subject=tree["subject"],
        since=_instant(tree["since"]),
        until=_instant(tree["until"]),
        line=tree["line"],
        least=tree["least"],
        limit=tree["limit"],
    )
    hits = tuple(Hit(**each) for each in tree["hits"])
    return Hunt(
        hunt_id=tree["hunt_id"],
        request=request,
        started_by=tree["started_by"],
        started_at=datetime.fromisoformat(tree["started_at"]),
        state=HuntState(tree["state"]),
        model_id=tree["model_id"],
        voice=None if tree["voice"] is None else _voice(tree["voice"]),
        profile_id=tree["profile_id"],
        day=tree["day"],
        settled_day=tree["settled_day"],
        read=tree["read"],
        of=tree["of"],
        hits=Hits(best=hits, found=tree["found"], limit=request.limit),
        problems=tuple(tree["problems"]),
    )


def _instant(text: str | None) -> datetime | None:
    return None if text is None else datetime.fromisoformat(text)


def _voice_tree(voice: WantedVoice) -> dict[str, Any]:
    return {
        "model_id": voice.model_id,
        "rows": [
            base64.b64encode(row.astype("<f4").tobytes()).decode() for row in voice.voiceprints
        ],
        "net_speech_s": voice.net_speech_s.tolist(),
        "snr_db": [None if np.isnan(one) else one for one in voice.snr_db.tolist()],
    }


def _voice(tree: dict[str, Any]) -> WantedVoice:
    rows = [np.frombuffer(base64.b64decode(row), "<f4") for row in tree["rows"]]
    return WantedVoice(
        model_id=tree["model_id"],
        voiceprints=np.stack(rows).astype(np.float32),
        net_speech_s=np.array(tree["net_speech_s"], np.float64),
        snr_db=np.array([np.nan if one is None else one for one in tree["snr_db"]], np.float64),
    )
