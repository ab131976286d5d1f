"""What is decided about a call: the values that cross from evidence to telephony."""

from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import Enum

from shengdun.fingerprint.voice.quality import AudioQuality
from shengdun.index.campaigns.campaign import Campaign, SharedWording
from shengdun.index.scripts.known import FoundScript
from shengdun.index.voices.repeat import RepeatVoice
from shengdun.service.transcript import TranscriptCounts
from shengdun.service.word_labels import NO_LABELS, HeardLabels


class State(Enum):
    """How far a decision has come."""

    NOT_ENOUGH_SPEECH = "not_enough_speech"
    PROVISIONAL = "provisional"
    FINAL = "final"


class Level(Enum):
    """The level of risk, by the thresholds of the line."""

    LOW = "low"
    MEDIUM = "medium"
    HIGH = "high"


class PartialReason(Enum):
    """Why a decision rests on less than it could."""

    SERVER_STOPPING = "server_stopping"
    WATCHLISTS_STALE = "watchlists_stale"
    BUDGET_EXCEEDED = "budget_exceeded"
    NO_WATCHLISTS = "no_watchlists"
    VOICEPRINTS_MISSING = "voiceprints_missing"
    CAMPAIGNS_NOT_COMPARED = "campaigns_not_compared"
    CALLS_NOT_COMPARED = "calls_not_compared"


class AdvisoryReason(Enum):
    """Why the rate of false flags that a line asks for is not vouched for."""

    NO_SITE_PROFILE = "no_site_profile"
    PROMISE_NOT_KEPT = "promise_not_kept"
    SCORE_DRIFT = "score_drift"
    BY_WORDS = "by_words"
    BY_HANDOVER = "by_handover"
    BY_REPEAT_VOICE = "by_repeat_voice"


@dataclass(frozen=True, slots=True, kw_only=True)
class AppliedLevels:
    """The levels of a decision.

    Attributes:
        medium: least probability of MEDIUM.
        high: least probability of HIGH.
        expected: of 10,000 calls by people on no watchlist, how many are expected to be flagged; None if not known.
        lower: lower end of the 95 % interval of that.
        upper: its upper end.
        full_evidence: whether they are compared with evidence in full, also beyond what calibration can vouch for.
    """

    medium: float
    high: float
    expected: float | None = None
    lower: float | None = None
    upper: float | None = None
    full_evidence: bool = False

    def __post_init__(self) -> None:
        if not 0.0 < self.medium < self.high < 1.0:
            raise ValueError("levels must be between 0 and 1, medium below high")

    def level_of(self, probability: float) -> Level:
        """The level at a probability, 0 to 1."""
        if probability >= self.high:
            return Level.HIGH
        return Level.MEDIUM if probability >= self.medium else Level.LOW


@dataclass(frozen=True, slots=True, kw_only=True)
class CandidateOutcome:
    """One actor as a candidate for the caller's identity.

    Attributes:
        actor_id: the actor.
        voiceprint_id: its stored voiceprint that was closest.
        llr: natural-log likelihood ratio of "the caller is this actor" against "a stranger".
        probability: that the caller is this actor, 0 to 1.
    """

    actor_id: str
    voiceprint_id: str
    llr: float
    probability: float


@dataclass(frozen=True, slots=True, kw_only=True)
class WatchlistOutcome:
    """What one watchlist says.

    Attributes:
        watchlist_id: the watchlist.
        version: the version that was searched.
        actors: actors in force.
        best: the best candidate, if any.
        runner_up: the next one, if any.
        without_voiceprint: how many of the actors have no voiceprint of the voice model, and so were not compared.
    """

    watchlist_id: str
    version: str
    actors: int
    best: CandidateOutcome | None = None
    runner_up: CandidateOutcome | None = None
    without_voiceprint: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class ShadowOutcome:
    """What a voice model or calibration profile that is tried out says; it has no part in the decision.

    Attributes:
        model_id: the voice model.
        profile_id: the calibration profile.
        level: by the line's levels for that profile.
        probability: that the caller is on any of the watchlists.
        best: the best candidate, of any watchlist.
        actors_without_voiceprint: actors of the watchlists that have no voiceprint of the model.
    """

    model_id: str
    profile_id: str
    level: Level
    probability: float
    best: CandidateOutcome | None
    actors_without_voiceprint: int


