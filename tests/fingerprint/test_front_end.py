"""From chunks of telephone audio to windows of net speech."""

import tracemalloc
from collections.abc import Sequence

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from fixtures.signals import keys, music
from shengdun.fingerprint.voice.activity import VoiceActivity
from shengdun.fingerprint.voice.codecs import AudioFormat, Encoding, encode
from shengdun.fingerprint.voice.demo_recordings import DemoRecording
from shengdun.fingerprint.voice.errors import OddByteCount
from shengdun.fingerprint.voice.front_end import FrontEnd, Heard, HeardWindow, hear
from shengdun.fingerprint.voice.quality import Finding
from shengdun.fingerprint.voice.recordings import decode_recording

PCMU = AudioFormat(encoding=Encoding.PCMU, sample_rate_hz=8000)
PCMA = AudioFormat(encoding=Encoding.PCMA, sample_rate_hz=8000)
L16_NARROW = AudioFormat(encoding=Encoding.L16, sample_rate_hz=8000)
L16 = AudioFormat(encoding=Encoding.L16, sample_rate_hz=16000)
SLOW = settings(
    max_examples=12,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)


def _call(recordings: Sequence[DemoRecording], *, nth: int = 0) -> bytes:
    """The first 12 s of a recording that has them, as a telephone sends them."""
    long_enough = [recording for recording in recordings if recording.duration_s >= 12]
    samples = decode_recording(long_enough[nth].read()).samples[: 12 * 16_000]
    return encode(samples, PCMU)


def _disturbed_call(recordings: Sequence[DemoRecording], audio_format: AudioFormat) -> bytes:
    """Music, keys, overdriven words, silence and the agent's echo between the caller's words."""
    long_enough = [one for one in recordings if one.duration_s >= 12]
    caller, agent = (decode_recording(one.read()).samples[:96_000] for one in long_enough[:2])
    echo, loud = 0.06 * agent[:32_000], np.clip(20.0 * caller[64_000:], -1.0, 1.0)
    quiet = np.zeros(24_000, np.float32)
    call = np.concatenate([echo, caller[:40_000], keys(1.0), loud, quiet, caller[40_000:64_000]])
    return encode(np.concatenate([call, music(1.0), caller]).astype(np.float32), audio_format)


def _cut(data: bytes, sizes: Sequence[int]) -> list[bytes]:
    chunks, start = [], 0
    for size in sizes:
        chunks.append(data[start : start + size])
        start += size
    return [*chunks, data[start:]]


def _windows(
    activity: VoiceActivity, chunks: Sequence[bytes], audio_format: AudioFormat = PCMU
) -> list[HeardWindow]:
    front_end = FrontEnd(audio_format, window_s=3.0, activity=activity)
    windows: list[HeardWindow] = []
    for number, chunk in enumerate(chunks):
        heard = hear([(front_end, [chunk], number == len(chunks) - 1)], activity)[0]
        assert isinstance(heard, Heard)
        windows += heard.windows
    return windows


def _bits(windows: Sequence[HeardWindow]) -> list[tuple[object, ...]]:
    return [
        (w.window.samples.tobytes(), w.window.start_s, w.window.end_s, w.position_s, w.quality)
        for w in windows
    ]


@SLOW
@given(st.lists(st.integers(0, 20_000), max_size=40))
def test_any_chunking_gives_the_same_bits(
    voice_activity: VoiceActivity, recordings: Sequence[DemoRecording], sizes: list[int]
) -> None:
    """Windows, positions and quality depend on the audio, never on how it was cut."""
    data = _call(recordings)
    whole = _windows(voice_activity, [data])
    assert len(whole) >= 3
    assert _bits(_windows(voice_activity, _cut(data, sizes))) == _bits(whole)


@pytest.mark.parametrize("audio_format", [PCMU, PCMA, L16_NARROW, L16], ids=str)
@settings(SLOW, max_examples=4)
@given(st.lists(st.integers(0, 10_000), max_size=20))
def test_any_chunking_of_a_disturbed_call_gives_the_same_bits(
    voice_activity: VoiceActivity,
    recordings: Sequence[DemoRecording],
    audio_format: AudioFormat,
    sizes: list[int],
) -> None:
    """So it is in every format, with all that disturbs a call."""
    data = _disturbed_call(recordings, audio_format)
    whole = _windows(voice_activity, [data], audio_format)
    assert whole
    chunks = _cut(data, [2 * size for size in sizes])
    assert _bits(_windows(voice_activity, chunks, audio_format)) == _bits(whole)


@pytest.mark.parametrize("audio_format", [PCMU, L16], ids=str)
@settings(SLOW, max_examples=6)
@given(st.lists(st.integers(160, 8_000), min_size=1, max_size=8), st.floats(0.0, 3.0))
def test_chunks_that_are_put_off_change_nothing(
    voice_activity: VoiceActivity,
    recordings: Sequence[DemoRecording],
    audio_format: AudioFormat,
    sizes: list[int],
    at_most_s: float,
) -> None:
    """The same windows with the same bits, and no chunk that completed one was put off."""
    data = _disturbed_call(recordings, audio_format)
    turns = len(data) // (2 * sum(sizes)) + 1
    chunks = _cut(data, [2 * size for size in sizes] * turns)
    prompt = FrontEnd(audio_format, window_s=3.0, activity=voice_activity)
    patient = FrontEnd(audio_format, window_s=3.0, activity=voice_activity)
    for number, chunk in enumerate(chunks):
        ended = number == len(chunks) - 1
        [expected] = hear([(prompt, [chunk], ended)], voice_activity)
        assert isinstance(expected, Heard)
        if not ended and patient.put_off([chunk], at_most_s=at_most_s):
            assert not expected.windows
            continue
        [heard] = hear([(patient, [chunk], ended)], voice_activity)
        assert isinstance(heard, Heard)
        assert _bits(heard.windows) == _bits(expected.windows)
        assert [one.chunk for one in heard.windows] == [one.chunk for one in expected.windows]
        assert heard.position_s == expected.position_s
        assert heard.net_speech_s == expected.net_speech_s
    assert patient.quality() == prompt.quality()


