"""What surrounds a caller: noises and rooms, recorded or made, the same ones for the same seed."""

import hashlib
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

import numpy as np
from numpy.typing import NDArray

from shengdun.fingerprint.voice.errors import NoAudio
from shengdun.fingerprint.voice.recordings import decode_recording
from shengdun.fingerprint.voice.samples import MODEL_RATE_HZ, Samples, Seconds

_MADE: Final = "made/1"
_NOISE_S: Seconds = 30.0
_SHORTEST_NOISE_S: Seconds = 2.0
_ROOMS: Final = 8
_RT60_S: Final = (0.3, 0.9)
_DIRECT_TO_REVERBERANT_DB: Final = (-3.0, 6.0)
_COLOURS: Final = (0.0, 0.5, 1.0)
"""Exponents of 1/f: white, in between, pink."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Acoustics:
    """Noises and rooms that calls are put into.

    Attributes:
        noises: samples at 16 kHz, each at least 2 s.
        rooms: impulse responses at 16 kHz.
        fingerprint: names exactly these noises and rooms.
        described: where they come from, for people.
    """

    noises: tuple[Samples, ...] = field(repr=False)
    rooms: tuple[Samples, ...] = field(repr=False)
    fingerprint: str
    described: str

    def __post_init__(self) -> None:
        if not self.noises or not self.rooms:
            raise ValueError("acoustics need at least one noise and one room")

    @classmethod
    def made(cls) -> "Acoustics":
        """White to pink noise, and rooms of noise that decays by 60 dB in 0.3 to 0.9 s; always the same."""
        rng = np.random.default_rng(20260101)
        return cls(
            noises=tuple(_coloured(exponent, rng) for exponent in _COLOURS),
            rooms=tuple(_room(rng) for _ in range(_ROOMS)),
            fingerprint=_MADE,
            described="made: stationary white to pink noise, rooms of decaying noise (RT60 0.3 to 0.9 s)",
        )

    @classmethod
    def recorded(cls, directory: Path) -> "Acoustics":
        """Recordings in ``directory/noise`` and ``directory/rir``; noises under 2 s are left out.

        Raises:
            NoAudio: one of the folders has no recording of its kind.
            UnreadableRecording: a file in them is no recording.
        """
        digest = hashlib.sha256()
        found: dict[str, list[Samples]] = {"noise": [], "rir": []}
        for kind, recordings in found.items():
            least = _SHORTEST_NOISE_S * MODEL_RATE_HZ if kind == "noise" else 1.0
            for path in sorted((directory / kind).glob("*.*")):
                samples = decode_recording(path).samples
                if len(samples) >= least and np.any(samples):
                    recordings.append(samples)
                    digest.update(samples.tobytes())
            if not recordings:
                raise NoAudio(
                    f"{directory / kind} holds no recording that can be used. Put noises into noise/ "
                    "and impulse responses into rir/, or leave the directory out to have them made."
                )
        return cls(
            noises=tuple(found["noise"]),
            rooms=tuple(found["rir"]),
            fingerprint=f"recorded/{digest.hexdigest()[:16]}",
            described=f"recorded: {len(found['noise'])} noises, {len(found['rir'])} rooms",
        )


def add_noise(
    samples: Samples, acoustics: Acoustics, *, snr_db: float, rng: np.random.Generator
) -> Samples:
    """Speech with a stretch of one of the noises, at this ratio of speech (pauses left out) to noise."""
    noise = acoustics.noises[rng.integers(len(acoustics.noises))]
    cut = np.resize(np.roll(noise, -int(rng.integers(len(noise)))), len(samples))
    level = speech_rms(samples) * 10.0 ** (-snr_db / 20.0)
    noisy: Samples = (samples + cut * (level / _rms(cut))).astype(np.float32)
    return noisy


def add_room(samples: Samples, acoustics: Acoustics, *, rng: np.random.Generator) -> Samples:
    """Speech as a microphone hears it in one of the rooms, at the level it had and without delay."""
    room = acoustics.rooms[rng.integers(len(acoustics.rooms))]
    response = room[int(np.argmax(np.abs(room))) :].astype(np.float64)
    length = len(samples) + len(response)
    spectrum = np.fft.rfft(samples, length) * np.fft.rfft(response, length)
    heard = np.fft.irfft(spectrum, length)[: len(samples)].astype(np.float32)
    levelled: Samples = (heard * (speech_rms(samples) / speech_rms(heard))).astype(np.float32)
    return levelled


def speech_rms(samples: Samples) -> float:
    """Root mean square of the 20 ms blocks within 30 dB of the loud ones, so that pauses don't count."""
    block = MODEL_RATE_HZ // 50
    blocks = samples[: len(samples) // block * block].reshape(-1, block).astype(np.float64)
    if not len(blocks):
        return _rms(samples)
    powers = (blocks**2).mean(axis=1)
    active = powers[powers >= np.quantile(powers, 0.95) * 1e-3]
    return float(np.sqrt(active.mean())) + 1e-9


def _rms(samples: NDArray[np.floating]) -> float:
    return float(np.sqrt((samples.astype(np.float64) ** 2).mean())) + 1e-9 if len(samples) else 1e-9


def _coloured(exponent: float, rng: np.random.Generator) -> Samples:
    length = round(_NOISE_S * MODEL_RATE_HZ)
    spectrum = np.fft.rfft(rng.standard_normal(length))
    frequencies = np.maximum(np.fft.rfftfreq(length, 1 / MODEL_RATE_HZ), 50.0)
    noise: Samples = np.fft.irfft(spectrum * frequencies ** (-exponent / 2), length).astype(
        np.float32
    )
    return noise


def _room(rng: np.random.Generator) -> Samples:
    rt60_s = rng.uniform(*_RT60_S)
    time_s = np.arange(round(rt60_s * MODEL_RATE_HZ)) / MODEL_RATE_HZ
    tail = rng.standard_normal(len(time_s)) * 10.0 ** (-3.0 * time_s / rt60_s)
    tail *= 10.0 ** (-rng.uniform(*_DIRECT_TO_REVERBERANT_DB) / 20.0) / np.sqrt((tail**2).sum())
    response: Samples = np.concatenate([[1.0], tail]).astype(np.float32)
    return response
