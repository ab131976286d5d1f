"""Decisions and audio: from domain values to messages."""

from collections.abc import Iterable

from shengdun.fingerprint.voice.quality import AudioQuality, Finding
from shengdun.service.convert.campaigns import campaign_flag
from shengdun.service.convert.labels import label_message
from shengdun.service.convert.scripts import followed_message
from shengdun.service.convert.transcripts import notice_messages
from shengdun.service.convert.voices import repeat_flag
from shengdun.service.decision import (
    AdvisoryReason,
    AppliedLevels,
    CandidateOutcome,
    Decision,
    FollowedScript,
    HandoverVoice,
    KnownActorVoice,
    Level,
    PartialReason,
    Risk,
    ShadowOutcome,
    SpeakerHandover,
    StageTimings,
    State,
    WatchlistOutcome,
    WordsOutcome,
)
from shengdun.v1 import audio_pb2, decision_pb2

_FINDINGS = {
    Finding.SILENCE: audio_pb2.AUDIO_FINDING_SILENCE,
    Finding.TONE: audio_pb2.AUDIO_FINDING_TONE,
    Finding.DTMF_ONLY: audio_pb2.AUDIO_FINDING_DTMF,
    Finding.NO_SPEECH: audio_pb2.AUDIO_FINDING_NO_SPEECH,
    Finding.CLIPPED: audio_pb2.AUDIO_FINDING_CLIPPED,
    Finding.NOISY: audio_pb2.AUDIO_FINDING_NOISY,
    Finding.QUIET: audio_pb2.AUDIO_FINDING_QUIET,
    Finding.WRONG_ENCODING: audio_pb2.AUDIO_FINDING_WRONG_ENCODING,
}
_STATES = {
    State.NOT_ENOUGH_SPEECH: decision_pb2.DECISION_STATE_NOT_ENOUGH_SPEECH,
    State.PROVISIONAL: decision_pb2.DECISION_STATE_PROVISIONAL,
    State.FINAL: decision_pb2.DECISION_STATE_FINAL,
}
_LEVELS = {
    None: decision_pb2.RISK_LEVEL_UNSPECIFIED,
    Level.LOW: decision_pb2.RISK_LEVEL_LOW,
    Level.MEDIUM: decision_pb2.RISK_LEVEL_MEDIUM,
    Level.HIGH: decision_pb2.RISK_LEVEL_HIGH,
}
_PARTIAL_REASONS = {
    PartialReason.SERVER_STOPPING: decision_pb2.PARTIAL_REASON_SERVER_STOPPING,
    PartialReason.WATCHLISTS_STALE: decision_pb2.PARTIAL_REASON_WATCHLISTS_STALE,
    PartialReason.BUDGET_EXCEEDED: decision_pb2.PARTIAL_REASON_BUDGET_EXCEEDED,
    PartialReason.NO_WATCHLISTS: decision_pb2.PARTIAL_REASON_NO_WATCHLISTS,
    PartialReason.VOICEPRINTS_MISSING: decision_pb2.PARTIAL_REASON_VOICEPRINTS_MISSING,
    PartialReason.CALLS_NOT_COMPARED: decision_pb2.PARTIAL_REASON_CALLS_NOT_COMPARED,
    PartialReason.CAMPAIGNS_NOT_COMPARED: decision_pb2.PARTIAL_REASON_CAMPAIGNS_NOT_COMPARED,
}
_ADVISORY_REASONS = {
    AdvisoryReason.NO_SITE_PROFILE: decision_pb2.ADVISORY_REASON_NO_SITE_PROFILE,
    AdvisoryReason.PROMISE_NOT_KEPT: decision_pb2.ADVISORY_REASON_PROMISE_NOT_KEPT,
    AdvisoryReason.SCORE_DRIFT: decision_pb2.ADVISORY_REASON_SCORE_DRIFT,
    AdvisoryReason.BY_WORDS: decision_pb2.ADVISORY_REASON_BY_WORDS,
    AdvisoryReason.BY_REPEAT_VOICE: decision_pb2.ADVISORY_REASON_BY_REPEAT_VOICE,
    AdvisoryReason.BY_HANDOVER: decision_pb2.ADVISORY_REASON_BY_HANDOVER,
}


