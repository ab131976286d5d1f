"""What a client says about a call, and what it learns: the values of screening.

Enumerations that the server may extend have a member ``UNKNOWN``: a value newer than this client.
"""

from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import Enum

from shengdun.service.contract.campaigns import ScriptCampaign
from shengdun.service.contract.labels import TextLabel
from shengdun.service.contract.scripts import ScriptMatch
from shengdun.service.contract.transcripts import TranscriptNotice, TranscriptUse
from shengdun.service.contract.voices import RepeatVoice


class AudioEncoding(Enum):
    """How the samples of a stream are encoded; one channel, the caller's leg alone."""

    PCMU = "pcmu"
    """G.711 mu-law, 8,000 Hz."""
    PCMA = "pcma"
    """G.711 A-law, 8,000 Hz."""
    L16 = "l16"
    """Signed 16-bit linear, little-endian; 8,000 or 16,000 Hz."""
    L16_BE = "l16_be"
    """Signed 16-bit linear in network byte order (RFC 3551); 8,000 or 16,000 Hz."""


@dataclass(frozen=True, slots=True, kw_only=True)
class AudioFormat:
    """The format of a stream of audio; plain telephony unless stated otherwise."""

    encoding: AudioEncoding = AudioEncoding.PCMU
    sample_rate_hz: int = 8_000

    @property
    def bytes_per_s(self) -> int:
        """Bytes that one second of this audio takes."""
        wide = self.encoding in {AudioEncoding.L16, AudioEncoding.L16_BE}
        return self.sample_rate_hz * (2 if wide else 1)


@dataclass(frozen=True, slots=True, kw_only=True)
class CallConfig:
    """What a call is.

    Attributes:
        call_id: the telephony system's id; 1 to 128 visible ASCII characters, unique among live calls.
        line: the line of business; empty means "default".
        customer_reference: the identity that the caller claims; the server stores a keyed pseudonym only.
        calling_number: the calling number; the server stores a keyed pseudonym only.
        audio_format: the format of the audio that follows; says nothing where words come instead of audio.
        watchlist_ids: watchlists to screen; none means those of the line.
        budget: time from the chunk that completes a window to its decision; None means the line's own.
        transcript_use: whether words come too.
    """

    call_id: str
    line: str = ""
    customer_reference: str = field(default="", repr=False)
    calling_number: str = field(default="", repr=False)
    audio_format: AudioFormat = AudioFormat()
    watchlist_ids: tuple[str, ...] = ()
    budget: timedelta | None = None
    transcript_use: TranscriptUse = TranscriptUse.UNSPECIFIED


class AudioFinding(Enum):
    """Something about the audio that limits what can be decided from it."""

    SILENCE = "silence"
    TONE = "tone"
    DTMF = "dtmf"
    NO_SPEECH = "no_speech"
    TOO_LITTLE_SPEECH = "too_little_speech"
    CLIPPED = "clipped"
    NOISY = "noisy"
    SEVERAL_VOICES = "several_voices"
    WRONG_ENCODING = "wrong_encoding"
    QUIET = "quiet"
    PROMPT = "prompt"
    OVERLAPPING_SPEECH = "overlapping_speech"
    UNKNOWN = "unknown"


@dataclass(frozen=True, slots=True, kw_only=True)
class AudioQuality:
    """What was measured about a stretch of audio.

    Attributes:
        audio: audio handled so far.
        speech_level_dbfs: level of the speech against full scale; None before any speech.
        snr_db: speech over noise; None while either has not been heard.
        clipped_share: share of samples at full scale, 0 to 1.
        speech_share: share of the audio that is speech, 0 to 1.
        findings: what limits a decision from this audio.
    """

    audio: timedelta
    speech_level_dbfs: float | None
    snr_db: float | None
    clipped_share: float
    speech_share: float
    findings: tuple[AudioFinding, ...]


class DecisionState(Enum):
    """How far a decision has come."""

    NOT_ENOUGH_SPEECH = "not_enough_speech"
    """Too little net speech to say anything of the voice; words may have given a level."""
    PROVISIONAL = "provisional"
    """Evidence so far; further speech may change it."""
    FINAL = "final"
    """Nothing that follows in this call will change it."""
    UNKNOWN = "unknown"


