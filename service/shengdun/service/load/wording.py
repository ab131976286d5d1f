"""What callers say in words, beside the audio: as a speech recogniser would tell it, at the pace of speech."""

from collections.abc import Iterator, Sequence
from datetime import timedelta
from itertools import cycle
from pathlib import Path
from typing import Final

from shengdun.service.client import Speaker, TranscriptSegment
from shengdun.service.errors import LoadImpossible

CHARACTERS_PER_S: Final = 5.0
"""What people say in a second, in Chinese characters."""
SEGMENT: Final = 20
"""Characters of an utterance: 4 s. In the middle of each the recogniser guesses what has been said of it."""


def read_wording(file: Path) -> tuple[str, ...]:
    """What callers say, one of them on each line of a file in UTF-8; blank lines are passed over.

    Raises:
        LoadImpossible: it can't be read, or says nothing.
    """
    try:
        text = file.read_text(encoding="utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        why = error.strerror if isinstance(error, OSError) else "it is not UTF-8"
        raise LoadImpossible(f"cannot read the words of callers, {file}: {why}") from None
    said = tuple(line.strip() for line in text.splitlines() if line.strip())
    if not said:
        raise LoadImpossible(f"{file} has no words; write what one caller says on each line")
    return said


class Saying:
    """The words of one call, in the order in which they are said.

    Args:
        wording: what callers say; the call takes one of them, and goes on with the next as long as it lasts.
        number: of the call, which says whose words it takes.
        length_s: how long it lasts, in seconds.
    """

    def __init__(self, wording: Sequence[str], *, number: int, length_s: float) -> None:
        self._text = _from(wording, number, least=round(length_s * CHARACTERS_PER_S))
        self._segments = self._said()
        self._next = next(self._segments, None)

    def until(self, position_s: float) -> Iterator[TranscriptSegment]:
        """What is recognised from where this was asked last to a position in the call's audio, in seconds."""
        while self._next is not None and _end_s(self._next) <= position_s:
            yield self._next
            self._next = next(self._segments, None)

    def _said(self) -> Iterator[TranscriptSegment]:
        for start in range(0, len(self._text), SEGMENT):
            for length in (SEGMENT // 2, SEGMENT):
                text = self._text[start : start + length]
                yield TranscriptSegment(
                    segment_id=f"u{start}",
                    text=text,
                    speaker=Speaker.CALLER,
                    is_final=length == SEGMENT,
                    start=timedelta(seconds=start / CHARACTERS_PER_S),
                    end=timedelta(seconds=(start + len(text)) / CHARACTERS_PER_S),
                )


def _from(wording: Sequence[str], number: int, *, least: int) -> str:
    first = number % len(wording)
    said, length = [], 0
    for line in cycle([*wording[first:], *wording[:first]]):
        said.append(line)
        length += len(line)
        if length >= least:
            break
    return "".join(said)[:least]


def _end_s(segment: TranscriptSegment) -> float:
    assert segment.end is not None
    return segment.end.total_seconds()
