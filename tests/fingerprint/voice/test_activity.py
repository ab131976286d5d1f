from collections.abc import Callable

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fixtures.signals import keys, music, noise, silence
from shengdun.fingerprint.voice.activity import FRAME_SAMPLES, Framer, VoiceActivity
from shengdun.fingerprint.voice.demo_recordings import DemoRecording
from shengdun.fingerprint.voice.model_store import ModelStore
from shengdun.fingerprint.voice.recordings import decode_recording
from shengdun.fingerprint.voice.runtime import open_session
from shengdun.fingerprint.voice.samples import Samples
from shengdun.fingerprint.voice.silero import CONTEXT_SAMPLES, HIDDEN, banded

FRAMES = 60


@pytest.fixture(scope="module")
def speech(recordings: list[DemoRecording]) -> list[Samples]:
    """Nine stretches of real speech of 60 frames."""
    chosen = [item for item in recordings if item.duration_s > 3.0][:9]
    return [decode_recording(item.read()).samples[: FRAMES * FRAME_SAMPLES] for item in chosen]


def test_speech_is_told_from_silence_and_noise(
    voice_activity: VoiceActivity, speech: list[Samples]
) -> None:
    """Speech is likely in speech, and unlikely in silence and noise."""
    signals = [speech[0], silence(3.2), noise(3.2)]
    batch = [(voice_activity.new_state(), signal) for signal in signals]
    talking, silent, noisy = voice_activity.speech_probabilities(batch)
    assert talking.mean() > 0.6
    assert silent.max() < 0.1
    assert noisy.mean() < 0.1


def test_probabilities_are_those_of_the_released_graph(
    model_store: ModelStore, voice_activity: VoiceActivity, speech: list[Samples]
) -> None:
    """The graph that was laid out anew gives what Silero's own gives, as long as neither begins anew."""
    released = open_session(model_store.verify("silero-vad"), threads=1)
    frames = speech[0].reshape(-1, FRAME_SAMPLES)
    before = np.vstack([np.zeros((1, CONTEXT_SAMPLES), np.float32), frames[:-1, -CONTEXT_SAMPLES:]])
    nothing = np.zeros((1, 1, HIDDEN), np.float32)
    [expected] = released.run(
        ["speech_probs"], {"input": np.hstack([before, frames]), "h": nothing, "c": nothing}
    )
    [ours] = voice_activity.speech_probabilities([(voice_activity.new_state(), speech[0])])
    assert np.abs(ours - expected).max() < 1e-5


@pytest.mark.parametrize("stride", [1, 2])
def test_banded_matrix_is_the_convolution(stride: int) -> None:
    """Multiplying with it is convolving, with a pad of one at both ends."""
    generator = np.random.default_rng(7)
    weight = generator.standard_normal((5, 3, 3)).astype(np.float32)
    signal = generator.standard_normal((4, 3)).astype(np.float32)
    padded = np.pad(signal, ((1, 1), (0, 0)))
    expected = [np.einsum("oit,ti->o", weight, padded[at : at + 3]) for at in range(0, 4, stride)]
    product = signal.reshape(1, -1) @ banded(weight, positions=4, stride=stride)
    assert np.allclose(product[0], np.concatenate(expected), atol=1e-5)


@settings(max_examples=10, deadline=None)
@given(cuts=st.lists(st.integers(1, 20), min_size=1, max_size=6))
def test_cutting_into_runs_does_not_matter(
    voice_activity: VoiceActivity, speech: list[Samples], cuts: list[int]
) -> None:
    """The same frames give the same bits, however many come at a time."""
    (whole,) = voice_activity.speech_probabilities([(voice_activity.new_state(), speech[0])])
    state, parts, at, turn = voice_activity.new_state(), [], 0, 0
    while at < len(speech[0]):
        size = cuts[turn % len(cuts)] * FRAME_SAMPLES
        parts += voice_activity.speech_probabilities([(state, speech[0][at : at + size])])
        at, turn = at + size, turn + 1
    assert np.array_equal(np.concatenate(parts), whole)


