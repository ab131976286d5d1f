from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fixtures.signals import noise, silence
from shengdun.fingerprint.voice.activity import FRAME_SAMPLES, Framer, VoiceActivity
from shengdun.fingerprint.voice.codecs import AudioFormat, Encoding, StreamDecoder, encode
from shengdun.fingerprint.voice.demo_recordings import DemoRecording
from shengdun.fingerprint.voice.recordings import decode_recording
from shengdun.fingerprint.voice.samples import MODEL_RATE_HZ, Samples
from shengdun.fingerprint.voice.windows import NetSpeech, Window, WindowPolicy

PCMU = AudioFormat(encoding=Encoding.PCMU, sample_rate_hz=8_000)
FRAMES_PER_WINDOW = 10
WINDOW_S = FRAMES_PER_WINDOW * FRAME_SAMPLES / MODEL_RATE_HZ
EXACT = WindowPolicy(padding_frames=0, shortest_frames=1, remainder_s=0.1, only_s=0.05)


def ramp(frames: int) -> Samples:
    """Samples that say where they are."""
    return np.arange(frames * FRAME_SAMPLES, dtype=np.float32)


def windows_of(probabilities: list[float], policy: WindowPolicy) -> list[Window]:
    """Gives all windows of a ramp with these probabilities."""
    speech = NetSpeech(window_s=WINDOW_S, policy=policy)
    full = speech.push(ramp(len(probabilities)), np.array(probabilities, np.float32))
    last = speech.finish()
    return full if last is None else [*full, last]


def test_windows_hold_the_speech_and_nothing_else() -> None:
    """Speech on both sides of a pause is laid end to end; positions are those of the call."""
    first, second = windows_of([0.0] * 5 + [0.9] * 7 + [0.0] * 20 + [0.9] * 9, EXACT)
    frames = np.concatenate([np.arange(5, 12), np.arange(32, 35)])
    expected = ramp(41).reshape(-1, FRAME_SAMPLES)[frames].ravel()
    assert np.array_equal(first.samples, expected)
    assert (first.index, second.index) == (0, 1)
    assert first.start_s == 5 * FRAME_SAMPLES / MODEL_RATE_HZ
    assert first.end_s == second.start_s == 35 * FRAME_SAMPLES / MODEL_RATE_HZ
    assert second.end_s == 41 * FRAME_SAMPLES / MODEL_RATE_HZ
    assert second.net_speech_s == pytest.approx(6 * 0.032)


def test_windows_may_end_inside_a_frame() -> None:
    """A window has exactly its length, and the rest of its last frame begins the next."""
    speech = NetSpeech(window_s=0.05, policy=EXACT)
    windows = speech.push(ramp(10), np.ones(10, np.float32))
    assert [len(window.samples) for window in windows] == [800] * 6
    assert np.array_equal(
        np.concatenate([window.samples for window in windows]), ramp(10)[: 6 * 800]
    )
    assert [window.start_s for window in windows] == pytest.approx([0.05 * i for i in range(6)])


def test_hysteresis_bridges_weak_frames() -> None:
    """Once speech has begun, it goes on at a probability that would not begin it."""
    policy = WindowPolicy(padding_frames=0, shortest_frames=1, remainder_s=0.1, only_s=0.05)
    (window,) = windows_of([0.4] * 3 + [0.6] + [0.4] * 4 + [0.3] + [0.4] * 5, policy)
    assert window.start_s == 3 * 0.032
    assert len(window.samples) == 5 * FRAME_SAMPLES


def test_clicks_are_dropped_and_speech_is_padded() -> None:
    """Two frames are a click; three are speech, and come with their surroundings in order."""
    policy = WindowPolicy(padding_frames=2, shortest_frames=3, remainder_s=0.1, only_s=0.05)
    assert windows_of([0.0] * 5 + [0.9] * 2 + [0.0] * 5, policy) == []
    (window,) = windows_of([0.0] * 5 + [0.9] * 3 + [0.0] * 5, policy)
    assert np.array_equal(window.samples, ramp(13)[3 * FRAME_SAMPLES : 10 * FRAME_SAMPLES])


