"""Screening between the wire and the client's values."""

from collections.abc import AsyncIterator, Iterable
from datetime import UTC, datetime

from google.protobuf.duration_pb2 import Duration

from shengdun.service.contract import decisions as values
from shengdun.service.contract import servers
from shengdun.service.contract.texts import ScreenedText
from shengdun.service.contract.transcripts import (
    TranscriptIssue,
    TranscriptNotice,
    TranscriptSegment,
    TranscriptUse,
)
from shengdun.service.convert.client_campaigns import script_campaign_from_wire
from shengdun.service.convert.client_enums import from_wire, from_wire_optional
from shengdun.service.convert.client_labels import label_from_wire
from shengdun.service.convert.client_load import (
    archive_state_from_wire,
    load_from_wire,
    timings_from_wire,
)
from shengdun.service.convert.client_scripts import match_from_wire, similar_from_wire
from shengdun.service.convert.client_voices import repeat_voice_from_wire
from shengdun.v1 import audio_pb2, decision_pb2, screening_pb2, transcript_pb2


def config_to_wire(config: values.CallConfig) -> screening_pb2.ScreenCallRequest:
    """The first message of a call."""
    wire = screening_pb2.CallConfig(
        call_id=config.call_id,
        line=config.line,
        customer_reference=config.customer_reference,
        calling_number=config.calling_number,
        audio_format=audio_pb2.AudioFormat(
            encoding=audio_pb2.AudioEncoding.Value(
                f"AUDIO_ENCODING_{config.audio_format.encoding.name}"
            ),
            sample_rate_hz=config.audio_format.sample_rate_hz,
        ),
        watchlist_ids=config.watchlist_ids,
        transcript_use=transcript_pb2.TranscriptUse.Value(
            f"TRANSCRIPT_USE_{config.transcript_use.name}"
        ),
    )
    if config.transcript_use is TranscriptUse.INSTEAD_OF_AUDIO:
        wire.ClearField("audio_format")
    if config.budget is not None:
        budget = Duration()
        budget.FromTimedelta(config.budget)
        wire.budget.CopyFrom(budget)
    return screening_pb2.ScreenCallRequest(config=wire)


def audio_to_wire(audio: bytes) -> screening_pb2.ScreenCallRequest:
    """One chunk of a call."""
    return screening_pb2.ScreenCallRequest(audio=audio)


def segment_to_wire(segment: TranscriptSegment) -> screening_pb2.ScreenCallRequest:
    """Words of a call."""
    return screening_pb2.ScreenCallRequest(segment=_segment(segment))


def _segment(segment: TranscriptSegment) -> transcript_pb2.TranscriptSegment:
    wire = transcript_pb2.TranscriptSegment(
        segment_id=segment.segment_id,
        text=segment.text,
        speaker=transcript_pb2.Speaker.Value(f"SPEAKER_{segment.speaker.name}"),
        is_final=segment.is_final,
    )
    if segment.start is not None:
        wire.start.FromTimedelta(segment.start)
    if segment.end is not None:
        wire.end.FromTimedelta(segment.end)
    return wire


def decision_request(call_id: str) -> screening_pb2.GetDecisionRequest:
    """Asks for the decision of a call."""
    return screening_pb2.GetDecisionRequest(call_id=call_id)


def server_info_request() -> screening_pb2.GetServerInfoRequest:
    """Asks what the server is."""
    return screening_pb2.GetServerInfoRequest()