@pytest.mark.parametrize("before", [music, keys])
def test_caller_is_heard_after_music_and_keys(
    voice_activity: VoiceActivity, speech: list[Samples], before: Callable[[float], Samples]
) -> None:
    """What was played before a caller speaks doesn't leave the detector deaf."""
    [alone] = voice_activity.speech_probabilities([(voice_activity.new_state(), speech[0])])
    call = np.concatenate([before(20.48), speech[0]])
    [after] = voice_activity.speech_probabilities([(voice_activity.new_state(), call)])
    assert (after[-FRAMES:] >= 0.5).sum() >= 0.8 * (alone >= 0.5).sum()


@settings(max_examples=8, deadline=None)
@given(cuts=st.lists(st.integers(1, 90), min_size=1, max_size=6))
def test_beginning_anew_depends_on_the_audio_alone(
    voice_activity: VoiceActivity, speech: list[Samples], cuts: list[int]
) -> None:
    """Where the detector begins anew, and so every bit after it, is the same for any cutting."""
    call = np.concatenate([speech[0], music(5.12), speech[1], keys(3.2), speech[2]])
    [whole] = voice_activity.speech_probabilities([(voice_activity.new_state(), call)])
    state, parts, at, turn = voice_activity.new_state(), [], 0, 0
    while at < len(call):
        size = cuts[turn % len(cuts)] * FRAME_SAMPLES
        parts += voice_activity.speech_probabilities([(state, call[at : at + size])])
        at, turn = at + size, turn + 1
    assert np.array_equal(np.concatenate(parts), whole)


@pytest.mark.parametrize("others", [1, 2, 3, 7, 8, 31, 63])
def test_company_in_the_batch_does_not_matter(
    voice_activity: VoiceActivity, speech: list[Samples], others: int
) -> None:
    """A call's probabilities are the same bits alone and beside others."""
    (alone,) = voice_activity.speech_probabilities([(voice_activity.new_state(), speech[0])])
    company = [speech[1 + i % 8] for i in range(others)]
    batch = [(voice_activity.new_state(), signal) for signal in [*company, speech[0]]]
    assert np.array_equal(voice_activity.speech_probabilities(batch)[-1], alone)


@settings(max_examples=8, deadline=None)
@given(lengths=st.lists(st.integers(0, FRAMES), min_size=1, max_size=80))
def test_company_of_other_lengths_does_not_matter(
    voice_activity: VoiceActivity, speech: list[Samples], lengths: list[int]
) -> None:
    """Nor does it matter how long the others are, or how many runs they take."""
    (alone,) = voice_activity.speech_probabilities([(voice_activity.new_state(), speech[0])])
    company = [speech[i % 9][: frames * FRAME_SAMPLES] for i, frames in enumerate(lengths)]
    batch = [(voice_activity.new_state(), signal) for signal in [*company, speech[0]]]
    found = voice_activity.speech_probabilities(batch)
    assert [len(one) for one in found] == [*lengths, FRAMES]
    assert np.array_equal(found[-1], alone)


def test_partial_frames_are_refused(voice_activity: VoiceActivity) -> None:
    """Samples that are not whole frames are refused before any state moves."""
    state = voice_activity.new_state()
    with pytest.raises(ValueError, match="whole frames"):
        voice_activity.speech_probabilities([(state, silence(0.032)), (state, silence(0.01))])
    assert not state.memory.any()


@given(sizes=st.lists(st.integers(0, 1_500), max_size=12))
def test_framer_keeps_every_sample(sizes: list[int]) -> None:
    """Frames are whole, in order, and padded with silence at the end only."""
    signal = np.arange(1, sum(sizes) + 1, dtype=np.float32)
    framer, parts, at = Framer(), [np.zeros(0, np.float32)], 0
    for size in sizes:
        parts.append(framer.push(signal[at : at + size]))
        at += size
    parts.append(framer.finish())
    framed = np.concatenate(parts)
    assert all(len(part) % FRAME_SAMPLES == 0 for part in parts)
    assert np.array_equal(framed[: len(signal)], signal)
    assert not framed[len(signal) :].any()
    assert len(framed) - len(signal) < FRAME_SAMPLES
