from pathlib import Path

import numpy as np
import pytest

from fixtures.signals import silence
from shengdun.fingerprint.voice.demo_recordings import DemoRecording
from shengdun.fingerprint.voice.model_store import ModelStore
from shengdun.fingerprint.voice.recordings import decode_recording
from shengdun.fingerprint.voice.segmentation import CLASSES, Segmentation

DATA = Path(__file__).parents[1] / "data"


@pytest.fixture(scope="module")
def segmentation(model_store: ModelStore) -> Segmentation:
    """The released segmentation network."""
    return model_store.segmentation()


def test_classes_are_those_of_pytorch(
    segmentation: Segmentation, recordings: list[DemoRecording]
) -> None:
    """Single voices and a mix give the classes that the PyTorch network gives."""
    by_key = {item.key: item for item in recordings}
    with np.load(DATA / "reference_segmentation.npz") as arrays:
        keys, expected = arrays["keys"].tolist(), arrays["classes"].astype(np.float32)
    chunks = [decode_recording(by_key[key].read()).samples[:160_000] for key in keys]
    chunks[-1] = chunks[-1] + chunks[0]
    ours = np.stack([segmentation.classes(chunk) for chunk in chunks])
    assert np.abs(ours - expected).max() < 2e-3
    assert (ours.argmax(axis=2) == expected.argmax(axis=2)).mean() > 0.999


def test_rows_are_probabilities(segmentation: Segmentation) -> None:
    """Every frame's classes add up to one, and silence is nobody."""
    classes = segmentation.classes(silence(3.0))
    assert classes.shape == (589, len(CLASSES))
    assert classes.sum(axis=1) == pytest.approx(1.0, abs=1e-5)
    assert (classes.argmax(axis=1) == 0).mean() > 0.95


def test_long_chunks_are_refused(segmentation: Segmentation) -> None:
    """More than ten seconds at a time is the caller's mistake."""
    with pytest.raises(ValueError, match=r"10\.0 s"):
        segmentation.classes(silence(10.1))
