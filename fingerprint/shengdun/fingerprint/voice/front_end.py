"""The front end of a call: from chunks of telephone audio to windows of net speech.

Whatever the chunks were, the same audio gives the same windows, quality and positions, bit for bit: audio is handled
frame by frame, and what is measured is cut at positions of the audio, never at the edges of chunks.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from shengdun.fingerprint.voice.activity import (
    FRAME_SAMPLES,
    Framer,
    Probabilities,
    VoiceActivity,
)
from shengdun.fingerprint.voice.codecs import AudioFormat, StreamDecoder
from shengdun.fingerprint.voice.errors import VoiceError
from shengdun.fingerprint.voice.frames import FrameMeasures, measure_frames
from shengdun.fingerprint.voice.quality import AudioQuality, QualityMeter
from shengdun.fingerprint.voice.samples import MODEL_RATE_HZ, Samples, Seconds
from shengdun.fingerprint.voice.windows import NetSpeech, Window

_METER_FRAMES = 32
_NOTHING: Samples = np.zeros(0, np.float32)


@dataclass(frozen=True, slots=True, kw_only=True)
class HeardWindow:
    """A window with what was known at the frame that completed it.

    Attributes:
        window: net speech for one voiceprint.
        chunk: index of the chunk that completed it, among those that were handed in together.
        position_s: end of that frame on the call's audio clock.
        quality: of the call up to that frame.
    """

    window: Window
    chunk: int
    position_s: Seconds
    quality: AudioQuality


@dataclass(frozen=True, slots=True, kw_only=True)
class Heard:
    """What was heard in some chunks of a call.

    Attributes:
        windows: windows that they completed, oldest first.
        position_s: audio of the call heard so far.
        net_speech_s: net speech of the call found so far, in windows or not.
    """

    windows: tuple[HeardWindow, ...]
    position_s: Seconds
    net_speech_s: Seconds


class FrontEnd:
    """One call's decoder, voice activity state, windows and quality. Not safe to share between threads.

    Args:
        audio_format: the format of the call's audio.
        window_s: net speech of one window, in seconds; the voice model's.
        activity: the voice activity detector that ``hear`` will be given.
    """

    def __init__(
        self, audio_format: AudioFormat, *, window_s: Seconds, activity: VoiceActivity
    ) -> None:
        self.activity_state = activity.new_state()
        self._decoder = StreamDecoder(audio_format)
        self._framer = Framer()
        self._net_speech = NetSpeech(window_s=window_s)
        self._meter = QualityMeter()
        self._unmetered: list[tuple[Samples, Probabilities, bool]] = []
        self._source = self._decoder.source()
        self._frames = 0
        self._metered = 0
        self._put_off: list[bytes] = []
        self._put_off_bytes = 0
        self._bytes = 0

    @property
    def audio_format(self) -> AudioFormat:
        """How the call's audio is written."""
        return self._decoder.audio_format

    @property
    def position_s(self) -> Seconds:
        """Audio heard so far, in whole frames."""
        return self._frames * FRAME_SAMPLES / MODEL_RATE_HZ

    @property
    def put_off_s(self) -> Seconds:
        """Audio that was put off, to be heard with what follows."""
        return self._put_off_bytes / self.audio_format.bytes_per_s

    def quality(self) -> AudioQuality:
        """The quality of the audio heard so far.

        Where it is asked for is where the audio is measured: ask only at positions that don't depend on chunks.
        """
        self._measure()
        return self._meter.report(self._source)

    def bytes_to_hear(self, *, at_most_s: Seconds) -> float:
        """Bytes that must follow until it's of use to hear them: a window may be complete then, or much was put off.

        Args:
            at_most_s: audio that may be put off, in seconds.
        """
        return min(self._bytes_to_window(), self._bytes_to_put_off(at_most_s))

    def put_off(self, chunks: Sequence[bytes], *, at_most_s: Seconds) -> bool:
        """Keep chunks to be heard together with those that follow, if no window can be complete without these.

        What is heard, and of which chunk, is the same; a few large portions take a fraction of the time.

        Args:
            chunks: the next ones in order.
            at_most_s: audio that may be kept, in seconds.

        Returns:
            Whether they were kept; if not, they are to be heard now.
        """
        size = sum(map(len, chunks))
        if size >= self.bytes_to_hear(at_most_s=at_most_s):
            return False
        # What is wrong with a chunk is said when it comes.
        if any(len(chunk) % self.audio_format.sample_bytes for chunk in chunks):
            return False
        self._put_off += chunks
        self._put_off_bytes += size
        return True

    def spare_s(self, chunks: Sequence[bytes]) -> Seconds:
        """Audio that may follow the next chunks before a window may be complete; 0 if one may be with these."""
        missing = self._bytes_to_window() - sum(map(len, chunks))
        return max(0, missing) / self.audio_format.bytes_per_s

    def _bytes_to_window(self) -> int:
        # Nothing comes out that didn't go in, however much the filter, blocks and frames hold back at the moment.
        samples = (self._frames + self._net_speech.frames_to_window) * FRAME_SAMPLES
        size = -(-samples * self.audio_format.bytes_per_s // MODEL_RATE_HZ)
        return size - self._bytes - self._put_off_bytes

    def _bytes_to_put_off(self, at_most_s: Seconds) -> float:
        return at_most_s * self.audio_format.bytes_per_s - self._put_off_bytes

    def decode(self, chunk: bytes) -> Samples:
        """Decode a chunk, and what was put off before it; gives the frames that they complete.

        Raises:
            OddByteCount: the chunk ends inside a sample.
        """
        return self._framer.push(self._decode(chunk))

    def decode_rest(self) -> Samples:
        """Give the frames still held back when the call has ended."""
        rest = np.concatenate([self._decode(b""), self._decoder.finish()])
        return np.concatenate([self._framer.push(rest), self._framer.finish()])

    def listen(
        self, frames: Samples, probabilities: Probabilities, measures: FrameMeasures, *, chunk: int
    ) -> list[HeardWindow]:
        """Take in frames with what is known of each; gives the windows that they complete."""
        heard, unmetered = [], 0
        judged = zip(
            frames.reshape(-1, FRAME_SAMPLES), probabilities.tolist(), *measures, strict=True
        )
        for end, (frame, probability, level_dbfs, may_be_key) in enumerate(judged, 1):
            self._frames += 1
            window = self._net_speech.take(frame, probability, level_dbfs, may_be_key=may_be_key)
            if window is not None or self._frames - self._metered >= _METER_FRAMES:
                self._keep(frames, probabilities, measures, unmetered, end)
                unmetered = end
                self._measure()
            if window is not None:
                heard.append(self._complete(window, chunk))
        self._keep(frames, probabilities, measures, unmetered, len(probabilities))
        return heard

    def conclude(self) -> list[HeardWindow]:
        """Give the last window of the call, if enough net speech is left for one."""
        window = self._net_speech.finish()
        return [self._complete(window, chunk=-1)] if window else []

    def heard(self, windows: Sequence[HeardWindow]) -> Heard:
        """Sum up: these windows and what is known by now."""
        return Heard(
            windows=tuple(windows),
            position_s=self.position_s,
            net_speech_s=self._net_speech.net_speech_s,
        )

    def _complete(self, window: Window, chunk: int) -> HeardWindow:
        return HeardWindow(
            window=window, chunk=chunk, position_s=self.position_s, quality=self.quality()
        )

    def _decode(self, chunk: bytes) -> Samples:
        # What is wrong with a chunk is said of that chunk alone.
        if self._put_off and not len(chunk) % self.audio_format.sample_bytes:
            chunk = b"".join([*self._put_off, chunk])
            self._put_off.clear()
            self._put_off_bytes = 0
        samples = self._decoder.decode(chunk)
        self._bytes += len(chunk)
        return samples

    def _keep(
        self,
        frames: Samples,
        probabilities: Probabilities,
        measures: FrameMeasures,
        start: int,
        end: int,
    ) -> None:
        if start < end:
            samples = frames[start * FRAME_SAMPLES : end * FRAME_SAMPLES]
            may_have_keys = any(measures.may_be_keys[start:end])
            self._unmetered.append((samples, probabilities[start:end], may_have_keys))

    def _measure(self) -> None:
        if self._unmetered:
            samples, probabilities, keys = zip(*self._unmetered, strict=True)
            self._meter.update(
                np.concatenate(samples), np.concatenate(probabilities), may_have_keys=any(keys)
            )
            self._unmetered.clear()
            self._metered = self._frames
            # The decoder runs ahead of the frames; what it found is taken where the frames are. A call on hold
            # completes no window for hours, so this can't wait until one asks for its quality.
            self._source = self._decoder.source_at(self._frames * FRAME_SAMPLES)


def hear(
    batch: Sequence[tuple[FrontEnd, Sequence[bytes], bool]], activity: VoiceActivity
) -> list[Heard | VoiceError]:
    """Hear the next chunks of several calls at once.

    Args:
        batch: for each call its front end, its next chunks in order, and whether the call has ended after them. Chunks
            that were put off are heard before them. A call may be in a batch once.
        activity: the voice activity detector, run once for all of them.

    Returns:
        For each call what was heard, or what is wrong with its audio; the others aren't disturbed.
    """
    decoded = [_decode(front_end, chunks, ended=ended) for front_end, chunks, ended in batch]
    whole = [frames if isinstance(frames, VoiceError) else _joined(frames) for frames in decoded]
    judged = iter(
        activity.speech_probabilities(
            [
                (front_end.activity_state, frames)
                for (front_end, _, _), frames in zip(batch, whole, strict=True)
                if not isinstance(frames, VoiceError)
            ]
        )
    )
    together = [frames for frames in whole if not isinstance(frames, VoiceError)]
    measures = measure_frames(_joined(together).reshape(-1, FRAME_SAMPLES))
    heard: list[Heard | VoiceError] = []
    start = 0
    for (front_end, _, ended), frames in zip(batch, decoded, strict=True):
        if isinstance(frames, VoiceError):
            heard.append(frames)
            continue
        probabilities = next(judged)
        end = start + len(probabilities)
        heard.append(
            _listen(front_end, frames, probabilities, measures.part(start, end), ended=ended)
        )
        start = end
    return heard


def _decode(
    front_end: FrontEnd, chunks: Sequence[bytes], *, ended: bool
) -> list[Samples] | VoiceError:
    frames = []
    try:
        for number, chunk in enumerate(chunks, 1):
            # Decoding takes as long for a chunk as for a second of them.
            waits = number < len(chunks) and front_end.put_off([chunk], at_most_s=math.inf)
            frames.append(_NOTHING if waits else front_end.decode(chunk))
    except VoiceError as error:
        return error
    return [*frames, front_end.decode_rest()] if ended else frames


def _listen(
    front_end: FrontEnd,
    frames: Sequence[Samples],
    probabilities: Probabilities,
    measures: FrameMeasures,
    *,
    ended: bool,
) -> Heard:
    windows = []
    start = 0
    for chunk, of_chunk in enumerate(frames):
        end = start + len(of_chunk) // FRAME_SAMPLES
        windows += front_end.listen(
            of_chunk, probabilities[start:end], measures.part(start, end), chunk=chunk
        )
        start = end
    return front_end.heard(windows + (front_end.conclude() if ended else []))


def _joined(parts: Sequence[Samples]) -> Samples:
    if len(parts) == 1:
        return parts[0]
    return np.concatenate(parts) if parts else np.zeros(0, np.float32)
