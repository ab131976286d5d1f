"""Calls of one voice and of two, put together from windows of real speakers, the same for the same seed."""

from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Final

import numpy as np
from benchmarks.unknown.handover_bank import EMOTIONAL, Side, Tape, side_of
from numpy.typing import NDArray

from shengdun.fingerprint.voice.conditions import Condition
from shengdun.fingerprint.voice.models import VoiceModel

ONE_VOICE: Final = (
    "one voice, one line",
    "one voice, the line changes",
    "one voice, noise comes",
    "one voice, acted emotion",
)
TWO_VOICES: Final = (
    "another voice takes over",
    "another voice takes over on another line",
    "another voice takes over for the last window",
    "another voice, then the first again",
)
LEAST_WINDOWS: Final = 4
MOST_WINDOWS: Final = 16
_PCM: Final = 32_767.0
Rows = NDArray[np.float32]


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Call:
    """The windows of one call.

    Attributes:
        kind: what happens in it.
        voiceprints: (n, d) float32 unit rows.
        change: index of the first window that the second voice has all or part of; None in a call of one voice.
        speakers: who speaks.
    """

    kind: str
    voiceprints: Rows = field(repr=False)
    change: int | None
    speakers: tuple[str, ...]


class Callers:
    """Makes calls of the speakers of one side.

    Args:
        tapes: of all speakers.
        side: whose speakers call.
        model: embeds the windows that two voices share.
        seed: of everything that is drawn.
    """

    def __init__(self, tapes: Sequence[Tape], side: Side, model: VoiceModel, *, seed: int) -> None:
        self._model = model
        self._rng = np.random.default_rng(seed)
        self._tapes: dict[str, dict[Condition, Tape]] = defaultdict(dict)
        for tape in tapes:
            if side_of(tape.speaker) is side:
                self._tapes[tape.speaker][tape.condition] = tape
        makers = (
            self._one_line,
            self._line_changes,
            self._noise_comes,
            self._emotional,
            self._takes_over,
            self._takes_over_noisy,
            self._takes_over_late,
            self._comes_back,
        )
        self._kinds: dict[str, Callable[[str], Call | None]] = dict(
            zip((*ONE_VOICE, *TWO_VOICES), makers, strict=True)
        )
        self._shorter: dict[Tape, Rows] = {}
        self._of_corpus: dict[str, list[str]] = defaultdict(list)
        for name in self._tapes:
            self._of_corpus[name.split("/")[0]].append(name)

    @property
    def speakers(self) -> tuple[str, ...]:
        """Who calls."""
        return tuple(self._tapes)

    def calls(self, kind: str, count: int) -> Iterator[Call]:
        """Some calls of a kind, of ``ONE_VOICE`` or ``TWO_VOICES``."""
        made = 0
        while made < count:
            call = self._kinds[kind](kind)
            if call is not None:
                made += 1
                yield call

    def _one_line(self, kind: str) -> Call | None:
        name = self._somebody(LEAST_WINDOWS)
        rows = self._rows(self._tape(name), self._length(name))
        if len(rows) < LEAST_WINDOWS:
            return None
        return Call(kind=kind, voiceprints=rows, change=None, speakers=(name,))

    def _line_changes(self, kind: str) -> Call | None:
        name = self._somebody(LEAST_WINDOWS)
        if len(self._tapes[name]) < 2:
            return None
        one, other = self._rng.permutation(np.array(list(self._tapes[name].values()), object))[:2]
        return self._joined(kind, name, one, other)

    def _noise_comes(self, kind: str) -> Call | None:
        name = self._somebody(LEAST_WINDOWS)
        tapes = self._tapes[name]
        if not {Condition.PCMU, Condition.NOISE_10_DB} <= tapes.keys():
            return None
        return self._joined(kind, name, tapes[Condition.PCMU], tapes[Condition.NOISE_10_DB])

    def _emotional(self, kind: str) -> Call | None:
        # There are nine seconds of each actor, so they're cut into shorter windows, which are harder to hear as one.
        names = [name for corpus in EMOTIONAL for name in self._of_corpus[corpus]]
        name = names[int(self._rng.integers(len(names)))]
        tape = self._tape(name)
        if tape not in self._shorter:
            spoken = tape.samples.reshape(-1).astype(np.float32) / _PCM
            self._shorter[tape] = self._model.embed(np.split(spoken, LEAST_WINDOWS))
        rows = self._shorter[tape]
        return Call(
            kind=kind,
            voiceprints=rows[self._rng.permutation(LEAST_WINDOWS)],
            change=None,
            speakers=(name,),
        )

    def _joined(self, kind: str, name: str, one: Tape, other: Tape) -> Call | None:
        """One speaker over two lines, no window said twice."""
        length = min(len(one.voiceprints), len(other.voiceprints), self._length(name))
        if length < LEAST_WINDOWS:
            return None
        at = int(self._rng.integers(1, length))
        rows = np.concatenate([one.voiceprints[:at], other.voiceprints[at:length]])
        return Call(kind=kind, voiceprints=rows, change=None, speakers=(name,))

    def _takes_over(self, kind: str) -> Call | None:
        return self._two(kind)

    def _takes_over_late(self, kind: str) -> Call | None:
        return self._two(kind, most_after=1)

    def _takes_over_noisy(self, kind: str) -> Call | None:
        return self._two(kind, mixed=True)

    def _two(self, kind: str, *, most_after: int = 8, mixed: bool = False) -> Call | None:
        pair = self._pair(mixed=mixed)
        if pair is None:
            return None
        first, second = pair
        # As long as calls of one voice are, or their length would tell them apart.
        whole = self._length(first.speaker)
        after = int(self._rng.integers(1, min(most_after, whole - 2) + 1))
        before = whole - 1 - after
        if len(first.voiceprints) <= before or len(second.voiceprints) <= after:
            return None
        # The window in which the one stops and the other begins.
        share = self._shared(first.samples[before], second.samples[0])
        rows = np.concatenate(
            [first.voiceprints[:before], share, second.voiceprints[1 : after + 1]]
        )
        return Call(
            kind=kind, voiceprints=rows, change=before, speakers=(first.speaker, second.speaker)
        )

    def _comes_back(self, kind: str) -> Call | None:
        pair = self._pair(mixed=False)
        if pair is None:
            return None
        first, second = pair
        before, middle, after = (int(each) for each in self._rng.integers(1, 5, size=3))
        if len(first.voiceprints) < before + after + 1 or len(second.voiceprints) < middle + 2:
            return None
        share = self._shared(first.samples[before], second.samples[0])
        back = self._shared(second.samples[middle + 1], first.samples[before])
        rows = np.concatenate(
            [
                first.voiceprints[:before],
                share,
                second.voiceprints[1 : middle + 1],
                back,
                first.voiceprints[before + 1 : before + after + 1],
            ]
        )
        return Call(
            kind=kind, voiceprints=rows, change=before, speakers=(first.speaker, second.speaker)
        )

    def _shared(self, one: NDArray[np.int16], other: NDArray[np.int16]) -> Rows:
        at = int(self._rng.uniform(0.1, 0.9) * len(one))
        samples = np.concatenate([one[:at], other[at:]]).astype(np.float32) / _PCM
        return self._model.embed([samples])

    def _pair(self, *, mixed: bool) -> tuple[Tape, Tape] | None:
        """Two speakers of one corpus over one line, or over any two."""
        name = self._somebody(LEAST_WINDOWS)
        others = [each for each in self._of_corpus[name.split("/")[0]] if each != name]
        if not others:
            return None
        other = others[int(self._rng.integers(len(others)))]
        first = self._tape(name)
        second = self._tape(other) if mixed else self._tapes[other].get(first.condition)
        return None if second is None else (first, second)

    def _somebody(self, least: int) -> str:
        names = [
            name
            for name, tapes in self._tapes.items()
            if max(len(tape.voiceprints) for tape in tapes.values()) >= least
        ]
        return names[int(self._rng.integers(len(names)))]

    def _tape(self, name: str) -> Tape:
        tapes = list(self._tapes[name].values())
        return tapes[int(self._rng.integers(len(tapes)))]

    def _length(self, name: str) -> int:
        longest = max(len(tape.voiceprints) for tape in self._tapes[name].values())
        return int(self._rng.integers(LEAST_WINDOWS, min(longest, MOST_WINDOWS) + 1))

    def _rows(self, tape: Tape, length: int) -> Rows:
        """Windows of a tape from somewhere on."""
        spare = max(0, len(tape.voiceprints) - length)
        start = int(self._rng.integers(spare + 1))
        return tape.voiceprints[start : start + length]
