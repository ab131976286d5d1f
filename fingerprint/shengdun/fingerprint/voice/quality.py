"""What the audio of a call or a recording is like, gathered frame by frame.

Levels are relative to a full-scale square wave (dBFS).
"""

from dataclasses import dataclass
from enum import Enum

import numpy as np
from numpy.typing import NDArray

from shengdun.fingerprint.voice.activity import FRAME_SAMPLES, Probabilities
from shengdun.fingerprint.voice.noise import BandNoise
from shengdun.fingerprint.voice.samples import MODEL_RATE_HZ, Samples, Seconds
from shengdun.fingerprint.voice.source import SourceStatistics
from shengdun.fingerprint.voice.tones import HANN, is_dtmf, is_tone

FRAME_S: Seconds = FRAME_SAMPLES / MODEL_RATE_HZ

_FLOOR_DBFS = -120.0
_SPEECH = 0.5
_PAUSE = 0.15
_LARGEST_SNR_DB = 60.0
_LEAST_FRAMES_FOR_SNR = 16
_CLIPPED_FROM = 0.999


class Finding(Enum):
    """Something that makes audio unfit, or evidence weaker."""

    SILENCE = "SILENCE"
    """Nothing but silence."""
    TONE = "TONE"
    """Steady tones and no speech: ringback, busy, fax."""
    DTMF_ONLY = "DTMF_ONLY"
    """Keys pressed and no speech."""
    NO_SPEECH = "NO_SPEECH"
    """Sound, but no speech: music or noise."""
    CLIPPED = "CLIPPED"
    """Recorded too loud: samples at the codec's peak."""
    NOISY = "NOISY"
    """Noise near the level of the speech."""
    QUIET = "QUIET"
    """Speech at a level where the codec's steps are coarse."""
    WRONG_ENCODING = "WRONG_ENCODING"
    """Probably sent in the other G.711 law or byte order than was announced."""


@dataclass(frozen=True, slots=True, kw_only=True)
class QualityPolicy:
    """Where findings begin. Figures about the audio; none of them is about voices.

    Attributes:
        silent_dbfs: a frame below this level is silent.
        least_speech_share: with less speech than this in the audio there is none.
        least_tone_share: share of the sounding frames that must be steady tones, or keys.
        clipped_share: share of clipped samples from which the waveform is distorted.
        noisy_db: signal-to-noise ratio below which speech is noisy.
        quiet_dbfs: level of speech below which it is quiet.
    """

    silent_dbfs: float = -60.0
    least_speech_share: float = 0.02
    least_tone_share: float = 0.5
    clipped_share: float = 0.005
    noisy_db: float = 8.0
    quiet_dbfs: float = -45.0


@dataclass(frozen=True, slots=True, kw_only=True)
class AudioQuality:
    """What audio is like.

    Attributes:
        duration_s: audio seen, in whole frames.
        level_dbfs: mean level of the speech; of everything, where there is no speech.
        snr_db: mean level of speech over the median level of pauses, at most 60; None with less than
            half a second of either. For people, and for what is refused.
        band_snr_db: speech over noise band by band, -15 to 25 (``noise.BandNoise``); None with less than half a second
            of speech or of pauses. For maps to likelihood ratios: noise in a part of the band leaves a voice the rest.
        clipped_share: share of samples at the codec's peak, 0 to 1.
        speech_share: share of frames with speech, 0 to 1.
        silent_share: share of silent frames, 0 to 1.
        tonal_share: share of frames that are steady tones, keys among them, 0 to 1.
        dtmf_share: share of frames in which a key is pressed, 0 to 1.
        findings: what is wrong, the most telling first.
    """

    duration_s: Seconds
    level_dbfs: float
    snr_db: float | None
    band_snr_db: float | None
    clipped_share: float
    speech_share: float
    silent_share: float
    tonal_share: float
    dtmf_share: float
    findings: tuple[Finding, ...]


