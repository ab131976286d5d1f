"""Telephone conditions carry real speech through real codecs, the same way each time."""

import io
from pathlib import Path

import numpy as np
import pytest

from fixtures import signals
from shengdun.fingerprint.voice.acoustics import Acoustics, add_noise, speech_rms
from shengdun.fingerprint.voice.conditions import Condition, carry, conceal, unavailable
from shengdun.fingerprint.voice.demo_recordings import DemoRecording
from shengdun.fingerprint.voice.errors import ConditionUnavailable, NoAudio
from shengdun.fingerprint.voice.recordings import decode_recording
from shengdun.fingerprint.voice.samples import MODEL_RATE_HZ, Samples

MADE = Acoustics.made()
AVAILABLE = [condition for condition in Condition if condition not in unavailable()]


@pytest.fixture(scope="module")
def speech(recordings: list[DemoRecording]) -> Samples:
    return decode_recording(recordings[0].read()).samples[: 4 * MODEL_RATE_HZ]


def likeness(a: Samples, b: Samples) -> float:
    """The greatest normalised cross-correlation within 60 ms."""
    length = min(len(a), len(b))
    size = 2 * length
    spectrum = np.fft.rfft(a[:length], size) * np.conj(np.fft.rfft(b[:length], size))
    correlation = np.fft.irfft(spectrum, size)
    near = np.concatenate([correlation[:960], correlation[-960:]])
    return float(near.max() / (np.linalg.norm(a[:length]) * np.linalg.norm(b[:length])))


@pytest.mark.parametrize("condition", AVAILABLE)
def test_speech_arrives_whole_and_as_speech(condition: Condition, speech: Samples) -> None:
    """Every condition gives about as many samples as went in, and they resemble the speech."""
    heard = carry(speech, condition, acoustics=MADE, seed=1)
    assert abs(len(heard) - len(speech)) < MODEL_RATE_HZ // 10
    assert heard.dtype == np.float32
    assert np.isfinite(heard).all()
    assert likeness(heard, carry(speech, Condition.WIDEBAND, acoustics=MADE, seed=1)) > 0.4


@pytest.mark.parametrize("condition", AVAILABLE)
def test_the_same_seed_gives_the_same_call(condition: Condition, speech: Samples) -> None:
    """A condition is a function of the samples and the seed, so a run can be repeated."""
    once = carry(speech, condition, acoustics=MADE, seed=7)
    again = carry(speech, condition, acoustics=Acoustics.made(), seed=7)
    assert np.array_equal(once, again)


def test_conditions_are_as_hard_as_they_are_named(speech: Samples) -> None:
    """Fewer bits, more noise: less of the speech is left."""
    clean = carry(speech, Condition.WIDEBAND, acoustics=MADE, seed=1)
    left = {c: likeness(carry(speech, c, acoustics=MADE, seed=1), clean) for c in AVAILABLE}
    assert left[Condition.PCMU] > left[Condition.AMR_NB_12_2] > left[Condition.AMR_NB_4_75]
    assert left[Condition.NOISE_20_DB] > left[Condition.NOISE_10_DB] > left[Condition.NOISE_5_DB]
    assert left[Condition.NOISE_5_DB] > left[Condition.NOISE_0_DB]
    assert left[Condition.PCMU] > left[Condition.PACKET_LOSS_3] > 0.8


def test_noise_is_at_its_ratio_to_the_speech(speech: Samples) -> None:
    """Noise at 10 dB is 10 dB below the speech, pauses not counted."""
    noisy = add_noise(speech, MADE, snr_db=10.0, rng=np.random.default_rng(3))
    noise = noisy.astype(np.float64) - speech
    ratio_db = 20 * np.log10(speech_rms(speech) / np.sqrt((noise**2).mean()))
    assert ratio_db == pytest.approx(10.0, abs=0.1)


def test_a_lost_packet_is_played_from_what_came_before() -> None:
    """A steady voice goes on through one lost packet, and fades over several."""
    voice = np.rint(8000 * np.sin(2 * np.pi * 100 * np.arange(3200) / 8000)).astype(np.int16)
    lost = np.zeros(20, dtype=bool)
    lost[10:13] = True
    played = conceal(voice, lost)
    assert np.array_equal(played[:1600], voice[:1600])
    assert np.abs(played[1600:1760].astype(int) - voice[1600:1760]).max() < 200
    assert np.abs(played[1920:2080]).max() == pytest.approx(2000, abs=100)
    assert np.array_equal(played[2080:], voice[2080:])


def test_a_codec_that_is_missing_is_named(speech: Samples) -> None:
    """What this build of libav lacks is refused by name, and nothing else takes its place."""
    for condition, lack in unavailable().items():
        assert "coder" in lack
        with pytest.raises(ConditionUnavailable, match=condition.value):
            carry(speech, condition, acoustics=MADE, seed=1)
    assert set(unavailable()) <= {
        Condition.AMR_NB_4_75,
        Condition.AMR_NB_12_2,
        Condition.OPUS_8K_6,
    }


def test_noises_and_rooms_can_be_recordings(tmp_path: Path, speech: Samples) -> None:
    """A directory with noise/ and rir/ takes the place of what is made, under a name of its own."""
    for kind, samples in (("noise", signals.noise(3.0)), ("rir", signals.noise(0.2))):
        (tmp_path / kind).mkdir()
        (tmp_path / kind / "one.wav").write_bytes(io.BytesIO(signals.wav_file(samples)).read())
    recorded = Acoustics.recorded(tmp_path)
    assert recorded.fingerprint != MADE.fingerprint
    heard = carry(speech, Condition.NOISE_5_DB, acoustics=recorded, seed=1)
    assert not np.array_equal(heard, carry(speech, Condition.NOISE_5_DB, acoustics=MADE, seed=1))


def test_a_directory_without_noises_is_refused(tmp_path: Path) -> None:
    """A wrong directory is named, not silently replaced by made noises."""
    with pytest.raises(NoAudio, match="noise"):
        Acoustics.recorded(tmp_path)
