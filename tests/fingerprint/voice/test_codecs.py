import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fixtures.signals import noise, tone
from shengdun.fingerprint.voice.codecs import (
    AudioFormat,
    Encoding,
    StreamDecoder,
    TelephoneBand,
    encode,
)
from shengdun.fingerprint.voice.demo_recordings import DemoRecording
from shengdun.fingerprint.voice.errors import OddByteCount, UnsupportedFormat
from shengdun.fingerprint.voice.recordings import decode_recording
from shengdun.fingerprint.voice.samples import Samples

FORMATS = [
    AudioFormat(encoding=Encoding.PCMU, sample_rate_hz=8_000),
    AudioFormat(encoding=Encoding.PCMA, sample_rate_hz=8_000),
    AudioFormat(encoding=Encoding.L16, sample_rate_hz=8_000),
    AudioFormat(encoding=Encoding.L16, sample_rate_hz=16_000),
    AudioFormat(encoding=Encoding.L16_BE, sample_rate_hz=8_000),
    AudioFormat(encoding=Encoding.L16_BE, sample_rate_hz=16_000),
]
PCMU, PCMA, L16, L16_WIDE, L16_BE, _ = FORMATS
every_format = pytest.mark.parametrize(
    "audio_format", FORMATS, ids=lambda item: f"{item.encoding.value}-{item.sample_rate_hz}"
)


def decode_in_chunks(audio_format: AudioFormat, data: bytes, sizes: list[int]) -> Samples:
    """Decodes data in chunks of the given numbers of samples, over and over."""
    decoder, parts, at, turn = StreamDecoder(audio_format), [], 0, 0
    while at < len(data):
        size = sizes[turn % len(sizes)] * audio_format.sample_bytes
        parts.append(decoder.decode(data[at : at + size]))
        at, turn = at + size, turn + 1
    return np.concatenate([*parts, decoder.finish()])


@every_format
@settings(max_examples=15, deadline=None)
@given(sizes=st.lists(st.integers(1, 5_000), min_size=1, max_size=8))
def test_chunking_does_not_matter(audio_format: AudioFormat, sizes: list[int]) -> None:
    """The same bytes give the same samples bit for bit, however they are cut into chunks."""
    data = encode(noise(1.013), audio_format)
    whole = decode_in_chunks(audio_format, data, [len(data)])
    assert np.array_equal(decode_in_chunks(audio_format, data, sizes), whole)


@every_format
@pytest.mark.parametrize("frequency_hz", [300.0, 1000.0, 3000.0])
def test_tone_survives(audio_format: AudioFormat, frequency_hz: float) -> None:
    """A tone in the telephone band comes out where it went in: same time, same level."""
    signal = tone(1.0, frequency_hz)
    decoded = decode_in_chunks(audio_format, encode(signal, audio_format), [800])
    assert len(decoded) == len(signal)
    inner = slice(1_000, -1_000)
    # A shift within a quarter of a millisecond is allowed: the tone is compared with itself and its quadrature.
    waves = np.stack([signal, tone(1.0, frequency_hz, phase=np.pi / 2)], axis=1)[inner]
    (along, across), *_ = np.linalg.lstsq(waves, decoded[inner])
    late_s = np.arctan2(-across, along) / (2 * np.pi * frequency_hz)
    error = np.std(decoded[inner] - waves @ (along, across)) / np.std(signal[inner])
    # Everything but linear audio at 8 kHz goes through G.711.
    exact = audio_format.sample_bytes == 2 and audio_format.sample_rate_hz == 8_000
    assert error < (0.001 if exact else 0.03)
    assert np.hypot(along, across) == pytest.approx(1.0, abs=0.01)
    assert abs(late_s) < (1e-5 if audio_format.sample_rate_hz == 8_000 else 3e-4)


def test_wide_band_audio_is_heard_as_a_telephone_would_carry_it() -> None:
    """At 16 kHz nothing beyond 4 kHz is left, and nothing of it is folded into the telephone band."""
    audio_format = AudioFormat(encoding=Encoding.L16, sample_rate_hz=16_000)
    decoded = decode_in_chunks(audio_format, encode(tone(1.0, 5_000.0), audio_format), [800])
    assert np.abs(decoded[1_000:-1_000]).max() < 1e-3


def test_the_telephone_band_does_not_depend_on_how_it_is_pushed() -> None:
    """Whole, or in pieces of 20 ms: the same bits."""
    signal = noise(1.0)
    whole = TelephoneBand().push(signal, last=True)
    band = TelephoneBand()
    pieces = [band.push(signal[at : at + 320]) for at in range(0, len(signal), 320)]
    pieces.append(band.push(np.zeros(0, np.float32), last=True))
    assert np.array_equal(np.concatenate(pieces), whole)


