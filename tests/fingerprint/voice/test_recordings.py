import io
import struct
import wave
from contextlib import suppress
from pathlib import Path

import av
import numpy as np
import pytest
from av.audio.stream import AudioStream

from fixtures.signals import noise, silence, stereo_file, tone, wav_file
from shengdun.fingerprint.voice.errors import NoAudio, RecordingTooLong, UnreadableRecording
from shengdun.fingerprint.voice.recordings import announced_s, decode_recording
from shengdun.fingerprint.voice.samples import Samples


def coded_file(samples: Samples, container: str, codec: str) -> bytes:
    """Writes samples with a codec in a container."""
    content = io.BytesIO()
    with av.open(content, "w", format=container) as output:
        stream = output.add_stream(codec, rate=16_000)
        assert isinstance(stream, AudioStream)
        stream.layout = "mono"
        linear = np.rint(samples * 32_767).astype(np.int16)
        frame = av.AudioFrame.from_ndarray(linear[None], format="s16", layout="mono")
        frame.sample_rate = 16_000
        for packet in (*stream.encode(frame), *stream.encode(None)):
            output.mux(packet)
    return content.getvalue()


def test_wav_is_decoded_exactly() -> None:
    """A 16 kHz mono WAV file comes out as it went in, with what it is."""
    signal = noise(1.0)
    recording = decode_recording(wav_file(signal))
    assert np.allclose(recording.samples, signal, atol=1.0 / 32_767)
    assert (recording.codec, recording.sample_rate_hz, recording.channels) == (
        "pcm_s16le",
        16_000,
        1,
    )
    assert recording.duration_s == 1.0


@pytest.mark.parametrize(
    ("container", "codec"),
    [("flac", "flac"), ("mp3", "mp3"), ("ogg", "libopus"), ("mp4", "aac"), ("matroska", "aac")],
)
def test_usual_containers_are_decoded(container: str, codec: str) -> None:
    """The usual containers and codecs give the tone that was put in."""
    signal = tone(2.0, 440.0)
    recording = decode_recording(coded_file(signal, container, codec))
    spectrum = np.abs(np.fft.rfft(recording.samples[8_000:24_000]))
    assert abs(int(spectrum.argmax()) - 440) <= 2
    assert recording.duration_s == pytest.approx(2.0, abs=0.15)
    assert recording.codec.startswith(codec.removeprefix("lib"))


@pytest.mark.parametrize("rate_hz", [8_000, 11_025, 44_100, 48_000])
@pytest.mark.parametrize("channels", [1, 2])
def test_rates_and_channels_are_brought_to_one(rate_hz: int, channels: int) -> None:
    """Any rate becomes 16 kHz and any channels become one, at the same level and time."""
    duration_s = 16_000 / rate_hz
    content = wav_file(tone(1.0, 500.0), channels=channels, rate_hz=rate_hz)
    recording = decode_recording(content)
    expected = 500.0 * rate_hz / 16_000
    peak_hz = np.abs(np.fft.rfft(recording.samples)).argmax() / duration_s
    assert peak_hz == pytest.approx(expected, abs=2.0)
    assert recording.duration_s == pytest.approx(duration_s, abs=0.001)
    assert np.abs(recording.samples).max() == pytest.approx(0.2, abs=0.01)
    assert recording.channels == channels


def test_one_channel_is_taken() -> None:
    """Of both sides of a call, the one that is asked for; all of them are mixed."""
    left, right = noise(1.0, seed=1), noise(1.0, seed=2)
    both = stereo_file(left, right)
    assert np.allclose(decode_recording(both, channel=1).samples, left, atol=1.0 / 32_767)
    assert np.allclose(decode_recording(both, channel=2).samples, right, atol=1.0 / 32_767)
    assert np.allclose(decode_recording(both).samples, (left + right) / 2, atol=1.0 / 32_767)
    with pytest.raises(NoAudio, match="no channel 3"):
        decode_recording(both, channel=3)


def test_length_is_told_without_decoding(tmp_path: Path) -> None:
    """As the file says; of what is no recording an error tells."""
    file = tmp_path / "a.wav"
    file.write_bytes(wav_file(noise(2.5)))
    assert announced_s(file) == pytest.approx(2.5)
    with pytest.raises(UnreadableRecording):
        announced_s(b"no recording")


def test_file_is_read_from_disk(tmp_path: Path) -> None:
    """A path works as bytes do."""
    path = tmp_path / "voice.wav"
    path.write_bytes(wav_file(noise(0.5)))
    assert decode_recording(path).duration_s == 0.5