@given(st.lists(st.sampled_from([0.1, 0.4, 0.9]), max_size=80), st.integers(0, 3))
def test_samples_are_in_order_and_used_once(levels: list[float], padding: int) -> None:
    """Whatever the probabilities, no sample is used twice or out of order."""
    policy = WindowPolicy(padding_frames=padding, shortest_frames=2, remainder_s=0.1, only_s=0.05)
    windows = windows_of(levels, policy)
    used = np.concatenate([np.zeros(0), *[window.samples for window in windows]])
    assert (np.diff(used) > 0).all()
    for before, after in pairwise(windows):
        assert before.end_s <= after.start_s


@pytest.mark.parametrize(
    ("frames", "lengths"),
    [(5, []), (7, [7]), (10, [10]), (14, [10]), (16, [10, 6])],
)
def test_what_is_left_at_the_end(frames: int, lengths: list[int]) -> None:
    """The rest is a window if it is long enough; as the only speech it may be shorter."""
    policy = WindowPolicy(padding_frames=0, shortest_frames=1, remainder_s=0.19, only_s=0.17)
    windows = windows_of([0.9] * frames, policy)
    assert [len(window.samples) // FRAME_SAMPLES for window in windows] == lengths


def test_frames_without_a_probability_are_refused() -> None:
    """Every frame needs its probability."""
    with pytest.raises(ValueError, match="one probability per frame"):
        NetSpeech(window_s=3.0).push(ramp(2), np.ones(1, np.float32))


@pytest.mark.parametrize(
    "wrong",
    [{"onset": 0.2}, {"shortest_frames": 0}, {"padding_frames": -1}, {"only_s": 2.0}],
)
def test_impossible_policies_are_refused(wrong: dict[str, float]) -> None:
    """A policy that contradicts itself can't be made."""
    with pytest.raises(ValueError, match="Needs"):
        WindowPolicy(**wrong)  # type: ignore[arg-type]


def hear(activity: VoiceActivity, data: bytes, sizes: list[int]) -> list[Window]:
    """Takes PCMU bytes to windows in chunks of these sizes, over and over."""
    decoder, framer, state = StreamDecoder(PCMU), Framer(), activity.new_state()
    speech, windows = NetSpeech(window_s=3.0), []

    def take(frames: Samples) -> list[Window]:
        (probabilities,) = activity.speech_probabilities([(state, frames)])
        return speech.push(frames, probabilities)

    at, turn = 0, 0
    while at < len(data):
        size = sizes[turn % len(sizes)]
        windows += take(framer.push(decoder.decode(data[at : at + size])))
        at, turn = at + size, turn + 1
    windows += take(framer.push(decoder.finish()))
    windows += take(framer.finish())
    last = speech.finish()
    return windows if last is None else [*windows, last]


@settings(max_examples=10, deadline=None)
@given(sizes=st.lists(st.integers(80, 20_000), min_size=1, max_size=8))
def test_any_chunking_gives_the_same_windows(
    voice_activity: VoiceActivity, recordings: list[DemoRecording], sizes: list[int]
) -> None:
    """From bytes to windows: the same call gives the same windows, bit for bit."""
    chosen = [item for item in recordings if 4.0 < item.duration_s < 8.0][:2]
    parts = [decode_recording(item.read()).samples for item in chosen]
    data = encode(np.concatenate([parts[0], silence(1.0), parts[1], noise(0.5)]), PCMU)
    whole, cut = hear(voice_activity, data, [len(data)]), hear(voice_activity, data, sizes)
    assert len(whole) >= 2
    assert [(w.index, w.start_s, w.end_s) for w in cut] == [
        (w.index, w.start_s, w.end_s) for w in whole
    ]
    assert all(np.array_equal(a.samples, b.samples) for a, b in zip(cut, whole, strict=True))


def test_too_little_speech_is_no_window(
    voice_activity: VoiceActivity, recordings: list[DemoRecording]
) -> None:
    """0.4 s of speech give no window, and neither does silence; the net speech is still told."""
    speech = decode_recording(next(r for r in recordings if r.duration_s > 5).read()).samples
    for signal in (np.concatenate([speech[16_000:22_400], silence(2.0)]), silence(5.0)):
        assert hear(voice_activity, encode(signal, PCMU), [800]) == []