@dataclass(frozen=True, slots=True, kw_only=True)
class KnownActorVoice:
    """The flag that the voice is that of an actor on a watchlist.

    Attributes:
        watchlist_id: the watchlist.
        candidate: the actor with its evidence.
    """

    watchlist_id: str
    candidate: CandidateOutcome


@dataclass(frozen=True, slots=True, kw_only=True)
class HandoverVoice:
    """One of two voices of a call, screened by itself.

    Attributes:
        net_speech: that it is known by.
        level: by this voice alone.
        probability: that it is on any of the watchlists, by itself.
        watchlist_id: where its best candidate is; None without one.
        best: its best candidate, if any.
    """

    net_speech: timedelta
    level: Level | None
    probability: float | None
    watchlist_id: str | None = None
    best: CandidateOutcome | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class SpeakerHandover:
    """The flag that another voice took over in the call.

    Attributes:
        position: in the call's audio, where the second voice begins; exact to a window of net speech.
        llr: natural-log likelihood ratio of "another voice took over" against "one voice throughout".
        counted_llr: what of it counts.
        probability: that another voice took over.
        in_turns: whether the first voice came back.
        first: the voice that was there first.
        second: the one that came.
    """

    position: timedelta
    llr: float
    counted_llr: float
    probability: float
    in_turns: bool
    first: HandoverVoice
    second: HandoverVoice


@dataclass(frozen=True, slots=True, kw_only=True)
class FollowedScript:
    """A script that the caller's words may be those of.

    Attributes:
        found: the script, and where the words are its own.
        excerpts: what was said at each passage, masked.
    """

    found: FoundScript
    excerpts: tuple[str, ...] = field(repr=False)

    @property
    def llr(self) -> float:
        """The natural-log likelihood ratio of "this script is followed"."""
        return self.found.match.llr


@dataclass(frozen=True, slots=True, kw_only=True)
class FollowedCampaign:
    """A campaign that a text or a call's words follow.

    Attributes:
        llr: natural-log likelihood ratio of "it follows a script that another customer's text follows too".
        campaign: as it stands with this text in it.
        wording: what its texts share.
    """

    llr: float
    campaign: Campaign
    wording: SharedWording


@dataclass(frozen=True, slots=True, kw_only=True)
class WordsOutcome:
    """What the caller's words amount to under the policy of the line.

    Attributes:
        scripts: those that more speaks for than against, the likeliest first.
        flags: those of them that are flagged.
        campaign: the campaign that they follow, which is flagged; None before the call's end.
        labels: what is worth a person's look in them. They have no part in level or flags.
        llr: of the likeliest script, or of the campaign if that is greater; 0 without either.
        counted_llr: what of it counts.
        probability: that the caller follows a script, whoever it is.
        level: by the words alone; None while there are too few, or no scripts to compare them with.
        level_by_voice: by the voice alone; None while there is not enough speech.
        searched: scripts that the words were compared with.
        characters: code points of the caller's words so far.
        counts: the segments that came.
    """

    scripts: tuple[FollowedScript, ...] = ()
    flags: tuple[FollowedScript, ...] = ()
    campaign: FollowedCampaign | None = None
    labels: HeardLabels = NO_LABELS
    llr: float = 0.0
    counted_llr: float = 0.0
    probability: float = 0.0
    level: Level | None = None
    level_by_voice: Level | None = None
    searched: int = 0
    characters: int = 0
    counts: TranscriptCounts