class RiskLevel(Enum):
    """The level of risk, by the thresholds of the line."""

    LOW = "low"
    MEDIUM = "medium"
    HIGH = "high"
    UNKNOWN = "unknown"


class FlagType(Enum):
    """The kinds of reasons that a decision can carry."""

    KNOWN_ACTOR_VOICE = "known_actor_voice"
    SCRIPT_MATCH = "script_match"
    SCRIPT_CAMPAIGN = "script_campaign"
    SPEAKER_HANDOVER = "speaker_handover"
    REPEAT_VOICE = "repeat_voice"
    UNKNOWN = "unknown"


class PartialReason(Enum):
    """Why a decision rests on less than it could."""

    SERVER_STOPPING = "server_stopping"
    WATCHLISTS_STALE = "watchlists_stale"
    BUDGET_EXCEEDED = "budget_exceeded"
    NO_WATCHLISTS = "no_watchlists"
    VOICEPRINTS_MISSING = "voiceprints_missing"
    CAMPAIGNS_NOT_COMPARED = "campaigns_not_compared"
    CALLS_NOT_COMPARED = "calls_not_compared"
    """Its words could not be compared with other customers' before the last decision was due."""
    UNKNOWN = "unknown"


class AdvisoryReason(Enum):
    """Why a decision may only be used as a hint."""

    NO_SITE_PROFILE = "no_site_profile"
    """The calibration profile was not made from this site's calls."""
    PROMISE_NOT_KEPT = "promise_not_kept"
    """So low a rate of false flags can't be vouched for with this profile and these watchlists."""
    SCORE_DRIFT = "score_drift"
    """Callers no longer score as those did whom the profile was made from."""
    BY_WORDS = "by_words"
    """Words raised the level; the promise is one of voices."""
    BY_REPEAT_VOICE = "by_repeat_voice"
    """That the voice calls for several customers raised the level; the promise is one of known agents."""
    BY_HANDOVER = "by_handover"
    """A handover, or a voice that took over, raised the level; the promise is one of calls as a whole."""
    UNKNOWN = "unknown"


@dataclass(frozen=True, slots=True, kw_only=True)
class AppliedLevels:
    """The levels that a decision was made with.

    Attributes:
        medium: least probability of MEDIUM.
        high: least probability of HIGH.
        expected_false_flags_per_10000_calls: of 10,000 calls by people who are on no watchlist, how many are expected
            to be flagged; None where the profile can't tell.
        expected_false_flags_lower: lower end of its 95 % interval.
        expected_false_flags_upper: its upper end.
    """

    medium: float
    high: float
    expected_false_flags_per_10000_calls: float | None
    expected_false_flags_lower: float | None
    expected_false_flags_upper: float | None


@dataclass(frozen=True, slots=True, kw_only=True)
class KnownActorVoice:
    """The evidence of a voice that is on a watchlist; ``probability`` is 0 to 1."""

    watchlist_id: str
    actor_id: str
    voiceprint_id: str
    probability: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Candidate:
    """One actor as a candidate for the caller's identity.

    Attributes:
        actor_id: the actor.
        llr: natural-log likelihood ratio of "the caller is this actor" against "a stranger".
        probability: among all of the watchlist and nobody on it, 0 to 1.
    """

    actor_id: str
    llr: float
    probability: float


@dataclass(frozen=True, slots=True, kw_only=True)
class HandoverVoice:
    """One of two voices of a call, screened by itself.

    Attributes:
        net_speech: that it is known by.
        level: by this voice alone.
        probability: that it is on one of the watchlists, by itself.
        watchlist_id: of the best candidate; empty without one.
        best: the best candidate over all watchlists; None when none could be scored.
    """

    net_speech: timedelta
    level: RiskLevel | None
    probability: float
    watchlist_id: str
    best: Candidate | None


