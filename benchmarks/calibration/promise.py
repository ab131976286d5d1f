"""Is the promise kept? Levels derived from one half of the speakers, false flags counted on the other half.

    python benchmarks/calibration/promise.py ARCHIVES [--promise 10] [--splits 40] [--size 10 --size 100 --size 1000]
        [--site-condition pcmu ...]

``ARCHIVES`` holds what ``extract.py`` wrote. In every split half of the speakers of each corpus are the strangers on
whose calls a profile is calibrated, without labels, as ``shengdun calibrate`` does. Of the other half some are
enrolled, and the rest are the callers who must not be flagged. An agent's call never has a recording that was enrolled.
The corpora are parted into a few groups, and for each a base profile is fitted without it: a caller is judged by
levels under a base that has met nobody of the caller's corpus.
The corpora have some 330 speakers, so a site's 1,500 different people can't be shown with them: here a profile keeps
several calls of a speaker, which are drawn again together. Lists longer than 100 actors are filled with made voices,
drawn from a normal distribution with mean and covariance of the actors; nobody among them is a relative. With
``--site-condition`` the site's calls are of those conditions alone, and the callers' of all others.
"""

import argparse
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Final

import fit
import numpy as np
from held_out import as_shipped
from numpy.typing import NDArray
from trials import ENROLLED, ONE_PERSON

from shengdun.index.calibration import CalibrationProfile, default_profile
from shengdun.index.fitting.calls import MOST_LOOKS, SiteCall
from shengdun.index.fitting.site import fit_site_profile
from shengdun.index.promise import LevelDerivation, StrangerScores, derive_levels, logit
from shengdun.index.scoring import Scorer, unit_rows
from shengdun.index.segments import NEVER_US, Row, append
from shengdun.index.snapshot import ListContent
from shengdun.index.stranger_scores import score_strangers
from shengdun.index.strangers import Strangers

Floats = NDArray[np.float64]
Rows = NDArray[np.int64]

SHORTEST_S: Final = 2.0
PRIOR: Final = 0.03
HIGH_SHARE: Final = 0.1
CALLS: Final = 1_500
TEMPLATES: Final = 3
MOST_ENROLLED: Final = 100
AGENTS_SHARE: Final = 0.03
BASES: Final = 3


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Voices:
    """Calls of all corpora, and voiceprints of single recordings to enrol.

    Attributes:
        calls: of all speakers, in all conditions.
        looks: every call at growing net speech.
        call_speakers: (c,) the speaker of each call.
        call_origins: the recordings that each call is made of.
        call_conditions: (c,) the telephone condition of each call.
        corpora: (s,) the corpus of each speaker.
        templates: (t, d) float32 unit rows.
        template_net_speech_s: (t,) behind each.
        template_speakers: (t,) whose.
        template_origins: the recording of each.
    """

    calls: tuple[SiteCall, ...]
    looks: Strangers
    call_speakers: Rows
    call_origins: tuple[frozenset[str], ...]
    call_conditions: NDArray[np.str_]
    corpora: NDArray[np.str_]
    templates: NDArray[np.float32]
    template_net_speech_s: Floats
    template_speakers: Rows
    template_origins: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Base:
    """A base profile, and the corpora whose callers are judged by it.

    Attributes:
        profile: fitted without these corpora.
        corpora: names.
    """

    profile: CalibrationProfile
    corpora: frozenset[str]


