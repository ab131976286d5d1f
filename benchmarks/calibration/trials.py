"""Corpora of window voiceprints, and the trials that are made from them.

A *side* of a trial is what the product would hold: the first so many seconds of net speech of one or several
recordings in one telephone condition, aggregated as the product does it. One side is enrolled, so it's wide-band; the
other calls, in any condition. Same-speaker trials never share a recording (nor a session, where a corpus has several a
speaker); different-speaker trials stay within their corpus, since across corpora language, microphone and room would
give the answer away.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import numpy as np
from numpy.typing import NDArray

from shengdun.index.scoring import aggregate

Floats = NDArray[np.float64]
Rows = NDArray[np.int64]

SIDE_SECONDS: Final = (3.0, 6.0, 10.0, 20.0)
MERGED_RECORDINGS: Final = (2, 3)
MERGES_PER_SPEAKER: Final = 6
SLACK_S: Final = 0.3
COMPARED_S: Final = 3.0
"""Net speech of one window: an enrolment refuses recordings with less, and no call is judged by less."""
ENROLLED: Final = "wideband"
"""The condition in which recordings are enrolled."""
ONE_PERSON: Final = {
    ("pbx_prompts", "ast_fr"): "fs_june",
    ("pbx_prompts", "ast_es"): "ast_en",
    ("hyke_ivr", "M_1298701752"): "M_1298688589",
}
"""Speakers of two names who are one person. The French prompts of both switches are June Wallack's (the corpus's own
manifest), the English and Spanish ones of Asterisk Allison Smith's (Meggelen, Bryant and Madsen, "Asterisk: The
Definitive Guide", 5th edition, chapter 9). The callers of hyke_ivr are known by their calls alone, and probably one: 22
of 25 pairs of recordings are as alike as one voice's, and Resemblyzer puts them first of 630 pairs as well."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Corpus:
    """Sides of one corpus.

    Attributes:
        name: of the corpus.
        model_id: the voice model that made the voiceprints.
        licence_class: of its recordings; ``open`` may be fitted on.
        voiceprints: (n, d) float32 unit rows, one a side.
        net_speech_s: (n,) net speech of each side.
        speakers: (n,) row of each side's speaker in 0 .. speaker_count - 1.
        origins: for each side the recordings (or sessions) that it was made from.
        recordings: for each side how many recordings it was made from.
        conditions: the telephone condition of each side.
        snr_db: (n,) speech over noise of each side; NaN where it couldn't be measured.
    """

    name: str
    model_id: str
    licence_class: str
    voiceprints: NDArray[np.float32]
    net_speech_s: Floats
    speakers: Rows
    origins: tuple[frozenset[str], ...]
    recordings: Rows
    conditions: NDArray[np.str_]
    snr_db: Floats

    @property
    def speaker_count(self) -> int:
        """Number of different people."""
        return int(self.speakers.max()) + 1

    @property
    def has_targets(self) -> bool:
        """Whether any speaker has two recordings that may be compared."""
        return any(
            len(
                frozenset().union(
                    *(self.origins[row] for row in np.flatnonzero(self.speakers == s))
                )
            )
            > 1
            for s in range(self.speaker_count)
        )

    def speaker_means(self) -> Floats:
        """(speakers, d) mean voiceprint of each speaker, so that a talkative one counts once."""
        return np.stack(
            [
                self.voiceprints[self.speakers == speaker].mean(axis=0, dtype=np.float64)
                for speaker in range(self.speaker_count)
            ]
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Trials:
    """Pairs of sides of one corpus.

    Attributes:
        left: (t,) rows of enrolled sides.
        right: (t,) rows of calling sides.
        is_target: (t,) whether they are one speaker.
    """

    left: Rows
    right: Rows
    is_target: NDArray[np.bool_]


def load_corpora(directory: Path) -> list[Corpus]:
    """All corpora that ``extract.py`` wrote there, without recordings of a non-commercial licence."""
    paths = sorted(path for path in directory.glob("*.npz") if not path.stem.endswith(".partial"))
    return [corpus for path in paths if (corpus := _load(path, compared=False)) is not None]


def load_compared(directory: Path) -> list[Corpus]:
    """The same corpora in sides as the product compares them, ``COMPARED_S`` or longer, each recording in one of them.

    Recordings that are too short by themselves are taken together.
    """
    paths = sorted(path for path in directory.glob("*.npz") if not path.stem.endswith(".partial"))
    return [corpus for path in paths if (corpus := _load(path, compared=True)) is not None]


def draw_trials(corpus: Corpus, *, targets: int, others: int, seed: int) -> Trials:
    """Random trials, every speaker and every pair of speakers equally likely."""
    rng = np.random.default_rng(seed)
    speakers = range(corpus.speaker_count)
    enrolled = corpus.conditions == ENROLLED
    lefts = [np.flatnonzero(enrolled & (corpus.speakers == speaker)) for speaker in speakers]
    rights = [np.flatnonzero(~enrolled & (corpus.speakers == speaker)) for speaker in speakers]
    able = np.array([s for s in speakers if len(lefts[s]) and len(rights[s])])
    left: list[int] = []
    right: list[int] = []
    for _ in range(targets * 3 if corpus.has_targets else 0):
        speaker = int(rng.choice(able))
        a, b = rng.choice(lefts[speaker]), rng.choice(rights[speaker])
        if len(left) < targets and not corpus.origins[a] & corpus.origins[b]:
            left.append(int(a))
            right.append(int(b))
    hits = len(left)
    for first, second in rng.choice(able, size=(others, 2)):
        if first != second:
            left.append(int(rng.choice(lefts[first])))
            right.append(int(rng.choice(rights[second])))
    is_target = np.arange(len(left)) < hits
    return Trials(left=np.array(left), right=np.array(right), is_target=is_target)


def compared_pairs(corpus: Corpus, *, seed: int) -> Trials:
    """Every pair of sides of ``load_compared`` once: one enrolled, the other calling in a condition drawn for it."""
    rng = np.random.default_rng(seed)
    names = np.array(["".join(sorted(origins)) for origins in corpus.origins])
    lefts, rights = [], []
    for name in np.unique(names):
        rows = np.flatnonzero(names == name)
        long = rows[corpus.net_speech_s[rows] > corpus.net_speech_s[rows].max() - 1.0]
        enrolled = corpus.conditions[long] == ENROLLED
        if enrolled.any() and not enrolled.all():
            lefts.append(int(rng.choice(long[enrolled])))
            rights.append(int(rng.choice(long[~enrolled])))
    one, other = np.triu_indices(len(lefts), k=1)
    left = np.array(lefts, dtype=np.int64)[one]
    right = np.array(rights, dtype=np.int64)[other]
    return Trials(left=left, right=right, is_target=corpus.speakers[left] == corpus.speakers[right])


def _load(path: Path, *, compared: bool) -> Corpus | None:
    with np.load(path, allow_pickle=False) as stored:
        columns = stored["recordings"]
        voiceprints, net_speech_s = stored["voiceprints"], stored["net_speech_s"]
        owner = stored["recording_rows"]
        model_id = str(stored["model_id"])
        snr_db = stored["snr_db"]
    usable = (columns[:, 4] != "noncommercial") & np.isin(np.arange(len(columns)), owner)
    people = [ONE_PERSON.get((path.stem, str(name)), str(name)) for name in columns[:, 0]]
    sessions = bool((columns[:, 0] != columns[:, 1]).any())
    origin = columns[:, 1] if sessions else columns[:, 2]
    nets_s: Floats = np.bincount(owner, weights=net_speech_s, minlength=len(columns)).astype(
        np.float64
    )
    everybody = sorted({people[row] for row in np.flatnonzero(usable)})
    sides = _Sides(voiceprints, net_speech_s)
    rng = np.random.default_rng(1)
    for person in everybody:
        rows_of = {
            str(condition): [
                int(row)
                for row in np.flatnonzero(usable & (columns[:, 3] == condition))
                if people[row] == person
            ]
            for condition in np.unique(columns[:, 3])
        }
        for condition, chosen in (
            _joined(rows_of, columns[:, 2], nets_s) if compared else _several(rows_of, rng)
        ):
            sides.add(
                person,
                condition,
                [(str(origin[row]), np.flatnonzero(owner == row)) for row in chosen],
                float(_mean_snr(snr_db[chosen])),
            )
    licences = set(columns[usable, 4].tolist())
    licence = licences.pop() if len(licences) == 1 else "mixed"
    return sides.corpus(path.stem, model_id, licence, everybody) if sides.people else None


def _joined(
    rows_of: dict[str, list[int]], names: NDArray[np.str_], nets_s: Floats
) -> Iterator[tuple[str, list[int]]]:
    """One speaker's recordings by condition, together where they are short, the same ones in every condition."""
    groups: list[list[int]] = [[]]
    for row in rows_of.get(ENROLLED, []):
        groups[-1].append(row)
        if nets_s[groups[-1]].sum() >= COMPARED_S - SLACK_S:
            groups.append([])
    for condition, rows in rows_of.items():
        by_name = {str(names[row]): row for row in rows}
        for group in groups[:-1]:
            if all(str(names[row]) in by_name for row in group):
                yield condition, [by_name[str(names[row])] for row in group]


def _several(
    rows_of: dict[str, list[int]], rng: np.random.Generator
) -> Iterator[tuple[str, list[int]]]:
    """One speaker's recordings by condition, each by itself and some of them merged."""
    for condition, rows in rows_of.items():
        for chosen in _subsets(rows, rng):
            yield condition, chosen


def _subsets(rows: list[int], rng: np.random.Generator) -> list[list[int]]:
    chosen = [[row] for row in rows]
    for size in MERGED_RECORDINGS:
        if len(rows) > size:
            picks = [rng.permutation(rows)[:size].tolist() for _ in range(MERGES_PER_SPEAKER)]
            chosen += picks
    return chosen


class _Sides:
    def __init__(self, voiceprints: NDArray[np.float32], net_speech_s: Floats) -> None:
        self._windows = voiceprints
        self._window_s = net_speech_s
        self._voiceprints: list[NDArray[np.float32]] = []
        self._net_speech_s: list[float] = []
        self._origins: list[frozenset[str]] = []
        self._recordings: list[int] = []
        self._conditions: list[str] = []
        self._snr_db: list[float] = []
        self.people: list[str] = []

    def add(
        self, person: str, condition: str, recordings: list[tuple[str, Rows]], snr_db: float
    ) -> None:
        """The first 3, 6, 10 and 20 s of these recordings, as far as they last."""
        rows = np.concatenate([windows for _, windows in recordings])
        came_from = np.repeat(
            np.arange(len(recordings)), [len(windows) for _, windows in recordings]
        )
        so_far = np.cumsum(self._window_s[rows])
        lengths = {
            max(int(np.searchsorted(so_far, seconds + SLACK_S, side="right")), 1)
            for seconds in SIDE_SECONDS
        }
        for length in sorted(lengths):
            used = np.unique(came_from[:length])
            if len(used) < len(recordings) and length < len(rows):
                continue
            self._voiceprints.append(
                aggregate(self._windows[rows[:length]], self._window_s[rows[:length]])
            )
            self._net_speech_s.append(float(so_far[length - 1]))
            self._origins.append(frozenset(recordings[index][0] for index in used))
            self._recordings.append(len(used))
            self._conditions.append(condition)
            self._snr_db.append(snr_db)
            self.people.append(person)

    def corpus(
        self, name: str, model_id: str, licence_class: str, everybody: Sequence[str]
    ) -> Corpus:
        """Everything that was added; speakers are numbered as in ``everybody``, in ascending order."""
        speakers = np.searchsorted(everybody, self.people)
        return Corpus(
            name=name,
            model_id=model_id,
            licence_class=licence_class,
            voiceprints=np.stack(self._voiceprints),
            net_speech_s=np.array(self._net_speech_s),
            speakers=speakers.astype(np.int64),
            origins=tuple(self._origins),
            recordings=np.array(self._recordings, dtype=np.int64),
            conditions=np.array(self._conditions),
            snr_db=np.array(self._snr_db),
        )


def _mean_snr(snr_db: Floats) -> float:
    known = snr_db[~np.isnan(snr_db)]
    return float(known.mean()) if len(known) else float("nan")