async def recording_to_wire(
    parts: AsyncIterator[bytes | TranscriptSegment],
    *,
    call_id: str,
    line: str,
    customer_reference: str,
    calling_number: str,
    watchlist_ids: Iterable[str],
    started_at: datetime | None,
    channel: int,
    even_if_erased: bool,
) -> AsyncIterator[screening_pb2.ScreenRecordingRequest]:
    """The messages of a recording: what it is, then its words and bytes."""
    config = screening_pb2.RecordingConfig(
        call_id=call_id,
        line=line,
        customer_reference=customer_reference,
        calling_number=calling_number,
        watchlist_ids=watchlist_ids,
        channel=channel,
        even_if_erased=even_if_erased,
    )
    if started_at is not None:
        config.start_time.FromDatetime(started_at)
    yield screening_pb2.ScreenRecordingRequest(config=config)
    async for part in parts:
        if isinstance(part, bytes):
            yield screening_pb2.ScreenRecordingRequest(data=part)
        else:
            yield screening_pb2.ScreenRecordingRequest(segment=_segment(part))


def call_decision_from_wire(wire: screening_pb2.GetDecisionResponse) -> values.CallDecision:
    """The decision of a call and whether it runs."""
    return values.CallDecision(decision=decision_from_wire(wire.decision), live=wire.live)


def recording_from_wire(wire: screening_pb2.ScreenRecordingResponse) -> values.ScreenedRecording:
    """The decision on a recording."""
    return values.ScreenedRecording(
        decision=decision_from_wire(wire.decision),
        codec=wire.codec,
        sample_rate_hz=wire.sample_rate_hz,
        archived=wire.archived,
        duration=wire.duration.ToTimedelta() if wire.HasField("duration") else None,
    )


def server_info_from_wire(wire: screening_pb2.GetServerInfoResponse) -> servers.ServerInfo:
    """What the server is."""
    return servers.ServerInfo(
        version=wire.version,
        model_id=wire.model_id,
        calibration_profile_id=wire.calibration_profile_id,
        lines=tuple(
            servers.LineInfo(
                line=line.line,
                watchlist_ids=tuple(line.watchlist_ids),
                policy_id=line.policy_id,
                budget=line.budget.ToTimedelta(),
                standing=_standing(line.standing) if line.HasField("standing") else None,
            )
            for line in wire.lines
        ),
        live_calls=wire.live_calls,
        watchlists_stale=wire.watchlists_stale,
        load=load_from_wire(wire.load) if wire.HasField("load") else None,
        # An earlier server was one process and said nothing about it.
        worker=wire.worker or 1,
        workers=wire.workers or 1,
        voice_precision=wire.voice_precision or "float32",
        archive=archive_state_from_wire(wire.archive) if wire.HasField("archive") else None,
    )


def decision_from_wire(wire: decision_pb2.Decision) -> values.Decision:
    """A decision."""
    return values.Decision(
        decision_id=wire.decision_id,
        call_id=wire.call_id,
        sequence=wire.sequence,
        state=from_wire(
            values.DecisionState, decision_pb2.DecisionState.Name, "DECISION_STATE_", wire.state
        ),
        level=_level(wire.level),
        probability=wire.probability if wire.HasField("probability") else None,
        level_probability=wire.level_probability if wire.HasField("level_probability") else None,
        flags=tuple(_flag(flag) for flag in wire.flags),
        watchlists=tuple(watchlist_from_wire(result) for result in wire.watchlists),
        net_speech=wire.net_speech.ToTimedelta(),
        audio_quality=audio_quality_from_wire(wire.audio_quality),
        recommended_action=wire.recommended_action,
        latency=wire.latency.ToTimedelta(),
        partial=wire.partial,
        partial_reasons=tuple(
            from_wire(
                values.PartialReason, decision_pb2.PartialReason.Name, "PARTIAL_REASON_", reason
            )
            for reason in wire.partial_reasons
        ),
        line=wire.line,
        policy_id=wire.policy_id,
        model_id=wire.model_id,
        calibration_profile_id=wire.calibration_profile_id,
        decided_at=wire.decide_time.ToDatetime(UTC),
        audio_position=wire.audio_position.ToTimedelta(),
        answered_position=(
            wire.answered_position.ToTimedelta() if wire.HasField("answered_position") else None
        ),
        shadows=tuple(_shadow(shadow) for shadow in wire.shadows),
        advisory=wire.advisory,
        advisory_reasons=_advisory_reasons(wire.advisory_reasons),
        applied_levels=_levels(wire.applied_levels) if wire.HasField("applied_levels") else None,
        timings=timings_from_wire(wire.timings) if wire.HasField("timings") else None,
        words=_words(wire.words) if wire.HasField("words") else None,
        settled=wire.settled,
    )