@dataclass(frozen=True, slots=True, kw_only=True)
class SpeakerHandover:
    """The evidence of another voice that took over in the call. Couples hand each other the telephone, too.

    Attributes:
        position: in the call's audio, where the second voice begins; exact to a window of 3 s of net speech.
        probability: that another voice took over, 0 to 1.
        counted_llr: what of the flag's LLR counts: at most the line's cap.
        in_turns: whether the first voice came back.
        first: the voice that was there first.
        second: the voice that came.
    """

    position: timedelta
    probability: float
    counted_llr: float
    in_turns: bool
    first: HandoverVoice
    second: HandoverVoice


@dataclass(frozen=True, slots=True, kw_only=True)
class Flag:
    """One typed reason.

    Attributes:
        type: the kind of reason.
        llr: the evidence as a natural-log likelihood ratio; 0 says nothing.
        known_actor_voice: what it rests on, for ``KNOWN_ACTOR_VOICE``.
        script_match: what it rests on, for ``SCRIPT_MATCH``.
        script_campaign: what it rests on, for ``SCRIPT_CAMPAIGN``.
        speaker_handover: what it rests on, for ``SPEAKER_HANDOVER``.
        repeat_voice: what it rests on, for ``REPEAT_VOICE``.
    """

    type: FlagType
    llr: float
    known_actor_voice: KnownActorVoice | None
    script_match: ScriptMatch | None = None
    script_campaign: ScriptCampaign | None = None
    speaker_handover: SpeakerHandover | None = None
    repeat_voice: RepeatVoice | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class WatchlistResult:
    """The outcome of one watchlist; without candidates when it is empty or there was too little speech.

    ``actors_without_voiceprint`` of its actors have no voiceprint of the voice model in use and were not compared.
    """

    watchlist_id: str
    watchlist_version: str
    actor_count: int
    best: Candidate | None
    runner_up: Candidate | None
    actors_without_voiceprint: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class ShadowOutcome:
    """What another voice model or calibration profile, tried out beside the one in use, says; no part of the decision.

    Attributes:
        model_id: the voice model.
        calibration_profile_id: the calibration profile.
        level: by the line's levels for that profile.
        probability: that the caller is on one of the watchlists.
        best: the best candidate of any watchlist; None when none could be scored.
        actors_without_voiceprint: actors of the watchlists without a voiceprint of this model, not compared.
    """

    model_id: str
    calibration_profile_id: str
    level: RiskLevel
    probability: float
    best: Candidate | None
    actors_without_voiceprint: int


@dataclass(frozen=True, slots=True, kw_only=True)
class WordsEvidence:
    """What the caller's words say, and what they count for.

    Places of passages count code points of the caller's words: the final segments that were compared, in the order in
    which they came, joined without anything between, and partial ones behind them.

    Attributes:
        scripts: those that more speaks for than against, the likeliest first, at most three; without their passages,
            which stand in the flag of a script.
        llr: the natural-log likelihood ratio of the likeliest, or of the campaign if that is greater; 0 without either.
        counted_llr: what of it counts: nothing below 0, and at most the line's cap.
        probability: that the caller follows a script, whoever it is.
        level: by the words alone, at most what the line allows them; None for too few words.
        level_by_voice: by the voice alone; None while there is not enough speech.
        scripts_searched: how many scripts the words were compared with.
        characters: of the caller's words that this rests on, those of partial segments among them.
        segments: final segments that were compared.
        segments_of_agent: final segments that were not, because the institution's own agent speaks.
        segments_replaced: partial segments that others took the place of.
        notices: what is unusual about the transcript.
        labels: words that are worth a person's look, by where they begin; of more than 50 the severest. They decide
            nothing.
        labels_found: how many there are, at most 1,000.
        label_pack_ids: the packs that the words were searched with.
    """

    scripts: tuple[ScriptMatch, ...]
    llr: float
    counted_llr: float
    probability: float
    level: RiskLevel | None
    level_by_voice: RiskLevel | None
    scripts_searched: int
    characters: int
    segments: int
    segments_of_agent: int
    segments_replaced: int
    notices: tuple[TranscriptNotice, ...]
    labels: tuple[TextLabel, ...] = ()
    labels_found: int = 0
    label_pack_ids: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class StageTimings:
    """Where the latency of a decision went; the stages add up to it.

    Attributes:
        listening: decoding and voice activity of the chunk that completed the evidence.
        waiting: nothing was done for the call: others were served.
        voiceprint: the voice model.
        search: watchlists searched and scored, or words compared with scripts.
        deciding: evidence weighed, and the decision put together.
    """

    listening: timedelta
    waiting: timedelta
    voiceprint: timedelta
    search: timedelta
    deciding: timedelta


