"""The self-test that a voice model must pass before it serves.

A front end that scales, frames or filters differently still gives voiceprints, only worse ones.
So a fixed signal is embedded and compared with the voiceprint that it is known to have.
"""

from importlib.resources import files
from typing import Any

import numpy as np
from numpy.typing import NDArray

from shengdun.fingerprint.voice.errors import GoldenMismatch, PrecisionUnavailable
from shengdun.fingerprint.voice.models import VoiceModel
from shengdun.fingerprint.voice.samples import MODEL_RATE_HZ, Samples

LEAST_COSINE = 0.9999
"""Agreement below which a model is refused."""

LEAST_BFLOAT16_COSINE = 0.999
"""Agreement of bfloat16 with float32 on the fixed signal below which bfloat16 is not used; 0.9998 is what it has."""

_DURATION_S = 2.0
_PITCH_HZ = 120.0
_HARMONICS = 40
_FORMANTS_HZ = (620.0, 1350.0, 2600.0)
_FORMANT_WIDTH_HZ = 160.0
_NOISE_SEED = 20_261_122
_NOISE_MULTIPLIER = 1_664_525
_NOISE_INCREMENT = 1_013_904_223


def golden_signal() -> Samples:
    """Makes the fixed signal: a vowel-like buzz of moving pitch, and a little noise.

    A sum of harmonics of 120 Hz, whose pitch swings by 10 % three times a second, weighted by three
    formants; the noise is that of a linear congruential generator, so that no library's generator
    is part of the definition.
    """
    time_s = np.arange(round(_DURATION_S * MODEL_RATE_HZ)) / MODEL_RATE_HZ
    phase = 2 * np.pi * _PITCH_HZ * (time_s - 0.1 * np.cos(6 * np.pi * time_s) / (6 * np.pi))
    voice = np.zeros_like(time_s)
    for harmonic in range(1, _HARMONICS + 1):
        distance = (harmonic * _PITCH_HZ - np.array(_FORMANTS_HZ)) / _FORMANT_WIDTH_HZ
        voice += np.exp(-0.5 * np.square(distance)).sum() * np.sin(harmonic * phase) / harmonic
    loudness = 0.55 + 0.45 * np.sin(4 * np.pi * time_s)
    signal = 0.2 * loudness * voice + 0.002 * _noise(len(time_s))
    return signal.astype(np.float32)


def check_golden(model: VoiceModel, known: NDArray[np.float32] | None = None) -> float:
    """Embeds the fixed signal and compares it with the known voiceprint.

    Args:
        model: any voice model whose voiceprint is known.
        known: what it should give, unit length, shape ``(dimension,)``; without it what Shengdun was released with.

    Returns:
        The cosine, at least 0.9999.

    Raises:
        GoldenMismatch: the voiceprints differ, or none is known for this model.
    """
    if known is None:
        known = _known_voiceprints().get(model.model_id)
    if known is None:
        raise GoldenMismatch(
            f"No golden voiceprint is known for {model.model_id}. Use a model that this version "
            "of Shengdun was released with; `shengdun models list` names them."
        )
    cosine = float(model.embed([golden_signal()])[0] @ known)
    if not cosine >= LEAST_COSINE:
        raise GoldenMismatch(
            f"{model.model_id} gives another voiceprint than it should (cosine {cosine:.6f}, at "
            f"least {LEAST_COSINE} is right). Install the model and Shengdun again."
        )
    return cosine


def check_bfloat16(faster: VoiceModel, model: VoiceModel) -> float:
    """Embeds a full window of the fixed signal in both precisions and compares.

    Args:
        faster: a model whose full windows are computed in bfloat16.
        model: the same in float32.

    Returns:
        The cosine, at least 0.999.

    Raises:
        PrecisionUnavailable: the voiceprints differ by more than bfloat16 explains.
    """
    window = np.resize(golden_signal(), round(model.window_s * MODEL_RATE_HZ))
    cosine = float(faster.embed([window])[0] @ model.embed([window])[0])
    if not cosine >= LEAST_BFLOAT16_COSINE:
        raise PrecisionUnavailable(
            f"{model.model_id} gives other voiceprints in bfloat16 than in float32 here (cosine {cosine:.6f}, at least "
            f"{LEAST_BFLOAT16_COSINE} is right). Set voice.precision to float32, and tell us your processor."
        )
    return cosine


def _known_voiceprints() -> dict[str, NDArray[Any]]:
    resource = files("shengdun.fingerprint.voice").joinpath("golden.npz")
    with resource.open("rb") as file, np.load(file) as arrays:
        return {model_id: arrays[model_id] for model_id in arrays.files}


def _noise(count: int) -> NDArray[np.float64]:
    state = _NOISE_SEED
    values = np.empty(count)
    for i in range(count):
        state = (_NOISE_MULTIPLIER * state + _NOISE_INCREMENT) & 0xFFFF_FFFF
        values[i] = state
    return values / 0x8000_0000 - 1.0
