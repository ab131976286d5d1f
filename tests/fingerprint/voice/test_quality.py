import numpy as np
import pytest

from fixtures.signals import keys, music, noise, ringback, silence, tone
from shengdun.fingerprint.voice.activity import Framer, VoiceActivity
from shengdun.fingerprint.voice.codecs import AudioFormat, Encoding, StreamDecoder, encode
from shengdun.fingerprint.voice.demo_recordings import DemoRecording
from shengdun.fingerprint.voice.noise import LARGEST_DB, LEAST_DB
from shengdun.fingerprint.voice.quality import AudioQuality, Finding, QualityMeter
from shengdun.fingerprint.voice.recordings import decode_recording
from shengdun.fingerprint.voice.samples import Samples

PCMU = AudioFormat(encoding=Encoding.PCMU, sample_rate_hz=8_000)
PCMA = AudioFormat(encoding=Encoding.PCMA, sample_rate_hz=8_000)


@pytest.fixture(scope="module")
def speech(recordings: list[DemoRecording]) -> Samples:
    """Eight seconds of real speech."""
    chosen = next(item for item in recordings if item.duration_s > 9.0)
    return decode_recording(chosen.read()).samples[:128_000]


def assess(
    activity: VoiceActivity,
    signal: Samples,
    *,
    sent: AudioFormat = PCMU,
    announced: AudioFormat = PCMU,
) -> AudioQuality:
    """Sends a signal through a codec and reports on what arrives."""
    decoder, framer = StreamDecoder(announced), Framer()
    decoded = np.concatenate([decoder.decode(encode(signal, sent)), decoder.finish()])
    frames = np.concatenate([framer.push(decoded), framer.finish()])
    (probabilities,) = activity.speech_probabilities([(activity.new_state(), frames)])
    meter = QualityMeter()
    meter.update(frames, probabilities)
    return meter.report(decoder.source())


@pytest.mark.parametrize(
    ("signal", "finding"),
    [
        (silence(5.0), Finding.SILENCE),
        (tone(5.0, 450.0), Finding.TONE),
        (ringback(10.0), Finding.TONE),
        (tone(5.0, 440.0, 480.0), Finding.TONE),
        (keys(5.0), Finding.DTMF_ONLY),
        (music(8.0), Finding.NO_SPEECH),
        (noise(5.0), Finding.NO_SPEECH),
    ],
    ids=["silence", "tone", "ringback", "two-tones", "keys", "music", "noise"],
)
def test_what_is_no_speech_is_named(
    voice_activity: VoiceActivity, signal: Samples, finding: Finding
) -> None:
    """Silence, tones, keys, music and noise each get their own name after a telephone codec."""
    assert finding in assess(voice_activity, signal).findings


def test_speech_has_no_findings(voice_activity: VoiceActivity, speech: Samples) -> None:
    """Ordinary speech on a telephone is fit, and its shares say so."""
    quality = assess(voice_activity, speech)
    assert quality.findings == ()
    assert quality.speech_share > 0.6
    assert quality.tonal_share < 0.1
    assert quality.dtmf_share < 0.02
    assert quality.duration_s == pytest.approx(8.0, abs=0.04)


@pytest.mark.parametrize("snr_db", [5.0, 15.0, 25.0])
def test_noise_is_measured(voice_activity: VoiceActivity, speech: Samples, snr_db: float) -> None:
    """Noise added at a known level to speech with pauses is found at that level, within 2.5 dB."""
    pauses = np.concatenate([silence(1.0), speech[:48_000], silence(1.0), speech[48_000:]])
    level = float(np.sqrt(np.square(speech).mean())) / 10 ** (snr_db / 20)
    noisy = pauses + noise(len(pauses) / 16_000, level=level)
    clean_snr_db = assess(voice_activity, pauses).snr_db
    measured_db = assess(voice_activity, noisy).snr_db
    assert measured_db is not None
    assert clean_snr_db is not None
    assert measured_db < clean_snr_db
    # The telephone band takes half of the white noise away: 3 dB.
    assert measured_db == pytest.approx(snr_db + 3.0, abs=2.5)


