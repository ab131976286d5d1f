"""What a client learns of a server: its lines of business, and how much it is doing."""

from dataclasses import dataclass
from datetime import timedelta
from enum import Enum
from typing import Final

from shengdun.service.contract.decisions import AdvisoryReason, AppliedLevels

MAX_RECORDING_BYTES: Final = 64 << 20
"""A server takes no larger recording."""

TAKEN: Final = (("shengdun-taken", "1"),)
"""Initial metadata by which a server says that it takes a call of the past, before it is sent the recording."""


@dataclass(frozen=True, slots=True, kw_only=True)
class LineStanding:
    """Where a line stands with its promise of false flags, on this server and since it started.

    Attributes:
        levels: in force, for calls that name no watchlists of their own.
        advisory: whether decisions are only hints.
        advisory_reasons: why.
        promised_false_flags_per_10000_calls: what the line promises; None when it promises nothing.
        explanation: for people, why the promise can't be kept; empty when it can.
        derivation_time: how long it took to derive the levels; None when none were.
        calls: calls with enough speech for a decision.
        flagged_calls: those that were MEDIUM or HIGH at any time.
        score_drift: how far the last callers score from those of the calibration profile, 1 being the alarm; None
            without a site's profile.
    """

    levels: AppliedLevels | None
    advisory: bool
    advisory_reasons: tuple[AdvisoryReason, ...]
    promised_false_flags_per_10000_calls: float | None
    explanation: str
    derivation_time: timedelta | None
    calls: int
    flagged_calls: int
    score_drift: float | None


@dataclass(frozen=True, slots=True, kw_only=True)
class LineInfo:
    """A line of business as the server has it; no watchlists means all there are.

    Attributes:
        line: its name.
        watchlist_ids: the watchlists it screens.
        policy_id: its policy, by name and content.
        budget: time from the chunk that completes a window to its decision.
        standing: where it stands with its promise; None from a server that is older than this client.
    """

    line: str
    watchlist_ids: tuple[str, ...]
    policy_id: str
    budget: timedelta
    standing: LineStanding | None = None


class Stage(Enum):
    """A stage of the work that decisions take; see ``StageTimings``."""

    LISTENING = "listening"
    WAITING = "waiting"
    VOICEPRINT = "voiceprint"
    SEARCH = "search"
    DECIDING = "deciding"
    UNKNOWN = "unknown"


@dataclass(frozen=True, slots=True, kw_only=True)
class StageLoad:
    """Where the time of decisions went in one stage.

    Attributes:
        stage: the stage.
        total: over all decisions.
        bounds_s: upper ends of the buckets in seconds; one more bucket is beyond the last of them.
        counts: decisions by bucket.
    """

    stage: Stage
    total: timedelta
    bounds_s: tuple[float, ...]
    counts: tuple[int, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class ServerLoad:
    """How much a server is doing; counts are since its start.

    Attributes:
        undecided_calls: calls that are taken and not decided yet.
        load: share of the cores that they are expected to take, 1 being all.
        load_limit: calls that would exceed it are refused.
        wait: what a window of the default line that came now would wait.
        refused_calls: calls refused because of load or wait.
        decisions: decisions that were given.
        decisions_over_budget: of these, partial ones with ``BUDGET_EXCEEDED``.
        final_decisions_over_budget: final ones among these: speech of their calls was never evaluated.
        stages: where the time of decisions went.
        calls_with_words: calls that are taken and whose words come or were announced.
        words_share: what the words of one call take of a core, 1 being all of it.
    """

    undecided_calls: int
    load: float
    load_limit: float
    wait: timedelta
    refused_calls: int
    decisions: int
    decisions_over_budget: int
    final_decisions_over_budget: int
    stages: tuple[StageLoad, ...]
    calls_with_words: int = 0
    words_share: float = 0.0


@dataclass(frozen=True, slots=True, kw_only=True)
class ArchiveState:
    """How the archive of finished calls is, as the process that answers has it.

    Attributes:
        calls: in this machine's files.
        unmoved_calls: in the store, and not in files yet.
        waiting_calls: in memory until the store has them.
        lost_calls: lost since the start, because too many waited.
        problems: how many things are wrong with it; the log and every list of calls name them.
    """

    calls: int
    unmoved_calls: int
    waiting_calls: int
    lost_calls: int
    problems: int


@dataclass(frozen=True, slots=True, kw_only=True)
class ServerInfo:
    """What a server is.

    Attributes:
        version: of the server.
        model_id: the voice model in force.
        calibration_profile_id: the calibration profile in force.
        lines: what can be named in a call.
        live_calls: calls running in the process that answers, now.
        watchlists_stale: whether the store can't be reached, so that the last snapshot is screened.
        load: how much it is doing; None from a server that is older than this client.
        worker: which process answers, of those that take calls on this port: from 1 to ``workers``.
        workers: how many processes take calls on this port.
        voice_precision: what it computes voiceprints of full windows in, ``float32`` or ``bfloat16``.
        archive: how the archive of finished calls is; None if none is kept.
    """

    version: str
    model_id: str
    calibration_profile_id: str
    lines: tuple[LineInfo, ...]
    live_calls: int
    watchlists_stale: bool
    load: ServerLoad | None = None
    worker: int = 1
    workers: int = 1
    voice_precision: str = "float32"
    archive: ArchiveState | None = None