@dataclass(frozen=True, slots=True, kw_only=True)
class Decision:
    """What is known about a call, and what to do. A flag is advice to a person, never a verdict.

    Attributes:
        decision_id: changes exactly when the evidence or the outcome changes.
        call_id: the telephony system's id.
        sequence: counts the decisions of the call from 1.
        state: how far the decision has come.
        level: the level of risk; None while there is not enough speech, nor enough words.
        probability: that the caller is on one of the watchlists, by the voice; None while there is not enough speech.
        flags: the reasons, strongest first.
        watchlists: the outcome for each watchlist.
        net_speech: speech that the decision rests on.
        audio_quality: the quality of the call's audio so far.
        recommended_action: what the line's policy recommends.
        latency: from the arrival of the chunk that completed the evidence to the writing of this decision.
        partial: whether it rests on less than it could.
        partial_reasons: why.
        line: the line whose policy was applied.
        policy_id: that policy, by name and content.
        model_id: the voice model, by name and content.
        calibration_profile_id: the calibration profile, by name and content.
        decided_at: when.
        audio_position: position in the call's audio up to which it was heard.
        answered_position: end, in the call's audio, of the chunk that it answers; ``latency`` counts from its arrival;
            zero in the first decision, None from a server that is older than this client.
        advisory: whether it is only a hint, because no rate of false flags stands behind it.
        advisory_reasons: why.
        applied_levels: the levels that were applied; None while there is not enough speech.
        shadows: what is tried out beside it says; no part of the decision.
        level_probability: what was compared with the levels: ``probability``, or for levels derived from a promise the
            one that counts evidence in full. It puts calls in order; it isn't a probability to act on. Words of a known
            script raise it.
        timings: where ``latency`` went; None from a server that is older than this client.
        words: what the words say; None while none came.
        settled: whether nothing but a handover will change it: on a line that watches for one the call goes on being
            heard, and the state is ``PROVISIONAL`` so long. Always true in a ``FINAL`` decision of a server that isn't
            older than this client.
    """

    decision_id: str
    call_id: str
    sequence: int
    state: DecisionState
    level: RiskLevel | None
    probability: float | None
    flags: tuple[Flag, ...]
    watchlists: tuple[WatchlistResult, ...]
    net_speech: timedelta
    audio_quality: AudioQuality
    recommended_action: str
    latency: timedelta
    partial: bool
    partial_reasons: tuple[PartialReason, ...]
    line: str
    policy_id: str
    model_id: str
    calibration_profile_id: str
    decided_at: datetime
    audio_position: timedelta
    advisory: bool = False
    advisory_reasons: tuple[AdvisoryReason, ...] = ()
    applied_levels: AppliedLevels | None = None
    shadows: tuple[ShadowOutcome, ...] = ()
    answered_position: timedelta | None = None
    level_probability: float | None = None
    timings: StageTimings | None = None
    words: WordsEvidence | None = None
    settled: bool = False

    @property
    def best(self) -> Candidate | None:
        """The likeliest actor over all watchlists, by LLR."""
        found = [result.best for result in self.watchlists if result.best is not None]
        return max(found, key=lambda candidate: candidate.llr, default=None)


@dataclass(frozen=True, slots=True, kw_only=True)
class CallDecision:
    """The decision of a call as it stands, and whether the call is still running."""

    decision: Decision
    live: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class ScreenedRecording:
    """The decision on a whole recording, and what was found in the file.

    Attributes:
        decision: the decision.
        codec: of the file.
        sample_rate_hz: of the file.
        archived: whether it was a call of the past and is in the archive now.
        duration: of the recording; None of an earlier server.
    """

    decision: Decision
    codec: str
    sample_rate_hz: int
    archived: bool = False
    duration: timedelta | None = None