@pytest.mark.parametrize(
    ("content", "found"),
    [
        (b"Dear sir,\nplease find attached\n" * 30, "it is text"),
        (b"", "it is empty"),
        (b"%PDF-1.7\n" + bytes(600), "PDF"),
        (b"PK\x03\x04" + bytes(600), "zip"),
        (b"\x89PNG\r\n\x1a\n" + bytes(600), "picture"),
        (bytes(range(256)) * 8, "damaged"),
        (wav_file(silence(1.0))[:30], "damaged"),
        (b"ffconcat version 1.0\nfile secret.wav\n", "it is text"),
        (b"#EXTM3U\n#EXTINF:10,\nfile:///etc/passwd\n#EXT-X-ENDLIST\n", "it is text"),
    ],
    ids=["text", "empty", "pdf", "zip", "png", "bytes", "cut-header", "concat", "playlist"],
)
def test_what_is_no_recording_is_named(tmp_path: Path, content: bytes, found: str) -> None:
    """What is no recording is refused under any name, saying what it is and what is accepted."""
    path = tmp_path / "voice.wav"
    path.write_bytes(content)
    with pytest.raises(UnreadableRecording, match=found) as refusal:
        decode_recording(path)
    assert "voice.wav" in refusal.value.message
    assert "Accepted are WAV" in refusal.value.message


@pytest.mark.parametrize(("container", "codec"), [("mp4", "aac"), ("flac", "flac")])
def test_file_cut_off_is_refused(container: str, codec: str) -> None:
    """A file that breaks off early is refused instead of being taken for a short one."""
    content = coded_file(noise(20.0), container, codec)
    with pytest.raises(UnreadableRecording):
        decode_recording(content[: len(content) // 2])


def test_damaged_file_never_raises_anything_else() -> None:
    """Flipped bytes anywhere give a recording or our own error, never libav's."""
    generator = np.random.default_rng(7)
    for container, codec in (("flac", "flac"), ("mp3", "mp3"), ("mp4", "aac")):
        whole = np.frombuffer(coded_file(noise(1.0), container, codec), np.uint8)
        for _ in range(25):
            damaged = whole.copy()
            damaged[generator.integers(0, len(whole), 40)] = generator.integers(0, 256, 40)
            with suppress(UnreadableRecording, NoAudio, RecordingTooLong):
                assert decode_recording(damaged.tobytes()).duration_s > 0


def test_missing_file_is_named(tmp_path: Path) -> None:
    """A path that is not there is an error about that path."""
    with pytest.raises(UnreadableRecording, match=r"nothing\.wav"):
        decode_recording(tmp_path / "nothing.wav")


@pytest.mark.parametrize("sample", [np.nan, np.inf])
def test_samples_that_are_no_numbers_are_refused(sample: float) -> None:
    """A file of floats may hold anything; what is no number would become full-scale noise or silence."""
    samples = noise(1.0).astype("<f4")
    samples[5_000] = sample
    header = struct.pack(
        "<4sI4s4sIHHIIHH4sI",
        *(b"RIFF", 36 + samples.nbytes, b"WAVE", b"fmt ", 16, 3, 1, 16_000, 64_000, 4, 32),
        *(b"data", samples.nbytes),
    )
    with pytest.raises(UnreadableRecording, match="no finite numbers"):
        decode_recording(header + samples.tobytes())


def test_file_without_samples_has_no_audio() -> None:
    """A WAV file with a header and nothing else has no audio."""
    with pytest.raises(NoAudio):
        decode_recording(wav_file(silence(0.0)))


def test_video_without_sound_has_no_audio() -> None:
    """A film without sound has no audio."""
    content = io.BytesIO()
    with av.open(content, "w", format="mp4") as output:
        stream = output.add_stream("mpeg4", rate=10)
        stream.width = stream.height = 64
        stream.pix_fmt = "yuv420p"
        picture = av.VideoFrame.from_ndarray(np.zeros((64, 64, 3), np.uint8), format="rgb24")
        for packet in (*stream.encode(picture), *stream.encode(None)):
            output.mux(packet)
    with pytest.raises(NoAudio, match="no audio stream"):
        decode_recording(content.getvalue())


def test_three_hours_are_refused_by_their_header(tmp_path: Path) -> None:
    """A 3-hour file is refused before it is decoded; it is sparse, so reading it would be zeros."""
    path = tmp_path / "long.wav"
    with wave.open(str(path), "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(8_000)
        file.writeframes(bytes(2))
    size = 3 * 3600 * 16_000
    with path.open("r+b") as raw:
        raw.seek(40)
        raw.write(struct.pack("<I", size))
        raw.truncate(44 + size)
    with pytest.raises(RecordingTooLong, match=r"1800 s are accepted, and it has 10800 s"):
        decode_recording(path)


def test_decoding_stops_at_the_limit() -> None:
    """A file whose header doesn't tell its length is refused as soon as it passes the limit."""
    content = coded_file(silence(30.0), "adts", "aac")
    with pytest.raises(RecordingTooLong):
        decode_recording(content, limit_s=5.0)


def test_clipping_is_judged_at_the_files_own_rate() -> None:
    """A clipped 8 kHz file is reported so, though resampling rounds its peaks off."""
    clipped = np.asarray(np.clip(tone(1.0, 300.0, level=3.0), -1.0, 1.0), np.float32)
    assert decode_recording(wav_file(clipped, rate_hz=8_000)).source.clipped_share > 0.5
    assert (
        decode_recording(wav_file(clipped * np.float32(0.5), rate_hz=8_000)).source.clipped_share
        == 0.0
    )
