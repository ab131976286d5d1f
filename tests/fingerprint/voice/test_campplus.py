from pathlib import Path

import numpy as np

from shengdun.fingerprint.voice.campplus import CamPlusPlus
from shengdun.fingerprint.voice.demo_recordings import DemoRecording
from shengdun.fingerprint.voice.fbank import LOG_FLOOR, mel_filters, power_spectra
from shengdun.fingerprint.voice.golden import golden_signal
from shengdun.fingerprint.voice.models import VoiceModel
from shengdun.fingerprint.voice.recordings import decode_recording
from shengdun.fingerprint.voice.samples import Samples

DATA = Path(__file__).parents[1] / "data"
LEAST_COSINE = 0.9999


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


def test_level_hardly_matters(voice_model: VoiceModel, stretches: list[Samples]) -> None:
    """Mean normalisation takes the level out, so a quieter line is the same voice."""
    loud, quiet = voice_model.embed([stretches[7], stretches[7] * np.float32(0.5)])
    assert loud @ quiet > 0.999


def test_features_have_no_mean(voice_model: VoiceModel, stretches: list[Samples]) -> None:
    """What the network sees is centred over the window."""
    assert isinstance(voice_model, CamPlusPlus)
    features = voice_model.features(stretches[0])
    assert np.abs(features.mean(axis=0)).max() < 1e-4


def _cosines(rows: Samples, others: Samples) -> Samples:
    product = (rows * others).sum(axis=1)
    lengths = np.linalg.norm(rows, axis=1) * np.linalg.norm(others, axis=1)
    return np.asarray(product / lengths, np.float32)
