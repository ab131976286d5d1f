"""Keys in single frames and in many."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from fixtures.signals import keys, noise, tone
from shengdun.fingerprint.voice.activity import FRAME_SAMPLES, VoiceActivity
from shengdun.fingerprint.voice.demo_recordings import DemoRecording
from shengdun.fingerprint.voice.recordings import decode_recording
from shengdun.fingerprint.voice.tones import HANN, is_dtmf, is_key, may_be_keys
from shengdun.fingerprint.voice.windows import NetSpeech

LOW = (697, 770, 852, 941)
HIGH = (1209, 1336, 1477, 1633)


@given(st.sampled_from(LOW), st.sampled_from(HIGH), st.floats(0.001, 0.5), st.floats(0.0, 6.3))
def test_every_key_is_found(low_hz: int, high_hz: int, level: float, phase: float) -> None:
    """All sixteen pairs, at any level and phase, under a little noise."""
    frame = tone(0.032, low_hz, high_hz, level=level, phase=phase)
    hiss = noise(0.032, level=0.05 * level)
    assert is_key(frame + hiss)


def test_single_tones_and_silence_are_no_keys() -> None:
    """A key is a pair: dial tone, ringback, one frequency of a pair and nothing at all are none."""
    for frame in (tone(0.032, 450), tone(0.032, 350, 440), tone(0.032, 697), 0 * tone(0.032, 697)):
        assert not is_key(frame)


def test_one_frame_and_many_agree(recordings: list[DemoRecording]) -> None:
    """The cheap test of one frame finds what the test of a batch finds, in speech and in keys."""
    speech = decode_recording(recordings[0].read()).samples[: 90 * FRAME_SAMPLES]
    samples = np.concatenate([speech, keys(3.0)[: 90 * FRAME_SAMPLES]])
    frames = samples.reshape(-1, FRAME_SAMPLES)
    spectrum = np.square(np.abs(np.fft.rfft(frames * HANN)))
    together = is_dtmf(frames, spectrum.astype(np.float32))
    assert [is_key(frame) for frame in frames] == together.tolist()
    assert not together[: len(speech) // FRAME_SAMPLES].any()
    assert together.sum() > 40


@given(
    st.sampled_from(LOW),
    st.sampled_from(HIGH),
    st.floats(-6.0, 0.0),
    st.floats(0.05, 1.0),
    st.floats(0.0, 1.0),
)
def test_no_key_escapes_the_first_look(
    low_hz: int, high_hz: int, decades: float, balance: float, hiss: float
) -> None:
    """At any level and balance, and under noise with which it is hardly a key: what both find was likely."""
    pair = tone(0.64, low_hz) + balance * tone(0.64, high_hz)
    samples = np.float32(10.0**decades) * (pair + noise(0.64, level=hiss))
    frames = samples.astype(np.float32).reshape(-1, FRAME_SAMPLES)
    spectrum = np.square(np.abs(np.fft.rfft(frames * HANN)))
    found = is_dtmf(frames, spectrum) | [is_key(frame) for frame in frames]
    assert not (found & ~np.array(may_be_keys(frames))).any()


def test_silence_needs_no_second_look() -> None:
    """Nor is a share of nothing a key."""
    assert not any(may_be_keys(np.zeros((3, FRAME_SAMPLES), np.float32)))


def test_keys_pressed_while_talking_are_left_out(
    voice_activity: VoiceActivity, recordings: list[DemoRecording]
) -> None:
    """No frame of a key gets into a window, whatever the detector makes of it."""
    chosen = next(item for item in recordings if item.duration_s > 8.0)
    speech = decode_recording(chosen.read()).samples[: 250 * FRAME_SAMPLES].copy()
    speech[100 * FRAME_SAMPLES : 104 * FRAME_SAMPLES] = tone(0.128, 697, 1209)
    [probabilities] = voice_activity.speech_probabilities([(voice_activity.new_state(), speech)])
    net_speech = NetSpeech(window_s=60.0)
    net_speech.push(speech, np.maximum(probabilities, np.float32(0.9)))
    window = net_speech.finish()
    assert window is not None
    assert len(window.samples) == 246 * FRAME_SAMPLES
    assert not any(is_key(frame) for frame in window.samples.reshape(-1, FRAME_SAMPLES))