@every_format
def test_samples_come_soon(audio_format: AudioFormat) -> None:
    """No more than 30 ms of audio is held back, 45 ms where it is brought to the telephone band first."""
    decoder = StreamDecoder(audio_format)
    given_samples = 0
    for chunk in range(50):
        given_samples += len(decoder.decode(bytes(audio_format.bytes_per_s // 10)))
        held_back = 480 if audio_format.sample_rate_hz == 8_000 else 720
        assert (chunk + 1) * 1_600 - given_samples <= held_back


@pytest.mark.parametrize("encoding", [Encoding.L16, Encoding.L16_BE])
def test_odd_byte_count_is_refused(encoding: Encoding) -> None:
    """Half a sample is refused, and the stream goes on as if it had not been sent."""
    audio_format = AudioFormat(encoding=encoding, sample_rate_hz=8_000)
    data = encode(noise(0.5), audio_format)
    decoder = StreamDecoder(audio_format)
    start = decoder.decode(data[:4_000])
    with pytest.raises(OddByteCount, match="even number"):
        decoder.decode(data[:333])
    rest = np.concatenate([start, decoder.decode(data[4_000:]), decoder.finish()])
    assert np.array_equal(rest, decode_in_chunks(audio_format, data, [100]))


@pytest.mark.parametrize(
    ("encoding", "rate_hz"),
    [(Encoding.PCMU, 16_000), (Encoding.PCMA, 44_100), (Encoding.L16, 0), (Encoding.L16_BE, -1)],
)
def test_unsupported_format_names_what_is_offered(encoding: Encoding, rate_hz: int) -> None:
    """An unknown rate is refused with the list of what may be sent."""
    with pytest.raises(UnsupportedFormat, match=r"PCMU at 8000 Hz, .*L16 at 8000 or 16000 Hz"):
        AudioFormat(encoding=encoding, sample_rate_hz=rate_hz)


def test_finished_stream_takes_no_more() -> None:
    """Audio after the end is a defect of the caller; finishing twice is not."""
    decoder = StreamDecoder(PCMU)
    decoder.decode(bytes(100))
    assert len(decoder.finish()) == 200
    assert len(decoder.finish()) == 0
    with pytest.raises(RuntimeError):
        decoder.decode(bytes(160))


@every_format
def test_clipping_is_seen_before_resampling(audio_format: AudioFormat) -> None:
    """A clipped tone is reported with its share, and one at half the level is not."""
    shares = []
    for level in (4.0, 0.5):
        decoder = StreamDecoder(audio_format)
        decoder.decode(encode(tone(1.0, 200.0, level=level), audio_format))
        shares.append(decoder.source().clipped_share)
    assert shares[0] > 0.5
    assert shares[1] == 0.0


@every_format
def test_what_was_found_is_known_for_every_position(audio_format: AudioFormat) -> None:
    """Up to the block that completed a sample, the same whether blocks came one by one or all at once."""
    loud = np.repeat([0.5, 4.0, 0.5, 4.0], 8_000).astype(np.float32)
    data = encode(loud * tone(2.0, 200.0, level=1.0), audio_format)
    block = audio_format.bytes_per_s // 50
    single, whole, given_samples = StreamDecoder(audio_format), StreamDecoder(audio_format), 0
    whole.decode(data)
    shares = set()
    for at in range(0, len(data), block):
        before, found = given_samples, single.decode(data[at : at + block])
        given_samples += len(found)
        for position in range(before + 1, given_samples + 1, 79):
            assert whole.source_at(position) == single.source()
            shares.add(single.source().clipped_share)
    rest = len(whole.finish())
    assert whole.source_at(given_samples + rest) == whole.source() == single.source()
    assert len(shares) > 20


@pytest.mark.parametrize(
    ("sent", "announced"), [(PCMU, PCMA), (PCMA, PCMU), (L16, L16_BE), (L16_BE, L16)]
)
def test_misread_encoding_is_noticed(
    recordings: list[DemoRecording], sent: AudioFormat, announced: AudioFormat
) -> None:
    """Speech announced as another law or byte order is noticed; announced rightly it is not."""
    right, wrong = 0, 0
    long_enough = [item for item in recordings if item.duration_s > 4.0][:20]
    for recording in long_enough:
        data = encode(decode_recording(recording.read()).samples[:64_000], sent)
        for audio_format in (sent, announced):
            decoder = StreamDecoder(audio_format)
            decoder.decode(data)
            noticed = decoder.source().misread
            right += noticed and audio_format is announced
            wrong += noticed and audio_format is sent
    assert wrong == 0
    assert right >= 18
