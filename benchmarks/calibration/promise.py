"""Is the promise kept? Levels derived from one half of the speakers, false flags counted on the other half.

    python benchmarks/calibration/promise.py ARCHIVES [--promise 10] [--splits 40] [--size 10 --size 100 --size 1000]

``ARCHIVES`` holds what ``extract.py`` wrote. In every split half of the speakers of each corpus are the strangers whose
calls a profile would have kept. Of the other half some are enrolled and the rest are the callers who must not be
flagged, under the shipped profile. Lists longer than that are filled with made voices, drawn from a normal
distribution with the mean and covariance of a corpus. The corpora have some 330 speakers, so a site's 1,500 different
people can't be shown with them: rows marked ``made`` draw 1,500 strangers and 20,000 callers of that kind as well.
"""

import argparse
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final

import numpy as np
from numpy.typing import NDArray
from trials import ONE_PERSON

from shengdun.index import calibration
from shengdun.index.promise import StrangerScores, derive_levels, logit
from shengdun.index.scoring import Scorer, aggregate, unit_rows
from shengdun.index.segments import NEVER_US, Row, append
from shengdun.index.snapshot import ListContent
from shengdun.index.stranger_scores import score_strangers
from shengdun.index.strangers import Strangers

Floats = NDArray[np.float64]
Rows = NDArray[np.int64]

LOOKS_S: Final = (3.0, 6.0, 9.0, 12.0, 15.0, 18.0, 20.0)
SLACK_S: Final = 0.3
SHORTEST_S: Final = 2.0
PRIOR: Final = 0.03
HIGH_SHARE: Final = 0.1
CALLS: Final = 1_500
MADE_CALLERS: Final = 20_000
TEMPLATES: Final = 3
MOST_ENROLLED: Final = 100
AGENTS_SHARE: Final = 0.03
FEWEST_TO_DRAW: Final = 20


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Voices:
    """Calls of all corpora, and voiceprints of single recordings to enrol.

    Attributes:
        looks: every call at growing net speech.
        call_speakers: (c,) the speaker of each call.
        corpora: (s,) the corpus of each speaker.
        templates: (t, d) float32 unit rows.
        template_net_speech_s: (t,) behind each.
        template_speakers: (t,) whose.
    """

    looks: Strangers
    call_speakers: Rows
    corpora: NDArray[np.str_]
    templates: NDArray[np.float32]
    template_net_speech_s: Floats
    template_speakers: Rows


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """One split: false flags in 10,000 calls, what was expected, and what was found of listed agents."""

    at_medium: float
    at_high: float
    expected: float
    upper: float
    kept: bool
    found: float
    callers: int


def read(directory: Path, rng: np.random.Generator) -> tuple[str, Voices]:
    """The voice model and all calls: single recordings, and several of one speaker and condition in a row."""
    looks: list[tuple[NDArray[np.float32], float, int]] = []
    enrolled: list[tuple[NDArray[np.float32], float, int]] = []
    call_speakers: list[int] = []
    speakers: dict[tuple[str, str], int] = {}
    model_id = ""
    for path in sorted(directory.glob("*.npz")):
        with np.load(path, allow_pickle=False) as stored:
            columns, owner = stored["recordings"], stored["recording_rows"]
            windows, seconds = stored["voiceprints"], stored["net_speech_s"]
            model_id = str(stored["model_id"])
        by_take: dict[tuple[str, str], list[Rows]] = {}
        for row, (name, _, _, condition, licence) in enumerate(columns.tolist()):
            mine = np.flatnonzero(owner == row)
            if licence != "noncommercial" and len(mine):
                person = ONE_PERSON.get((path.stem, name), name)
                by_take.setdefault((person, condition), []).append(mine)
        for (person, _), recordings in by_take.items():
            speaker = speakers.setdefault((path.stem, person), len(speakers))
            for chosen in _joined(recordings, rng):
                found = list(_looks(windows[chosen], seconds[chosen]))
                looks += [(vector, net_s, len(call_speakers)) for vector, net_s in found]
                call_speakers += [speaker] if found else []
            enrolled += [
                (aggregate(windows[r], seconds[r]), float(seconds[r].sum()), speaker)
                for r in recordings
                if seconds[r].sum() >= SHORTEST_S
            ]
    return model_id, Voices(
        looks=_strangers(*zip(*looks, strict=True)),
        call_speakers=np.array(call_speakers),
        corpora=np.array([corpus for corpus, _ in speakers]),
        templates=np.stack([vector for vector, _, _ in enrolled]),
        template_net_speech_s=np.array([net_s for _, net_s, _ in enrolled]),
        template_speakers=np.array([speaker for _, _, speaker in enrolled]),
    )