@dataclass(frozen=True, slots=True, kw_only=True)
class Risk:
    """What the evidence of a call amounts to under the policy of its line.

    Attributes:
        level: None while there is not enough speech, nor enough words.
        probability: that the caller is on any of the watchlists, by the voice; None while there is not enough speech.
        level_probability: what was compared with the levels: ``probability``, or with derived levels the one that
            counts evidence in full, also beyond what the calibration data can vouch for; raised by words.
        flags: those of the voice, strongest first.
        watchlists: one outcome for each watchlist that was screened.
        levels: those that were applied; None while there is not enough speech.
        advisory_reasons: why this is only a hint; empty when the line's promise stands behind it.
        words: what the words amount to; None when none came.
        handover: the voice that took over; None where none did, or it isn't watched for.
        repeat: that the voice has called for several other customers lately; None where it isn't likely enough.
    """

    level: Level | None = None
    probability: float | None = None
    level_probability: float | None = None
    flags: tuple[KnownActorVoice, ...] = ()
    watchlists: tuple[WatchlistOutcome, ...] = ()
    levels: AppliedLevels | None = None
    advisory_reasons: tuple[AdvisoryReason, ...] = ()
    words: WordsOutcome | None = None
    handover: SpeakerHandover | None = None
    repeat: RepeatVoice | None = None

    def __post_init__(self) -> None:
        together = (self.level_by_voice, self.probability, self.level_probability, self.levels)
        if len({each is None for each in together}) > 1:
            raise ValueError("a level, its probabilities and the levels applied come together")

    @property
    def level_by_voice(self) -> Level | None:
        """The level without the words; None while there is not enough speech."""
        return self.level if self.words is None else self.words.level_by_voice


@dataclass(frozen=True, slots=True, kw_only=True)
class StageTimings:
    """Where the latency of a decision went; the stages add up to it.

    Attributes:
        listening: decoding and voice activity of the chunk that completed its evidence, with the calls beside it.
        waiting: nothing was done for the call.
        voiceprint: the network.
        search: watchlists searched and scored.
        deciding: evidence weighed, and the decision put together.
    """

    listening: timedelta = timedelta()
    waiting: timedelta = timedelta()
    voiceprint: timedelta = timedelta()
    search: timedelta = timedelta()
    deciding: timedelta = timedelta()


@dataclass(frozen=True, slots=True, kw_only=True)
class Decision:
    """What is known about a call, and what to do.

    Attributes:
        decision_id: changes exactly when the evidence or the outcome changes.
        call_id: the telephony system's id of the call.
        sequence: counts the decisions of the call from 1.
        state: how far it has come.
        risk: level, probability, flags and outcomes.
        net_speech: net speech that it rests on.
        audio_quality: of the call so far.
        several_voices: whether some of the speech is more likely another person's.
        prompts: whether a prompt of the house was heard and left out.
        overlap: whether two people were heard talking at once; left out as far as other speech remains.
        recommended_action: what the line recommends at this level.
        latency: from the arrival of the chunk that completed the evidence to the writing of this decision.
        timings: where that time went.
        partial_reasons: why it rests on less than it could; empty when it does not.
        line: the line whose policy was applied.
        policy_id: that policy, by name and content.
        model_id: the voice model.
        calibration_profile_id: the calibration profile.
        decided_at: when.
        audio_position: position in the call's audio up to which it was heard.
        answered_position: end, in the call's audio, of the chunk that it answers; ``latency`` counts from its arrival.
        settled: whether nothing but a handover will change it; always in a FINAL one.
        shadows: what is tried out beside it says, of the window before perhaps; no part of the decision.
    """

    decision_id: str
    call_id: str
    sequence: int
    state: State
    risk: Risk
    net_speech: timedelta
    audio_quality: AudioQuality
    several_voices: bool
    prompts: bool = False
    overlap: bool = False
    recommended_action: str
    latency: timedelta
    timings: StageTimings = StageTimings()
    partial_reasons: tuple[PartialReason, ...] = field(default=())
    line: str
    policy_id: str
    model_id: str
    calibration_profile_id: str
    decided_at: datetime
    audio_position: timedelta
    answered_position: timedelta
    shadows: tuple[ShadowOutcome, ...] = ()
    settled: bool = False

    def __post_init__(self) -> None:
        if (self.state is State.NOT_ENOUGH_SPEECH) != (self.risk.level_by_voice is None):
            raise ValueError("the voice gives a level exactly when there was enough speech")