def decision_message(decision: Decision) -> decision_pb2.Decision:
    """A decision as a message."""
    message = decision_pb2.Decision(
        decision_id=decision.decision_id,
        call_id=decision.call_id,
        sequence=decision.sequence,
        state=_STATES[decision.state],
        level=_LEVELS[decision.risk.level],
        probability=decision.risk.probability,
        level_probability=decision.risk.level_probability,
        flags=_flags(decision.risk),
        watchlists=[watchlist_message(outcome) for outcome in decision.risk.watchlists],
        audio_quality=_quality_of_call(decision),
        recommended_action=decision.recommended_action,
        partial=bool(decision.partial_reasons),
        partial_reasons=[_PARTIAL_REASONS[reason] for reason in decision.partial_reasons],
        line=decision.line,
        policy_id=decision.policy_id,
        model_id=decision.model_id,
        calibration_profile_id=decision.calibration_profile_id,
        shadows=[_shadow(outcome) for outcome in decision.shadows],
        advisory=bool(decision.risk.advisory_reasons),
        advisory_reasons=advisory_reason_messages(decision.risk.advisory_reasons),
        applied_levels=levels_message(decision.risk.levels),
        timings=_timings(decision.timings),
        words=_words(decision.risk.words),
        settled=decision.settled,
    )
    message.net_speech.FromTimedelta(decision.net_speech)
    message.latency.FromTimedelta(decision.latency)
    message.audio_position.FromTimedelta(decision.audio_position)
    message.answered_position.FromTimedelta(decision.answered_position)
    message.decide_time.FromDatetime(decision.decided_at)
    return message


def advisory_reason_messages(
    reasons: Iterable[AdvisoryReason],
) -> list[decision_pb2.AdvisoryReason.ValueType]:
    """Why something is advisory, as messages."""
    return [_ADVISORY_REASONS[reason] for reason in reasons]


def levels_message(levels: AppliedLevels | None) -> decision_pb2.AppliedLevels | None:
    """Levels as a message."""
    if levels is None:
        return None
    return decision_pb2.AppliedLevels(
        medium=levels.medium,
        high=levels.high,
        expected_false_flags_per_10000_calls=levels.expected,
        expected_false_flags_lower=levels.lower,
        expected_false_flags_upper=levels.upper,
    )


def quality_message(quality: AudioQuality) -> audio_pb2.AudioQuality:
    """The quality of some audio as a message."""
    message = audio_pb2.AudioQuality(
        speech_level_dbfs=quality.level_dbfs if quality.speech_share else None,
        snr_db=quality.snr_db,
        clipped_share=quality.clipped_share,
        speech_share=quality.speech_share,
        findings=[_FINDINGS[finding] for finding in quality.findings],
    )
    message.audio.FromNanoseconds(round(quality.duration_s * 1e9))
    return message


def _quality_of_call(decision: Decision) -> audio_pb2.AudioQuality:
    message = quality_message(decision.audio_quality)
    if decision.several_voices:
        message.findings.append(audio_pb2.AUDIO_FINDING_SEVERAL_VOICES)
    heard = bool(decision.audio_position)
    if decision.state is State.NOT_ENOUGH_SPEECH and heard and not message.findings:
        message.findings.append(audio_pb2.AUDIO_FINDING_TOO_LITTLE_SPEECH)
    if decision.prompts:
        message.findings.append(audio_pb2.AUDIO_FINDING_PROMPT)
    if decision.overlap:
        message.findings.append(audio_pb2.AUDIO_FINDING_OVERLAPPING_SPEECH)
    return message


def _timings(timings: StageTimings) -> decision_pb2.StageTimings:
    message = decision_pb2.StageTimings()
    message.listening.FromTimedelta(timings.listening)
    message.waiting.FromTimedelta(timings.waiting)
    message.voiceprint.FromTimedelta(timings.voiceprint)
    message.search.FromTimedelta(timings.search)
    message.deciding.FromTimedelta(timings.deciding)
    return message


