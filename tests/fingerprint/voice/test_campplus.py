from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest

from fixtures.signals import noise
from shengdun.fingerprint.voice.campplus import CamPlusPlus
from shengdun.fingerprint.voice.demo_recordings import DemoRecording
from shengdun.fingerprint.voice.fbank import LOG_FLOOR, mel_filters, power_spectra
from shengdun.fingerprint.voice.golden import golden_signal
from shengdun.fingerprint.voice.models import VoiceModel
from shengdun.fingerprint.voice.recordings import decode_recording
from shengdun.fingerprint.voice.samples import Samples

DATA = Path(__file__).parents[1] / "data"
LEAST_COSINE = 0.9999


@pytest.fixture(scope="module")
def speech(recordings: list[DemoRecording]) -> list[Samples]:
    """Eight stretches of real speech of 1.5 to 3 s."""
    chosen = [item for item in recordings if item.duration_s > 3.0][:8]
    return [
        decode_recording(item.read()).samples[: 24_000 + 3_429 * number]
        for number, item in enumerate(chosen)
    ]


def test_features_are_kaldis() -> None:
    """The front end agrees with Kaldi's own filterbank on a fixed signal."""
    with np.load(DATA / "reference_features.npz") as arrays:
        expected = arrays["log_mel"]
    mel = power_spectra(golden_signal()) @ mel_filters()
    log_mel = np.log(np.maximum(mel, np.float32(LOG_FLOOR)))
    assert log_mel.shape == expected.shape
    assert np.abs(log_mel - expected).max() < 2e-3
    assert np.abs(log_mel - expected).mean() < 1e-5


def test_voiceprints_are_those_of_pytorch(
    voice_model: VoiceModel, recordings: list[DemoRecording]
) -> None:
    """20 real recordings give the voiceprints that the PyTorch network gives."""
    by_key = {item.key: item for item in recordings}
    with np.load(DATA / "reference_voiceprints.npz") as arrays:
        keys, linear, rectified = (arrays[name] for name in ("keys", "linear", "rectified"))
    audio = [decode_recording(by_key[key].read()).samples[:96_000] for key in keys.tolist()]
    ours = voice_model.embed(audio)
    assert len(ours) == 20
    assert _cosines(ours, linear).min() >= LEAST_COSINE
    assert _cosines(np.maximum(ours, 0), rectified).min() >= LEAST_COSINE


def test_voiceprints_are_of_unit_length(voice_model: VoiceModel, speech: list[Samples]) -> None:
    """Rows are float32 of unit length, one per stretch; nothing gives an empty array."""
    voiceprints = voice_model.embed(speech)
    assert voiceprints.shape == (8, voice_model.dimension)
    assert voiceprints.dtype == np.float32
    assert np.linalg.norm(voiceprints, axis=1) == pytest.approx(1.0, abs=1e-6)
    assert voice_model.embed([]).shape == (0, voice_model.dimension)


def test_company_in_the_batch_does_not_matter(
    voice_model: VoiceModel, speech: list[Samples]
) -> None:
    """The same samples give the same bits alone, beside others and in any order."""
    together = voice_model.embed(speech)
    backwards = voice_model.embed(speech[::-1])[::-1]
    alone = np.concatenate([voice_model.embed([samples]) for samples in speech])
    assert np.array_equal(together, alone)
    assert np.array_equal(backwards, alone)


def test_threads_do_not_matter(voice_model: VoiceModel, speech: list[Samples]) -> None:
    """Several threads at once get the bits that one thread gets."""
    expected = voice_model.embed(speech)
    with ThreadPoolExecutor(4) as pool:
        for result in pool.map(voice_model.embed, [speech] * 4):
            assert np.array_equal(result, expected)


def test_any_length_is_embedded(voice_model: VoiceModel) -> None:
    """Every length from 0.1 s on has a voiceprint; below that is the caller's mistake."""
    signal = noise(2.2)
    lengths = [1_600, 1_601, 3_200, 16_000, 32_240, 32_400, 32_560, 35_000]
    voiceprints = voice_model.embed([signal[:length] for length in lengths])
    assert np.isfinite(voiceprints).all()
    with pytest.raises(ValueError, match=r"0\.1 s"):
        voice_model.embed([signal[:1_599]])


def test_level_hardly_matters(voice_model: VoiceModel, speech: list[Samples]) -> None:
    """Mean normalisation takes the level out, so a quieter line is the same voice."""
    loud, quiet = voice_model.embed([speech[7], speech[7] * np.float32(0.5)])
    assert loud @ quiet > 0.999


def test_features_have_no_mean(voice_model: VoiceModel, speech: list[Samples]) -> None:
    """What the network sees is centred over the window."""
    assert isinstance(voice_model, CamPlusPlus)
    features = voice_model.features(speech[0])
    assert np.abs(features.mean(axis=0)).max() < 1e-4


def _cosines(rows: Samples, others: Samples) -> Samples:
    product = (rows * others).sum(axis=1)
    lengths = np.linalg.norm(rows, axis=1) * np.linalg.norm(others, axis=1)
    return np.asarray(product / lengths, np.float32)