def audio_quality_from_wire(wire: audio_pb2.AudioQuality) -> values.AudioQuality:
    """What was measured about a stretch of audio."""
    return values.AudioQuality(
        audio=wire.audio.ToTimedelta(),
        speech_level_dbfs=wire.speech_level_dbfs if wire.HasField("speech_level_dbfs") else None,
        snr_db=wire.snr_db if wire.HasField("snr_db") else None,
        clipped_share=wire.clipped_share,
        speech_share=wire.speech_share,
        findings=tuple(
            from_wire(values.AudioFinding, audio_pb2.AudioFinding.Name, "AUDIO_FINDING_", finding)
            for finding in wire.findings
        ),
    )


def _advisory_reasons(
    wire: Iterable[decision_pb2.AdvisoryReason.ValueType],
) -> tuple[values.AdvisoryReason, ...]:
    return tuple(
        from_wire(
            values.AdvisoryReason, decision_pb2.AdvisoryReason.Name, "ADVISORY_REASON_", reason
        )
        for reason in wire
    )


def _levels(wire: decision_pb2.AppliedLevels) -> values.AppliedLevels:
    known = wire.HasField("expected_false_flags_per_10000_calls")
    return values.AppliedLevels(
        medium=wire.medium,
        high=wire.high,
        expected_false_flags_per_10000_calls=(
            wire.expected_false_flags_per_10000_calls if known else None
        ),
        expected_false_flags_lower=wire.expected_false_flags_lower if known else None,
        expected_false_flags_upper=wire.expected_false_flags_upper if known else None,
    )


def _standing(wire: screening_pb2.LineStanding) -> servers.LineStanding:
    return servers.LineStanding(
        levels=_levels(wire.levels) if wire.HasField("levels") else None,
        advisory=wire.advisory,
        advisory_reasons=_advisory_reasons(wire.advisory_reasons),
        promised_false_flags_per_10000_calls=(
            wire.promised_false_flags_per_10000_calls
            if wire.HasField("promised_false_flags_per_10000_calls")
            else None
        ),
        explanation=wire.explanation,
        derivation_time=(
            wire.derivation_time.ToTimedelta() if wire.HasField("derivation_time") else None
        ),
        calls=wire.calls,
        flagged_calls=wire.flagged_calls,
        score_drift=wire.score_drift if wire.HasField("score_drift") else None,
    )


def screened_text_from_wire(wire: screening_pb2.ScreenTextResponse) -> ScreenedText:
    """The outcome of a text."""
    return ScreenedText(
        flags=tuple(_flag(flag) for flag in wire.flags),
        scripts_searched=wire.scripts_searched,
        line=wire.line,
        partial=wire.partial,
        partial_reasons=tuple(
            from_wire(
                values.PartialReason, decision_pb2.PartialReason.Name, "PARTIAL_REASON_", reason
            )
            for reason in wire.partial_reasons
        ),
        labels=tuple(label_from_wire(label) for label in wire.labels),
        labels_found=wire.labels_found,
        label_pack_ids=tuple(wire.label_pack_ids),
        similar=similar_from_wire(wire.similar_scripts),
    )