def _flags(risk: Risk) -> list[decision_pb2.Flag]:
    flags = [*map(_voice_flag, risk.flags)]
    if risk.words is not None:
        flags += map(_script_flag, risk.words.flags)
        flags += [campaign_flag(risk.words.campaign)] if risk.words.campaign else []
    if risk.handover is not None:
        flags.append(_handover_flag(risk.handover))
    if risk.repeat is not None:
        flags.append(repeat_flag(risk.repeat))
    return sorted(flags, key=lambda flag: -flag.llr)


def _handover_flag(flag: SpeakerHandover) -> decision_pb2.Flag:
    evidence = decision_pb2.SpeakerHandover(
        probability=flag.probability,
        counted_llr=flag.counted_llr,
        in_turns=flag.in_turns,
        first=_handover_voice(flag.first),
        second=_handover_voice(flag.second),
    )
    evidence.position.FromTimedelta(flag.position)
    return decision_pb2.Flag(
        type=decision_pb2.FLAG_TYPE_SPEAKER_HANDOVER, llr=flag.llr, speaker_handover=evidence
    )


def _handover_voice(voice: HandoverVoice) -> decision_pb2.HandoverVoice:
    message = decision_pb2.HandoverVoice(
        level=_LEVELS[voice.level],
        probability=voice.probability or 0.0,
        watchlist_id=voice.watchlist_id or "",
        best=_candidate(voice.best),
    )
    message.net_speech.FromTimedelta(voice.net_speech)
    return message


def _script_flag(flag: FollowedScript) -> decision_pb2.Flag:
    return decision_pb2.Flag(
        type=decision_pb2.FLAG_TYPE_SCRIPT_MATCH,
        llr=flag.llr,
        script_match=followed_message(flag),
    )


def _voice_flag(flag: KnownActorVoice) -> decision_pb2.Flag:
    return decision_pb2.Flag(
        type=decision_pb2.FLAG_TYPE_KNOWN_ACTOR_VOICE,
        llr=flag.candidate.llr,
        known_actor_voice=decision_pb2.KnownActorVoice(
            watchlist_id=flag.watchlist_id,
            actor_id=flag.candidate.actor_id,
            voiceprint_id=flag.candidate.voiceprint_id,
            probability=flag.candidate.probability,
        ),
    )


def _words(words: WordsOutcome | None) -> decision_pb2.WordsEvidence | None:
    if words is None:
        return None
    return decision_pb2.WordsEvidence(
        scripts=[followed_message(script, passages=False) for script in words.scripts],
        llr=words.llr,
        counted_llr=words.counted_llr,
        probability=words.probability,
        level=_LEVELS[words.level],
        level_by_voice=_LEVELS[words.level_by_voice],
        scripts_searched=words.searched,
        characters=words.characters,
        segments=words.counts.compared,
        segments_of_agent=words.counts.of_agent,
        segments_replaced=words.counts.replaced,
        notices=notice_messages(words.counts.issues),
        labels=map(label_message, words.labels.told),
        labels_found=words.labels.found,
        label_pack_ids=words.labels.pack_ids,
    )


def watchlist_message(outcome: WatchlistOutcome) -> decision_pb2.WatchlistResult:
    """The outcome of one watchlist."""
    return decision_pb2.WatchlistResult(
        watchlist_id=outcome.watchlist_id,
        watchlist_version=outcome.version,
        actor_count=outcome.actors,
        best=_candidate(outcome.best),
        runner_up=_candidate(outcome.runner_up),
        actors_without_voiceprint=outcome.without_voiceprint,
    )


def _shadow(outcome: ShadowOutcome) -> decision_pb2.ShadowOutcome:
    return decision_pb2.ShadowOutcome(
        model_id=outcome.model_id,
        calibration_profile_id=outcome.profile_id,
        level=_LEVELS[outcome.level],
        probability=outcome.probability,
        best=_candidate(outcome.best),
        actors_without_voiceprint=outcome.actors_without_voiceprint,
    )


def _candidate(candidate: CandidateOutcome | None) -> decision_pb2.Candidate | None:
    if candidate is None:
        return None
    return decision_pb2.Candidate(
        actor_id=candidate.actor_id, llr=candidate.llr, probability=candidate.probability
    )
