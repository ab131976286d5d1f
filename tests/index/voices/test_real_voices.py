"""Unknown voices with the shipped spread, the real model, and real voices that no fit has met."""

from collections import defaultdict
from datetime import UTC, datetime, timedelta

import numpy as np
import pytest

from shengdun.fingerprint.voice.activity import Framer, VoiceActivity
from shengdun.fingerprint.voice.codecs import AudioFormat, Encoding, StreamDecoder, encode
from shengdun.fingerprint.voice.demo_recordings import DemoRecording
from shengdun.fingerprint.voice.models import VoiceModel
from shengdun.fingerprint.voice.recordings import decode_recording
from shengdun.fingerprint.voice.samples import MODEL_RATE_HZ
from shengdun.fingerprint.voice.windows import NetSpeech
from shengdun.index.archive.rows import ArchivedCall
from shengdun.index.calibration import default_profile
from shengdun.index.scoring import Scorer, aggregate
from shengdun.index.voices.clusters import VoiceClusters
from shengdun.index.voices.evidence import VoiceEvidence
from shengdun.index.voices.repeat import RepeatVoice, RepeatWatch
from shengdun.index.voices.shipped import default_spread

FORMATS = tuple(
    AudioFormat(encoding=encoding, sample_rate_hz=8000)
    for encoding in (Encoding.PCMU, Encoding.PCMA)
)
SECONDS = 14
AGENT_CALLS = 4
BEGINS = datetime(2026, 3, 1, 8, tzinfo=UTC)


@pytest.fixture(scope="module")
def calls(
    recordings: list[DemoRecording], voice_model: VoiceModel, voice_activity: VoiceActivity
) -> dict[str, list[ArchivedCall]]:
    """Calls of each speaker: four of the one with most recordings, up to two of the others."""
    able: dict[str, list[DemoRecording]] = defaultdict(list)
    for recording in sorted(recordings, key=lambda item: item.key):
        if recording.duration_s >= SECONDS:
            able[recording.speaker].append(recording)
    agent = max(able, key=lambda speaker: len(able[speaker]))
    return {
        "agent" if speaker == agent else speaker: [
            _call(recording, number, voice_model, voice_activity, own=speaker != agent)
            for number, recording in enumerate(found[: AGENT_CALLS if speaker == agent else 2])
        ]
        for speaker, found in able.items()
    }


def _call(
    recording: DemoRecording,
    number: int,
    model: VoiceModel,
    activity: VoiceActivity,
    *,
    own: bool,
) -> ArchivedCall:
    line = FORMATS[number % len(FORMATS)]
    samples = decode_recording(recording.read()).samples[: SECONDS * MODEL_RATE_HZ]
    decoder = StreamDecoder(line)
    decoded = np.concatenate([decoder.decode(encode(samples, line)), decoder.finish()])
    frames = Framer().push(decoded)
    probabilities = activity.speech_probabilities([(activity.new_state(), frames)])[0]
    windows = NetSpeech(window_s=model.window_s).push(frames, probabilities)
    net_speech_s = np.array([window.net_speech_s for window in windows])
    started = BEGINS + timedelta(hours=number)
    return ArchivedCall(
        call_id=recording.key,
        started_at=started,
        ended_at=started + timedelta(minutes=3),
        line="complaints",
        customer=recording.speaker if own else f"customer-{number}",
        model_id=model.model_id,
        voiceprint=aggregate(model.embed([window.samples for window in windows]), net_speech_s),
        net_speech_s=float(net_speech_s.sum()),
    )


def test_an_agent_is_told_at_the_third_customer_and_nobody_else_is(
    calls: dict[str, list[ArchivedCall]], voice_model: VoiceModel
) -> None:
    """Between other people's calls, a voice that calls for its third customer is told; at the next, surely so."""
    scorer = Scorer(default_profile(voice_model.model_id))
    clusters = VoiceClusters(VoiceEvidence(scorer, default_spread(voice_model.model_id)))
    watch = RepeatWatch(clusters)
    told: dict[str, list[RepeatVoice | None]] = defaultdict(list)
    for round_of_calls in range(AGENT_CALLS):
        for speaker, own in sorted(calls.items()):
            for call in own[round_of_calls : round_of_calls + 1]:
                told[speaker].append(_look(watch, call))
                clusters.take(call)
    agent = told.pop("agent")
    assert len(told) >= 4
    assert all(result is None for results in told.values() for result in results)
    assert [result is not None for result in agent] == [False, False, True, True]
    # Named are calls that are surely the voice's own, and in so small a window not all of them are yet.
    earlier = {call.call_id for call in calls["agent"][:3]}
    assert agent[3] is not None
    assert len(agent[3].calls) >= 2
    assert {each.call_id for each in agent[3].calls} <= earlier
    [most_suspicious, *_] = clusters.clusters(customers=3)
    assert set(most_suspicious.calls) == {call.call_id for call in calls["agent"]}


def _look(watch: RepeatWatch, call: ArchivedCall) -> RepeatVoice | None:
    assert call.voiceprint is not None
    return watch.look(
        call.voiceprint,
        net_speech_s=call.net_speech_s,
        snr_db=call.snr_db,
        customer=call.customer,
        number=call.number,
        at=call.started_at,
    )