def test_the_end_hears_what_was_put_off(
    voice_activity: VoiceActivity, recordings: Sequence[DemoRecording]
) -> None:
    """A call that ends without another chunk loses nothing."""
    data = _call(recordings)[:20_000]
    front_end = FrontEnd(PCMU, window_s=3.0, activity=voice_activity)
    assert front_end.put_off([data[:9_000], data[9_000:]], at_most_s=3.0)
    [heard] = hear([(front_end, [], True)], voice_activity)
    assert isinstance(heard, Heard)
    assert _bits(heard.windows) == _bits(_windows(voice_activity, [data]))
    assert heard.windows


def test_what_is_wrong_with_a_chunk_is_said_when_it_comes(voice_activity: VoiceActivity) -> None:
    """Odd chunks are never put off, not even two that are even together, and the error is about one alone."""
    front_end = FrontEnd(L16, window_s=3.0, activity=voice_activity)
    assert front_end.put_off([b"\0" * 320], at_most_s=1.0)
    assert not front_end.put_off([b"\0" * 3, b"\0" * 5], at_most_s=1.0)
    [error] = hear([(front_end, [b"\0" * 3], False)], voice_activity)
    assert isinstance(error, OddByteCount)
    assert "chunk of 3 bytes" in str(error)


def test_chunks_of_20_ms_give_the_same_bits(
    voice_activity: VoiceActivity, recordings: Sequence[DemoRecording]
) -> None:
    """The packets of RTP and one large buffer are the same call."""
    data = _call(recordings, nth=1)
    packets = [data[start : start + 160] for start in range(0, len(data), 160)]
    assert _bits(_windows(voice_activity, packets)) == _bits(_windows(voice_activity, [data]))


def test_calls_in_one_batch_do_not_change_each_other(
    voice_activity: VoiceActivity, recordings: Sequence[DemoRecording]
) -> None:
    """A call heard beside others gives the bits that it gives alone."""
    calls = [_call(recordings, nth=n) for n in range(4)]
    alone = [_bits(_windows(voice_activity, [data])) for data in calls]
    front_ends = [FrontEnd(PCMU, window_s=3.0, activity=voice_activity) for _ in calls]
    together: list[list[HeardWindow]] = [[] for _ in calls]
    step = 4_000
    for start in range(0, 96_000, step):
        batch = [
            (front_end, [data[start : start + step]], start + step >= 96_000)
            for front_end, data in zip(front_ends, calls, strict=True)
        ]
        for windows, heard in zip(together, hear(batch, voice_activity), strict=True):
            assert isinstance(heard, Heard)
            windows.extend(heard.windows)
    assert [_bits(windows) for windows in together] == alone


def test_a_window_belongs_to_the_chunk_that_completed_it(
    voice_activity: VoiceActivity, recordings: Sequence[DemoRecording]
) -> None:
    """Of several chunks handed in together, the one with the window's last frame is named."""
    data = _call(recordings)
    chunks = [data[start : start + 800] for start in range(0, len(data), 800)]
    front_end = FrontEnd(PCMU, window_s=3.0, activity=voice_activity)
    heard = hear([(front_end, chunks, False)], voice_activity)[0]
    assert isinstance(heard, Heard)
    assert heard.windows
    for window in heard.windows:
        # The resampler holds back up to 30 ms and frames are 32 ms, so the chunk may be one later.
        assert 0 <= window.chunk * 0.1 + 0.1 - window.position_s <= 0.2


def test_wrong_audio_of_one_call_leaves_the_others_alone(
    voice_activity: VoiceActivity, recordings: Sequence[DemoRecording]
) -> None:
    """An odd chunk is that call's error; its neighbour in the batch is heard as ever."""
    data = _call(recordings)
    good = FrontEnd(PCMU, window_s=3.0, activity=voice_activity)
    odd = FrontEnd(L16, window_s=3.0, activity=voice_activity)
    error, heard = hear([(odd, [b"\0" * 3], False), (good, [data], True)], voice_activity)
    assert isinstance(error, OddByteCount)
    assert isinstance(heard, Heard)
    assert _bits(heard.windows) == _bits(_windows(voice_activity, [data]))


def test_silence_gives_no_window_and_says_so(voice_activity: VoiceActivity) -> None:
    """Ten seconds of silence are heard, and are silence."""
    front_end = FrontEnd(L16, window_s=3.0, activity=voice_activity)
    silence = np.zeros(160_000, "<i2").tobytes()
    heard = hear([(front_end, [silence], True)], voice_activity)[0]
    assert isinstance(heard, Heard)
    assert heard.windows == ()
    assert heard.net_speech_s == 0.0
    assert Finding.SILENCE in front_end.quality().findings


def test_a_call_without_speech_takes_no_more_memory_as_it_goes_on(
    voice_activity: VoiceActivity,
) -> None:
    """A caller on hold for hours holds what a caller on hold for a minute does."""
    silence = np.zeros(10 * 16_000, "<i2").tobytes()
    front_end = FrontEnd(L16, window_s=3.0, activity=voice_activity)

    def held_bytes_after(audio_s: int) -> int:
        for _ in range(audio_s // 10):
            hear([(front_end, [silence], False)], voice_activity)
        return tracemalloc.get_traced_memory()[0]

    tracemalloc.start()
    try:
        first = held_bytes_after(10)
        assert held_bytes_after(20) - first < 20_000
    finally:
        tracemalloc.stop()