def made_voices(
    voices: Voices, count: int, rng: np.random.Generator
) -> tuple[NDArray[np.float32], Floats]:
    """Voiceprints of people that don't exist, (count, d), and their net speech."""
    corpus_of = voices.corpora[voices.template_speakers]
    names, counts = np.unique(corpus_of, return_counts=True)
    drawn, net_speech_s = [], []
    for name in rng.choice(names[counts >= FEWEST_TO_DRAW], size=count):
        rows = np.flatnonzero(corpus_of == name)
        centre = voices.templates[rows].mean(axis=0)
        deviations = voices.templates[rows] - centre
        everywhere = rng.standard_normal(len(centre)) * np.sqrt(0.1 * (deviations**2).mean())
        within = rng.standard_normal(len(rows)) @ deviations * np.sqrt(0.9 / len(rows))
        drawn.append(centre + within + everywhere)
        net_speech_s.append(float(rng.choice(voices.template_net_speech_s[rows])))
    return unit_rows(np.stack(drawn)), np.array(net_speech_s)


class Study:
    """Splits of the speakers, and what comes of them."""

    def __init__(self, voices: Voices, scorer: Scorer, *, promise: float, seed: int) -> None:
        self._voices = voices
        self._scorer = scorer
        self._promise = promise
        self._rng = np.random.default_rng(seed)
        self._made = made_voices(voices, 1_000, self._rng)

    def split(self, size: int, *, agents_share: float) -> Outcome:
        """Strangers, list and callers share no speaker; ``agents_share`` of the strangers' calls are agents' own."""
        voices, rng = self._voices, self._rng
        strangers, others = self._halves()
        enrolled = rng.permutation(others)[: min(size, MOST_ENROLLED, len(others) * 2 // 3)]
        content = self._list(enrolled, size)
        calls = self._calls_of(strangers, CALLS)
        agents = self._calls_of(enrolled, len(voices.call_speakers))
        wrong = rng.permutation(agents)[: round(agents_share * len(calls))]
        known = np.sort(np.concatenate([rng.permutation(calls)[len(wrong) :], wrong]))
        callers = self._calls_of(np.setdiff1d(others, enrolled), len(voices.call_speakers))
        scores = self._scores(content, known)
        return self._outcome(
            replace(scores, groups=voices.call_speakers[known]),
            self._scores(content, callers).log_odds,
            self._scores(content, agents).log_odds,
        )

    def made(self, size: int) -> Outcome:
        """The same with made voices for everybody: as many different people as a site has."""
        voiceprints, net_speech_s = made_voices(
            self._voices, size + CALLS + MADE_CALLERS, self._rng
        )
        rows = [_row(f"made{n}", n, voiceprints[n], net_speech_s[n]) for n in range(size)]
        content = self._content(rows, size)
        last = size + CALLS
        known = _strangers(voiceprints[size:last], net_speech_s[size:last], range(CALLS))
        callers = _strangers(voiceprints[last:], net_speech_s[last:], range(MADE_CALLERS))
        scored = score_strangers(known, [content], prior=PRIOR, at_us=0)
        assert scored is not None
        log_odds = np.concatenate([self._score(content, part).log_odds for part in _parts(callers)])
        return self._outcome(scored, log_odds, np.empty(0))

    def _outcome(self, scores: StrangerScores, callers: Floats, agents: Floats) -> Outcome:
        levels = derive_levels(scores, false_flags=self._promise, high_share=HIGH_SHARE)
        medium, high = logit(levels.medium), logit(levels.high)
        return Outcome(
            at_medium=1e4 * float((callers >= medium).mean()),
            at_high=1e4 * float((callers >= high).mean()),
            expected=levels.expected,
            upper=levels.upper,
            kept=levels.kept,
            found=float((agents >= medium).mean()) if len(agents) else np.nan,
            callers=len(callers),
        )

    def _halves(self) -> tuple[Rows, Rows]:
        first, second = [], []
        for corpus in np.unique(self._voices.corpora):
            speakers = self._rng.permutation(np.flatnonzero(self._voices.corpora == corpus))
            first.append(speakers[: len(speakers) // 2])
            second.append(speakers[len(speakers) // 2 :])
        return np.concatenate(first), np.concatenate(second)

    def _calls_of(self, speakers: Rows, most: int) -> Rows:
        calls = np.flatnonzero(np.isin(self._voices.call_speakers, speakers))
        return np.sort(self._rng.permutation(calls)[:most])

    def _list(self, enrolled: Rows, size: int) -> ListContent:
        voices, rows = self._voices, []
        for code, speaker in enumerate(enrolled.tolist()):
            mine = np.flatnonzero(voices.template_speakers == speaker)
            for row in self._rng.permutation(mine)[: self._rng.integers(1, TEMPLATES + 1)]:
                net_s = float(voices.template_net_speech_s[row])
                rows.append(_row(f"real{code}", code, voices.templates[row], net_s))
        vectors, net_speech_s = self._made
        rows += [
            _row(f"made{n}", n, vectors[n], float(net_speech_s[n]))
            for n in range(len(enrolled), size)
        ]
        return self._content(rows, len({row.actor_code for row in rows}))

    def _content(self, rows: Sequence[Row], size: int) -> ListContent:
        segments = append((), rows, self._scorer)
        return ListContent(
            version="study@1", size_actors=size, segments=segments, scorer=self._scorer
        )

    def _scores(self, content: ListContent, calls: Rows) -> StrangerScores:
        looks = self._voices.looks
        rows = np.flatnonzero(np.isin(looks.calls, calls))
        return self._score(
            content,
            _strangers(looks.voiceprints[rows], looks.net_speech_s[rows], looks.calls[rows]),
        )

    def _score(self, content: ListContent, looks: Strangers) -> StrangerScores:
        scores = score_strangers(looks, [content], prior=PRIOR, at_us=0)
        assert scores is not None
        assert not scores.left_out
        return scores


def table(rows: dict[str, list[Outcome]], promise: float) -> Iterator[str]:
    """Markdown: what came of all splits of each kind."""
    yield f"Promised: {promise:g} in 10,000 calls at MEDIUM, {promise * HIGH_SHARE:g} at HIGH."
    yield ""
    yield "| list | splits | false flags at MEDIUM (95 %) | at HIGH | expected | upper end | kept | agents found |"
    yield "|---|---|---|---|---|---|---|---|"
    for name, outcomes in rows.items():
        weights = np.array([each.callers for each in outcomes], dtype=np.float64)
        medium = np.array([each.at_medium for each in outcomes])
        rng = np.random.default_rng(0)
        draws = rng.integers(len(outcomes), size=(2000, len(outcomes)))
        again = (medium[draws] * weights[draws]).sum(axis=1) / weights[draws].sum(axis=1)
        low, high = np.quantile(again, (0.025, 0.975))
        mean = np.average(medium, weights=weights)
        at_high = np.average([each.at_high for each in outcomes], weights=weights)
        yield (
            f"| {name} | {len(outcomes)} | {mean:.1f} ({low:.1f} to {high:.1f}) | {at_high:.1f} | "
            f"{np.mean([each.expected for each in outcomes]):.1f} | "
            f"{np.mean([each.upper for each in outcomes]):.1f} | "
            f"{np.mean([each.kept for each in outcomes]):.0%} | "
            f"{np.mean([each.found for each in outcomes]):.0%} |"
        )


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("archives", type=Path)
    parser.add_argument("--promise", type=float, default=10.0)
    parser.add_argument("--splits", type=int, default=40)
    parser.add_argument("--size", type=int, action="append", default=[])
    parser.add_argument("--seed", type=int, default=1)
    arguments = parser.parse_args()
    model_id, voices = read(arguments.archives, np.random.default_rng(arguments.seed))
    scorer = Scorer(calibration.default_profile(model_id))
    rows: dict[str, list[Outcome]] = {}
    for size in arguments.size or (10, 100, 1000):
        study = Study(voices, scorer, promise=arguments.promise, seed=arguments.seed)
        rows[f"{size}"] = [study.split(size, agents_share=0.0) for _ in range(arguments.splits)]
        rows[f"{size}, {AGENTS_SHARE:.0%} agents' calls"] = [
            study.split(size, agents_share=AGENTS_SHARE) for _ in range(arguments.splits)
        ]
        rows[f"{size}, made"] = [study.made(size) for _ in range(max(arguments.splits // 8, 2))]
    print("\n".join(table(rows, arguments.promise)))


def _joined(recordings: list[Rows], rng: np.random.Generator) -> Iterator[Rows]:
    yield from recordings
    for count in (2, 3, 5):
        if len(recordings) >= count:
            chosen = rng.permutation(len(recordings))[:count]
            yield np.concatenate([recordings[index] for index in chosen])


def _looks(
    windows: NDArray[np.float32], seconds: Floats
) -> Iterator[tuple[NDArray[np.float32], float]]:
    so_far = np.cumsum(seconds)
    if so_far[-1] >= SHORTEST_S:
        ends = {max(int(np.searchsorted(so_far, s + SLACK_S, side="right")), 1) for s in LOOKS_S}
        for end in sorted(ends):
            yield aggregate(windows[:end], seconds[:end]), float(so_far[end - 1])


def _strangers(
    voiceprints: Sequence[NDArray[np.float32]] | NDArray[np.float32],
    net_speech_s: Sequence[float] | Floats,
    calls: Sequence[int] | Rows,
) -> Strangers:
    return Strangers(
        voiceprints=np.stack(list(voiceprints)),
        net_speech_s=np.array(net_speech_s, dtype=np.float64),
        calls=np.array(calls, dtype=np.int64),
        snr_db=np.full(len(calls), np.nan),
    )


def _parts(looks: Strangers) -> Iterator[Strangers]:
    for rows in np.array_split(np.arange(len(looks.calls)), 8):
        yield _strangers(looks.voiceprints[rows], looks.net_speech_s[rows], looks.calls[rows])


def _row(actor_id: str, code: int, vector: NDArray[np.float32], net_speech_s: float) -> Row:
    return Row(
        voiceprint_id=f"{actor_id}-{code}-{vector[:2].tobytes().hex()}",
        actor_id=actor_id,
        actor_code=code,
        expires_us=NEVER_US,
        net_speech_s=float(net_speech_s),
        vector=vector,
    )


if __name__ == "__main__":
    main()