def _flag(wire: decision_pb2.Flag) -> values.Flag:
    voice = wire.known_actor_voice if wire.HasField("known_actor_voice") else None
    return values.Flag(
        type=from_wire(values.FlagType, decision_pb2.FlagType.Name, "FLAG_TYPE_", wire.type),
        llr=wire.llr,
        known_actor_voice=voice
        and values.KnownActorVoice(
            watchlist_id=voice.watchlist_id,
            actor_id=voice.actor_id,
            voiceprint_id=voice.voiceprint_id,
            probability=voice.probability,
        ),
        script_match=(
            match_from_wire(wire.script_match) if wire.HasField("script_match") else None
        ),
        script_campaign=(
            script_campaign_from_wire(wire.script_campaign)
            if wire.HasField("script_campaign")
            else None
        ),
        speaker_handover=(
            _handover(wire.speaker_handover) if wire.HasField("speaker_handover") else None
        ),
        repeat_voice=(
            repeat_voice_from_wire(wire.repeat_voice) if wire.HasField("repeat_voice") else None
        ),
    )


def _handover(wire: decision_pb2.SpeakerHandover) -> values.SpeakerHandover:
    return values.SpeakerHandover(
        position=wire.position.ToTimedelta(),
        probability=wire.probability,
        counted_llr=wire.counted_llr,
        in_turns=wire.in_turns,
        first=_handover_voice(wire.first),
        second=_handover_voice(wire.second),
    )


def _handover_voice(wire: decision_pb2.HandoverVoice) -> values.HandoverVoice:
    return values.HandoverVoice(
        net_speech=wire.net_speech.ToTimedelta(),
        level=_level(wire.level),
        probability=wire.probability,
        watchlist_id=wire.watchlist_id,
        best=_candidate(wire.best) if wire.HasField("best") else None,
    )


def _words(wire: decision_pb2.WordsEvidence) -> values.WordsEvidence:
    return values.WordsEvidence(
        scripts=tuple(match_from_wire(script) for script in wire.scripts),
        llr=wire.llr,
        counted_llr=wire.counted_llr,
        probability=wire.probability,
        level=_level(wire.level),
        level_by_voice=_level(wire.level_by_voice),
        scripts_searched=wire.scripts_searched,
        characters=wire.characters,
        segments=wire.segments,
        segments_of_agent=wire.segments_of_agent,
        segments_replaced=wire.segments_replaced,
        notices=tuple(
            TranscriptNotice(
                issue=from_wire(
                    TranscriptIssue,
                    transcript_pb2.TranscriptIssue.Name,
                    "TRANSCRIPT_ISSUE_",
                    notice.issue,
                ),
                count=notice.count,
            )
            for notice in wire.notices
        ),
        labels=tuple(label_from_wire(label) for label in wire.labels),
        labels_found=wire.labels_found,
        label_pack_ids=tuple(wire.label_pack_ids),
    )


def _level(wire: decision_pb2.RiskLevel.ValueType) -> values.RiskLevel | None:
    return from_wire_optional(values.RiskLevel, decision_pb2.RiskLevel.Name, "RISK_LEVEL_", wire)


def watchlist_from_wire(wire: decision_pb2.WatchlistResult) -> values.WatchlistResult:
    """The outcome of one watchlist."""
    return values.WatchlistResult(
        watchlist_id=wire.watchlist_id,
        watchlist_version=wire.watchlist_version,
        actor_count=wire.actor_count,
        best=_candidate(wire.best) if wire.HasField("best") else None,
        runner_up=_candidate(wire.runner_up) if wire.HasField("runner_up") else None,
        actors_without_voiceprint=wire.actors_without_voiceprint,
    )


def _shadow(wire: decision_pb2.ShadowOutcome) -> values.ShadowOutcome:
    return values.ShadowOutcome(
        model_id=wire.model_id,
        calibration_profile_id=wire.calibration_profile_id,
        level=from_wire(values.RiskLevel, decision_pb2.RiskLevel.Name, "RISK_LEVEL_", wire.level),
        probability=wire.probability,
        best=_candidate(wire.best) if wire.HasField("best") else None,
        actors_without_voiceprint=wire.actors_without_voiceprint,
    )


def _candidate(wire: decision_pb2.Candidate) -> values.Candidate:
    return values.Candidate(actor_id=wire.actor_id, llr=wire.llr, probability=wire.probability)
