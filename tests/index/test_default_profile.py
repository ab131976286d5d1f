"""The shipped calibration on the real model and real voices, none of which the fit has met."""

from itertools import combinations

import numpy as np
import pytest
from numpy.typing import NDArray

from shengdun.fingerprint.voice.activity import Framer, VoiceActivity
from shengdun.fingerprint.voice.codecs import AudioFormat, Encoding, StreamDecoder, encode
from shengdun.fingerprint.voice.demo_recordings import DemoRecording
from shengdun.fingerprint.voice.models import VoiceModel
from shengdun.fingerprint.voice.recordings import decode_recording
from shengdun.fingerprint.voice.samples import MODEL_RATE_HZ
from shengdun.fingerprint.voice.windows import NetSpeech
from shengdun.index.calibration import default_profile
from shengdun.index.posterior import open_set_posterior
from shengdun.index.scoring import Scorer, aggregate

TELEPHONE = AudioFormat(encoding=Encoding.PCMU, sample_rate_hz=8000)
SECONDS = 14
SPEAKERS = 5


@pytest.fixture(scope="module")
def scorer(voice_model: VoiceModel) -> Scorer:
    return Scorer(default_profile(voice_model.model_id))


@pytest.fixture(scope="module")
def voices(
    recordings: list[DemoRecording], voice_model: VoiceModel, voice_activity: VoiceActivity
) -> dict[str, list[tuple[NDArray[np.float32], float]]]:
    """Two voiceprints of each of some speakers, from different meetings, heard over a telephone."""
    longest: dict[tuple[str, str], DemoRecording] = {}
    for recording in sorted(recordings, key=lambda item: item.duration_s):
        if recording.duration_s >= SECONDS:
            longest[recording.speaker, recording.meeting] = recording
    chosen: dict[str, list[DemoRecording]] = {}
    for (speaker, _), recording in sorted(longest.items()):
        chosen.setdefault(speaker, []).append(recording)
    ready = [(speaker, found[:2]) for speaker, found in chosen.items() if len(found) > 1]
    return {
        speaker: [_heard(recording, voice_model, voice_activity) for recording in two]
        for speaker, two in ready[:SPEAKERS]
    }


def _heard(
    recording: DemoRecording, model: VoiceModel, activity: VoiceActivity
) -> tuple[NDArray[np.float32], float]:
    samples = decode_recording(recording.read()).samples[: SECONDS * MODEL_RATE_HZ]
    decoder = StreamDecoder(TELEPHONE)
    decoded = np.concatenate([decoder.decode(encode(samples, TELEPHONE)), decoder.finish()])
    frames = Framer().push(decoded)
    probabilities = activity.speech_probabilities([(activity.new_state(), frames)])[0]
    windows = NetSpeech(window_s=model.window_s).push(frames, probabilities)
    net_speech_s = np.array([window.net_speech_s for window in windows])
    voiceprint = aggregate(model.embed([window.samples for window in windows]), net_speech_s)
    return voiceprint, float(net_speech_s.sum())


def test_one_voice_in_two_meetings_is_told_from_two_voices(
    scorer: Scorer, voices: dict[str, list[tuple[NDArray[np.float32], float]]]
) -> None:
    """The least evidence for the same voice is above the most evidence for a stranger."""
    assert len(voices) >= 4
    same = [_pair(scorer, a, b) for a, b in voices.values()]
    others = [
        _pair(scorer, a, b)
        for one, two in combinations(voices, 2)
        for a in voices[one]
        for b in voices[two]
    ]
    assert min(same) > max(others)
    assert np.median(same) > 4.0
    assert np.median(others) < -3.0
    # Honest evidence misleads this far at most once in e^6 = 400 pairs of strangers.
    assert max(others) < 6.0


def test_a_listed_voice_stands_out_and_a_stranger_is_cleared(
    scorer: Scorer, voices: dict[str, list[tuple[NDArray[np.float32], float]]]
) -> None:
    """Enrolled from one meeting and calling in another; then the same call with that actor off the list."""
    prior = 0.1
    for speaker, (_, call) in voices.items():
        llrs = {name: _pair(scorer, enrolled, call) for name, (enrolled, _) in voices.items()}
        listed = open_set_posterior(
            np.array(list(llrs.values())), prior_on_list=prior, actors=len(llrs)
        )
        assert list(llrs)[int(listed.actor_probabilities.argmax())] == speaker
        own = llrs.pop(speaker)
        absent = open_set_posterior(
            np.array(list(llrs.values())), prior_on_list=prior, actors=len(llrs)
        )
        assert absent.on_list < 0.5
        assert listed.on_list > absent.on_list
        assert own > 0.0


def _pair(
    scorer: Scorer, a: tuple[NDArray[np.float32], float], b: tuple[NDArray[np.float32], float]
) -> float:
    return scorer.pairwise_llr(a[0], b[0], net_a_s=a[1], net_b_s=b[1])