@pytest.mark.parametrize("snr_db", [5.0, 15.0])
def test_a_hum_takes_less_from_a_voice_than_a_hiss(
    voice_activity: VoiceActivity, speech: Samples, snr_db: float
) -> None:
    """Noise of one power in a part of the band and in all of it: one ratio sees no difference, the bands do."""
    pauses = np.concatenate([silence(1.0), speech[:48_000], silence(1.0), speech[48_000:]])
    level = float(np.sqrt(np.square(speech).mean())) / 10 ** (snr_db / 20)
    spectrum = np.fft.rfft(noise(len(pauses) / 16_000, level=level))
    spectrum[round(len(spectrum) * 0.1) :] = 0.0
    spectrum[: round(len(spectrum) * 0.04)] = 0.0
    hum = np.fft.irfft(spectrum, len(pauses)).astype(np.float32)
    hum *= np.float32(level / np.sqrt(np.square(hum).mean()) / np.sqrt(2.0))
    in_part = assess(voice_activity, pauses + hum)
    in_all = assess(voice_activity, pauses + noise(len(pauses) / 16_000, level=level))
    assert in_part.band_snr_db is not None
    assert in_all.band_snr_db is not None
    assert in_part.snr_db == pytest.approx(in_all.snr_db, abs=2.0)
    assert in_part.band_snr_db > in_all.band_snr_db + 5.0


def test_noise_by_band_does_not_depend_on_how_audio_is_cut(
    voice_activity: VoiceActivity, speech: Samples
) -> None:
    """Frame by frame or at once, a call is as noisy, and never outside the range."""
    paused = np.concatenate([silence(1.5), speech, silence(1.5)])
    frames = Framer().push(paused + noise(len(paused) / 16_000, level=0.02))
    (probabilities,) = voice_activity.speech_probabilities([(voice_activity.new_state(), frames)])
    at_once, bit_by_bit = QualityMeter(), QualityMeter()
    at_once.update(frames, probabilities)
    for number, probability in enumerate(probabilities):
        bit_by_bit.update(frames[number * 512 : (number + 1) * 512], np.array([probability]))
    found = at_once.report().band_snr_db
    assert found is not None
    assert bit_by_bit.report().band_snr_db == pytest.approx(found, abs=1e-6)
    assert LEAST_DB <= found <= LARGEST_DB


def test_clipped_speech_is_noticed(voice_activity: VoiceActivity, speech: Samples) -> None:
    """Speech that was far too loud is called clipped; the same speech quiet is not."""
    full_scale = np.asarray(speech / np.abs(speech).max(), np.float32)
    loud = assess(voice_activity, full_scale * np.float32(12))
    quiet = assess(voice_activity, full_scale * np.float32(0.5))
    assert Finding.CLIPPED in loud.findings
    assert loud.clipped_share > 0.01
    assert quiet.clipped_share == 0.0


def test_level_is_that_of_the_speech(voice_activity: VoiceActivity, speech: Samples) -> None:
    """Silence around speech doesn't lower its level; halving the amplitude lowers it by 6 dB."""
    alone = assess(voice_activity, speech)
    among_silence = assess(voice_activity, np.concatenate([silence(5.0), speech]))
    half = assess(voice_activity, speech * np.float32(0.5))
    assert among_silence.level_dbfs == pytest.approx(alone.level_dbfs, abs=0.5)
    assert half.level_dbfs == pytest.approx(alone.level_dbfs - 6.02, abs=0.5)


def test_quiet_speech_is_noticed(voice_activity: VoiceActivity, speech: Samples) -> None:
    """Speech far below the usual level is called quiet."""
    assert Finding.QUIET in assess(voice_activity, speech * np.float32(0.05)).findings


def test_wrong_encoding_is_noticed(voice_activity: VoiceActivity, speech: Samples) -> None:
    """A-law announced as mu-law is the first finding."""
    quality = assess(voice_activity, speech, sent=PCMA, announced=PCMU)
    assert quality.findings[0] is Finding.WRONG_ENCODING


def test_nothing_is_found_before_anything_was_heard() -> None:
    """Before any frame there is a report too: no finding, and no division by zero."""
    quality = QualityMeter().report()
    assert quality.findings == ()
    assert quality.snr_db is None
    assert quality.band_snr_db is None