class QualityMeter:
    """Gathers the quality of one call or recording. Not safe to share between threads.

    Args:
        policy: where findings begin.
    """

    def __init__(self, policy: QualityPolicy | None = None) -> None:
        self._policy = policy or QualityPolicy()
        self._frames = 0
        self._speech = _Power()
        self._pauses = _Level()
        self._all = _Power()
        self._bands = BandNoise()
        self._silent = 0
        self._dtmf = 0
        self._tonal = 0
        self._clipped = 0
        self._last_peak = _NO_PEAK

    def update(
        self, samples: Samples, probabilities: Probabilities, *, may_have_keys: bool = True
    ) -> None:
        """Takes the next frames in.

        Args:
            samples: whole frames at 16 kHz.
            probabilities: of speech, one per frame.
            may_have_keys: false where it is known that none of them may be a key.

        Raises:
            ValueError: there isn't one probability per frame.
        """
        if len(samples) != len(probabilities) * FRAME_SAMPLES:
            raise ValueError("Needs one probability per frame.")
        if not len(samples):
            return
        frames = samples.reshape(-1, FRAME_SAMPLES)
        power = np.square(frames, dtype=np.float64).mean(axis=1)
        silent = power < _power_of(self._policy.silent_dbfs)
        self._frames += len(frames)
        self._silent += int(silent.sum())
        self._all.add(power)
        self._speech.add(power[probabilities >= _SPEECH])
        self._pauses.add(power[probabilities < _PAUSE])
        self._clipped += int(np.count_nonzero(np.abs(samples) >= _CLIPPED_FROM))
        spectrum = np.square(np.abs(np.fft.rfft(frames * HANN)))
        self._bands.add(spectrum, speech=probabilities >= _SPEECH, pauses=probabilities < _PAUSE)
        self._count_tones(frames, spectrum, sounding=~silent, may_have_keys=may_have_keys)

    def report(self, source: SourceStatistics | None = None) -> AudioQuality:
        """Says what the audio was like so far.

        Args:
            source: the decoder's statistics. Clipping is then judged where it happened, and a
                wrong encoding can be found.
        """
        shares = _Shares(
            clipped=source.clipped_share if source else self._share(self._clipped) / FRAME_SAMPLES,
            speech=self._share(self._speech.frames),
            silent=self._share(self._silent),
            tonal=self._share(self._tonal),
            dtmf=self._share(self._dtmf),
        )
        level_dbfs = (self._speech if self._speech.frames else self._all).dbfs
        snr_db = self._snr_db()
        findings = self._findings(shares, level_dbfs, snr_db)
        if source is not None and source.misread:
            findings = (Finding.WRONG_ENCODING, *findings)
        return AudioQuality(
            duration_s=self._frames * FRAME_S,
            level_dbfs=level_dbfs,
            snr_db=snr_db,
            band_snr_db=self._bands.snr_db if self._has_both() else None,
            clipped_share=shares.clipped,
            speech_share=shares.speech,
            silent_share=shares.silent,
            tonal_share=shares.tonal,
            dtmf_share=shares.dtmf,
            findings=findings,
        )

    def _count_tones(
        self,
        frames: NDArray[np.float32],
        spectrum: NDArray[np.float32],
        *,
        sounding: NDArray[np.bool_],
        may_have_keys: bool,
    ) -> None:
        peaks = spectrum.argmax(axis=1)
        before = np.concatenate([[self._last_peak], peaks[:-1]])
        steady = np.abs(peaks - before) <= _STEADY_BINS
        self._last_peak = int(peaks[-1])
        if may_have_keys:
            key = is_dtmf(frames, spectrum) & sounding
            self._dtmf += int(key.sum())
            self._tonal += int(key.sum())
            sounding &= ~key
        self._tonal += int(is_tone(spectrum[steady & sounding]).sum())

    def _snr_db(self) -> float | None:
        if not self._has_both():
            return None
        noise = _power_of(self._pauses.median_dbfs)
        ratio = max(self._speech.mean - noise, 0.0) / noise
        return min(_decibels(ratio), _LARGEST_SNR_DB)

    def _has_both(self) -> bool:
        return min(self._speech.frames, self._pauses.frames) >= _LEAST_FRAMES_FOR_SNR

    def _findings(
        self, shares: "_Shares", level_dbfs: float, snr_db: float | None
    ) -> tuple[Finding, ...]:
        policy = self._policy
        found = []
        without_speech = self._kind_without_speech(shares)
        if without_speech is not None:
            found.append(without_speech)
        if shares.clipped >= policy.clipped_share:
            found.append(Finding.CLIPPED)
        if snr_db is not None and snr_db < policy.noisy_db:
            found.append(Finding.NOISY)
        if without_speech is None and self._frames and level_dbfs < policy.quiet_dbfs:
            found.append(Finding.QUIET)
        return tuple(found)

    def _kind_without_speech(self, shares: "_Shares") -> Finding | None:
        if not self._frames:
            return None
        sounding = 1.0 - shares.silent
        if sounding < self._policy.least_speech_share:
            return Finding.SILENCE
        if shares.dtmf >= self._policy.least_tone_share * sounding:
            return Finding.DTMF_ONLY
        if shares.tonal >= self._policy.least_tone_share * sounding:
            return Finding.TONE
        return Finding.NO_SPEECH if shares.speech < self._policy.least_speech_share else None

    def _share(self, count: int) -> float:
        return count / self._frames if self._frames else 0.0


@dataclass(frozen=True, slots=True, kw_only=True)
class _Shares:
    clipped: float
    speech: float
    silent: float
    tonal: float
    dtmf: float


class _Power:
    """Running mean power of frames."""

    def __init__(self) -> None:
        self.frames = 0
        self._sum = 0.0

    def add(self, power: NDArray[np.float64]) -> None:
        self.frames += len(power)
        self._sum += float(power.sum())

    @property
    def mean(self) -> float:
        return self._sum / self.frames if self.frames else 0.0

    @property
    def dbfs(self) -> float:
        return max(_decibels(self.mean), _FLOOR_DBFS)


class _Level:
    """Running median level of frames, to half a decibel.

    Of pauses the mean would be wrong: a breath, a click or the end of a word in a few short pauses is a thousand times
    the noise.
    """

    _STEP_DB = 0.5

    def __init__(self) -> None:
        self.frames = 0
        self._counts = np.zeros(round(-_FLOOR_DBFS / self._STEP_DB) + 1, np.int64)

    def add(self, power: NDArray[np.float64]) -> None:
        self.frames += len(power)
        dbfs = 10.0 * np.log10(np.maximum(power, _power_of(_FLOOR_DBFS)))
        steps = np.rint((dbfs - _FLOOR_DBFS) / self._STEP_DB).astype(np.int64)
        np.add.at(self._counts, np.minimum(steps, len(self._counts) - 1), 1)

    @property
    def median_dbfs(self) -> float:
        middle = int(np.searchsorted(np.cumsum(self._counts), (self.frames + 1) // 2))
        return _FLOOR_DBFS + middle * self._STEP_DB


def _decibels(power: float) -> float:
    return 10.0 * float(np.log10(max(power, 1e-30)))


def _power_of(dbfs: float) -> float:
    return float(10.0 ** (dbfs / 10.0))


# Two tones of a pair take turns at being the stronger one.
_STEADY_BINS = 2
_NO_PEAK = -FRAME_SAMPLES
