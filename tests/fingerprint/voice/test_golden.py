from collections.abc import Sequence

import numpy as np
import pytest

from shengdun.fingerprint.voice.errors import GoldenMismatch, PrecisionUnavailable
from shengdun.fingerprint.voice.golden import (
    LEAST_COSINE,
    check_bfloat16,
    check_golden,
    golden_signal,
)
from shengdun.fingerprint.voice.models import Precision, VoiceModel, Voiceprints
from shengdun.fingerprint.voice.samples import Samples


class _Distorted:
    """The real model behind a front end that is wrong in a small way."""

    def __init__(self, model: VoiceModel, *, scale: float, delay: int, model_id: str) -> None:
        self._model = model
        self._scale = np.float32(scale)
        self._delay = delay
        self.model_id = model_id
        self.dimension = model.dimension
        self.window_s = model.window_s
        self.precision: Precision = model.precision

    def embed(self, batch: Sequence[Samples]) -> Voiceprints:
        return self._model.embed([samples[self._delay :] * self._scale for samples in batch])


def test_released_model_passes(voice_model: VoiceModel) -> None:
    """The released model gives its golden voiceprint on this machine."""
    assert check_golden(voice_model) >= LEAST_COSINE


@pytest.mark.parametrize(
    ("scale", "delay"), [(32_768.0, 0), (1.0, 80)], ids=["16-bit steps", "framing"]
)
def test_wrong_front_end_is_refused(voice_model: VoiceModel, scale: float, delay: int) -> None:
    """Samples in 16-bit steps, or frames off by half a step, do not serve."""
    model = _Distorted(voice_model, scale=scale, delay=delay, model_id=voice_model.model_id)
    with pytest.raises(GoldenMismatch, match="cosine"):
        check_golden(model)


def test_bfloat16_that_computes_something_else_is_refused(voice_model: VoiceModel) -> None:
    """A network that sees other features than the one in float32 is not used in its place."""
    other = _Distorted(voice_model, scale=1.0, delay=80, model_id=voice_model.model_id)
    assert check_bfloat16(voice_model, voice_model) == pytest.approx(1.0)
    with pytest.raises(PrecisionUnavailable, match=r"cosine.*voice\.precision to float32"):
        check_bfloat16(other, voice_model)


def test_unknown_model_is_refused(voice_model: VoiceModel) -> None:
    """A model without a golden voiceprint does not serve."""
    model = _Distorted(voice_model, scale=1.0, delay=0, model_id="other@000000000000")
    with pytest.raises(GoldenMismatch, match="No golden voiceprint"):
        check_golden(model)


def test_signal_is_fixed() -> None:
    """The signal is a formula: the same everywhere, in range, two seconds."""
    signal = golden_signal()
    assert signal.shape == (32_000,)
    assert np.abs(signal).max() == pytest.approx(0.150591, abs=1e-5)