def fitted_bases(directory: Path, shipped: CalibrationProfile) -> list[Base]:
    """For every group of corpora the base profile that would ship if the group didn't exist.

    Corpora that nothing is fitted on are dealt into the groups too.
    """
    study = fit.read_study(directory)
    largest_first = sorted(study.corpora, key=lambda name: -study.corpora[name].speaker_count)
    groups = [frozenset(largest_first[first::BASES]) for first in range(BASES)]
    return [
        Base(
            profile=as_shipped(
                fit.held_out_profile(
                    study, fit.SHIPPED, *(name for name in study.open_names if name in group)
                ),
                shipped,
            ),
            corpora=group,
        )
        for group in groups
    ]


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class _Judged:
    """Callers and agents of one group of corpora: how many, and how many of them were flagged."""

    callers: int
    at_medium: int
    at_high: int
    agents: int
    found: int
    levels: LevelDerivation


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
    calls: list[SiteCall] = []
    enrolled: list[tuple[SiteCall, int]] = []
    call_speakers: list[int] = []
    call_conditions: list[str] = []
    speakers: dict[tuple[str, str], int] = {}
    model_id = ""
    for path in sorted(directory.glob("*.npz")):
        with np.load(path, allow_pickle=False) as stored:
            heard = {name: stored[name] for name in stored.files}
        model_id = str(heard["model_id"])
        for (person, condition), recordings in _takes(path.stem, heard).items():
            speaker = speakers.setdefault((path.stem, person), len(speakers))
            joined = [_call(heard, chosen) for chosen in _joined(recordings, rng)]
            called = [call for call in joined if call.total_s >= SHORTEST_S]
            calls += called
            call_speakers += [speaker] * len(called)
            call_conditions += [condition] * len(called)
            if condition == ENROLLED:
                enrolled += [
                    (template, speaker)
                    for recording in recordings
                    if (template := _call(heard, recording)).total_s >= SHORTEST_S
                ]
    return model_id, Voices(
        calls=tuple(calls),
        looks=_looks(calls),
        call_speakers=np.array(call_speakers),
        call_origins=tuple(frozenset(call.name.split()) for call in calls),
        call_conditions=np.array(call_conditions),
        corpora=np.array([corpus for corpus, _ in speakers]),
        templates=np.stack([template.voiceprint() for template, _ in enrolled]),
        template_net_speech_s=np.array([template.total_s for template, _ in enrolled]),
        template_speakers=np.array([speaker for _, speaker in enrolled]),
        template_origins=tuple(template.name for template, _ in enrolled),
    )


def _takes(corpus: str, heard: dict[str, NDArray[Any]]) -> dict[tuple[str, str], list[Rows]]:
    """The windows of each recording, by speaker and condition."""
    takes: dict[tuple[str, str], list[Rows]] = {}
    for row, (name, _, _, condition, licence) in enumerate(heard["recordings"].tolist()):
        windows = np.flatnonzero(heard["recording_rows"] == row)
        if licence != "noncommercial" and len(windows):
            person = ONE_PERSON.get((corpus, name), name)
            takes.setdefault((person, condition), []).append(windows)
    return takes


def _call(heard: dict[str, NDArray[Any]], windows: Rows) -> SiteCall:
    """What was said in some windows, named after their recordings."""
    recordings = heard["recording_rows"][windows]
    snr_db = heard["snr_db"][recordings]
    known = snr_db[~np.isnan(snr_db)]
    return SiteCall(
        name=" ".join(sorted(set(heard["recordings"][recordings, 2].tolist()))),
        windows=heard["voiceprints"][windows],
        net_speech_s=heard["net_speech_s"][windows],
        snr_db=float(known.mean()) if len(known) else None,
    )


def _looks(calls: Sequence[SiteCall]) -> Strangers:
    """Every call after each of its windows, as far as a profile looks."""
    looks = [
        (row, count)
        for row, call in enumerate(calls)
        for count in range(1, min(MOST_LOOKS, len(call.windows)) + 1)
    ]
    return Strangers(
        voiceprints=np.stack([calls[row].voiceprint(count) for row, count in looks]),
        net_speech_s=np.array([calls[row].net_speech_s[:count].sum() for row, count in looks]),
        calls=np.array([row for row, _ in looks], dtype=np.int64),
        snr_db=np.array(
            [np.nan if (snr := calls[row].snr_db) is None else snr for row, _ in looks]
        ),
    )


