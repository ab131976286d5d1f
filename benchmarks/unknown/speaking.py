"""Calls that a voice makes: runs of windows of net speech, each in a channel of its own, none of which overlap."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

import numpy as np
from benchmarks.unknown.hearing import HeardTape, Voice
from numpy.typing import NDArray

from shengdun.fingerprint.voice.samples import Seconds
from shengdun.index.scoring import aggregate

_MOST_WINDOWS: Final = 6
"""Of 3 s: no call has more than 18 s of net speech."""
_MEAN_WINDOWS: Final = 2.2


@dataclass(slots=True)
class Spoken:
    """A call before it has a time and an id.

    Attributes:
        voiceprint: (d,) of all of its windows.
        net_speech_s: in them.
        snr_db: of its tape in its channel.
        channel: name of the channel.
        customer: whom it's for.
        number: that it comes from.
    """

    voiceprint: NDArray[np.float32]
    net_speech_s: Seconds
    snr_db: float | None
    channel: str
    customer: str = ""
    number: str = ""


def say(voice: Voice, calls: int, *, least: int, rng: np.random.Generator) -> list[Spoken]:
    """Calls of one voice, of 3 to 18 s of net speech each where it has so much to say.

    Args:
        voice: who calls.
        calls: how many there should be. Where there is too little to say, calls become shorter, then fewer.
        least: calls below which none is left out, as long as there is a window for each.
        rng: says how long they are and in which channels.
    """
    lengths = np.minimum(rng.geometric(1.0 / _MEAN_WINDOWS, calls), _MOST_WINDOWS)
    said = []
    for tape, start, end in _runs(voice.sizes, lengths, least, rng):
        heard = voice.tapes[tape][rng.integers(len(voice.tapes[tape]))]
        said.append(_spoken(heard, start, end))
    return said


def _runs(
    sizes: list[int], lengths: NDArray[np.int64], least: int, rng: np.random.Generator
) -> Iterator[tuple[int, int, int]]:
    """Stretches ``(tape, start, end)`` that don't overlap."""
    wanted = lengths.copy()
    while wanted.sum() > sum(sizes):
        longest = int(np.argmax(wanted))
        if wanted[longest] > 1:
            wanted[longest] -= 1
        elif len(wanted) > least:
            wanted = wanted[:-1]
        else:
            break
    left: list[int] = wanted[rng.permutation(len(wanted))].tolist()
    for tape in rng.permutation(len(sizes)).tolist():
        start = 0
        while left and start < sizes[tape]:
            end = min(start + left.pop(), sizes[tape])
            yield tape, start, end
            start = end


def _spoken(heard: HeardTape, start: int, end: int) -> Spoken:
    part = slice(start, end)
    return Spoken(
        voiceprint=aggregate(heard.voiceprints[part], heard.net_speech_s[part]),
        net_speech_s=float(heard.net_speech_s[part].sum()),
        snr_db=heard.snr_db,
        channel=heard.channel.name,
    )