def made_voices(actors: Floats, count: int, rng: np.random.Generator) -> NDArray[np.float32]:
    """Voiceprints of people that don't exist, (count, d) unit rows, made after some actors' (n, d)."""
    centre = actors.mean(axis=0)
    deviations = actors - centre
    within = rng.standard_normal((count, len(actors))) @ deviations * np.sqrt(0.9 / len(actors))
    scale = np.sqrt(0.1 * (deviations**2).mean())
    return unit_rows(centre + within + scale * rng.standard_normal((count, actors.shape[1])))


class Study:
    """Splits of the speakers, and what comes of them."""

    def __init__(
        self,
        voices: Voices,
        bases: Sequence[Base],
        *,
        promise: float,
        seed: int,
        site_conditions: Sequence[str] = (),
    ) -> None:
        self._voices = voices
        of_site = np.isin(voices.call_conditions, list(site_conditions))
        self._of_site = of_site if site_conditions else np.ones(len(of_site), dtype=bool)
        self._of_callers = ~of_site
        self._bases = bases
        self._promise = promise
        self._rng = np.random.default_rng(seed)

    def split(self, size: int, *, agents_share: float) -> Outcome:
        """Strangers, list and callers share no speaker; ``agents_share`` of the strangers' calls are agents' own."""
        voices, rng = self._voices, self._rng
        strangers, others = self._halves()
        enrolled = rng.permutation(others)[: min(size, MOST_ENROLLED, len(others) * 2 // 3)]
        site_calls = self._calls_of(strangers, self._of_site)[:CALLS]
        rows, used = self._list(enrolled, size)
        agents = np.array(
            [
                call
                for call in self._calls_of(enrolled, self._of_callers).tolist()
                if not voices.call_origins[call] & used
            ],
            dtype=np.int64,
        )
        wrong = rng.permutation(agents)[: round(agents_share * len(site_calls))]
        known = np.sort(np.concatenate([rng.permutation(site_calls)[len(wrong) :], wrong]))
        callers = self._calls_of(np.setdiff1d(others, enrolled), self._of_callers)
        return self._outcome(
            [
                self._judged(base, rows, site_calls, known, callers=callers, agents=agents)
                for base in self._bases
            ]
        )

    def _judged(
        self,
        base: Base,
        rows: Sequence[Row],
        site_calls: Rows,
        known: Rows,
        *,
        callers: Rows,
        agents: Rows,
    ) -> _Judged:
        """The callers and agents of the corpora that a base hasn't met."""
        voices = self._voices
        unmet = np.isin(voices.corpora[voices.call_speakers], list(base.corpora))
        callers, agents = callers[unmet[callers]], agents[unmet[agents]]
        scorer = self._calibrated(base.profile, site_calls)
        content = ListContent(
            version="study@1",
            size_actors=len({row.actor_code for row in rows}),
            segments=append((), rows, scorer),
            scorer=scorer,
        )
        scores = replace(self._scores(content, known), groups=voices.call_speakers[known])
        # Together: agents alone are no strangers, which a line can't be derived from.
        heard = np.sort(np.concatenate([callers, agents]))
        log_odds = self._scores(content, heard).log_odds
        levels = derive_levels(scores, false_flags=self._promise, high_share=HIGH_SHARE)
        medium = log_odds >= logit(levels.medium)
        called = np.isin(heard, callers)
        return _Judged(
            callers=len(callers),
            at_medium=int(medium[called].sum()),
            at_high=int((log_odds[called] >= logit(levels.high)).sum()),
            agents=len(agents),
            found=int(medium[~called].sum()),
            levels=levels,
        )

    def _calibrated(self, base: CalibrationProfile, calls: Rows) -> Scorer:
        """By a site's profile from these calls."""
        fitted = fit_site_profile(
            base,
            [self._voices.calls[call] for call in calls.tolist()],
            name="site",
            provenance="half of the speakers",
        )
        return Scorer(fitted.profile)

    @staticmethod
    def _outcome(judged: Sequence[_Judged]) -> Outcome:
        callers = sum(each.callers for each in judged)
        agents = sum(each.agents for each in judged)
        return Outcome(
            at_medium=1e4 * sum(each.at_medium for each in judged) / callers,
            at_high=1e4 * sum(each.at_high for each in judged) / callers,
            expected=float(np.mean([each.levels.expected for each in judged])),
            upper=float(np.mean([each.levels.upper for each in judged])),
            kept=all(each.levels.kept for each in judged),
            found=sum(each.found for each in judged) / agents if agents else np.nan,
            callers=callers,
        )

    def _halves(self) -> tuple[Rows, Rows]:
        first, second = [], []
        for corpus in np.unique(self._voices.corpora):
            speakers = self._rng.permutation(np.flatnonzero(self._voices.corpora == corpus))
            first.append(speakers[: len(speakers) // 2])
            second.append(speakers[len(speakers) // 2 :])
        return np.concatenate(first), np.concatenate(second)

    def _calls_of(self, speakers: Rows, among: NDArray[np.bool_]) -> Rows:
        """Calls of some speakers, in any order."""
        theirs = np.isin(self._voices.call_speakers, speakers)
        return self._rng.permutation(np.flatnonzero(theirs & among))

    def _list(self, enrolled: Rows, size: int) -> tuple[list[Row], set[str]]:
        """The rows of a list, and the recordings that were enrolled."""
        voices, rows, used = self._voices, [], set()
        for code, speaker in enumerate(enrolled.tolist()):
            mine = np.flatnonzero(voices.template_speakers == speaker)
            for row in self._rng.permutation(mine)[: self._rng.integers(1, TEMPLATES + 1)]:
                net_s = float(voices.template_net_speech_s[row])
                used.add(voices.template_origins[row])
                rows.append(_row(f"real{code}", code, voices.templates[row], net_s))
        known = np.stack([row.vector for row in rows]).astype(np.float64)
        missing = max(size - len(enrolled), 0)
        likened = self._rng.integers(len(rows), size=missing)
        made = made_voices(known, missing, self._rng)
        rows += [
            _row(f"made{n}", len(enrolled) + n, vector, rows[int(like)].net_speech_s)
            for n, (vector, like) in enumerate(zip(made, likened, strict=True))
        ]
        return rows, used

    def _scores(self, content: ListContent, calls: Rows) -> StrangerScores:
        looks = self._voices.looks
        rows = np.flatnonzero(np.isin(looks.calls, calls))
        return self._score(
            content,
            Strangers(
                voiceprints=looks.voiceprints[rows],
                net_speech_s=looks.net_speech_s[rows],
                calls=looks.calls[rows],
                snr_db=looks.snr_db[rows],
            ),
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
    parser.add_argument("--site-condition", action="append", default=[])
    parser.add_argument("--seed", type=int, default=1)
    arguments = parser.parse_args()
    model_id, voices = read(arguments.archives, np.random.default_rng(arguments.seed))
    bases = fitted_bases(arguments.archives, default_profile(model_id))
    rows: dict[str, list[Outcome]] = {}
    for size in arguments.size or (10, 100, 1000):
        study = Study(
            voices,
            bases,
            promise=arguments.promise,
            seed=arguments.seed,
            site_conditions=arguments.site_condition,
        )
        rows[f"{size}"] = [study.split(size, agents_share=0.0) for _ in range(arguments.splits)]
        rows[f"{size}, {AGENTS_SHARE:.0%} agents' calls"] = [
            study.split(size, agents_share=AGENTS_SHARE) for _ in range(arguments.splits)
        ]
    print("\n".join(table(rows, arguments.promise)))


def _joined(recordings: list[Rows], rng: np.random.Generator) -> Iterator[Rows]:
    yield from recordings
    for count in (2, 3, 5):
        if len(recordings) >= count:
            chosen = rng.permutation(len(recordings))[:count]
            yield np.concatenate([recordings[index] for index in chosen])


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
