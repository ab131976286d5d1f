"""Who speaks in the simulation: the speakers of a corpus and of the demo recordings, split once into two sides.

A keyed hash of a speaker's name says which side they are on. Whatever is fitted (calibration, thresholds, priors) sees
``FIT`` alone, and whatever is reported comes of ``EVALUATE``. The speakers of the demo recordings are evaluated on and
never fitted on: they alone have several sessions, and speech enough to call for forty customers.
"""

import csv
import hashlib
import re
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import Final

from shengdun.fingerprint.voice.demo_recordings import DemoRecording
from shengdun.index.accuracy.corpus import MANIFEST_NAME, Corpus, CorpusRecording, read_corpus

COUNCIL: Final = "council"
"""What the demo recordings are called as a corpus."""
_KEY: Final = b"shengdun unknown voices 1"
_FIT_SHARE: Final = 0.5
_READABLE: Final = 2**32
_AGE_NOTED: Final = re.compile(r"\bage (\d{1,3})\b")
OF_AGE: Final = 18
"""Years from which a person may be a bank's customer by themselves; children are reported apart."""


class Side(StrEnum):
    """What a speaker is there for."""

    FIT = "fit"
    EVALUATE = "evaluate"


@dataclass(frozen=True, slots=True, kw_only=True)
class Person:
    """A speaker.

    Attributes:
        name: ``corpus/speaker``.
        corpus: that they come from.
        side: what they are there for.
        tapes: their recordings, one tuple a session; one in all where the corpus doesn't name sessions.
        age: in years; None where the corpus doesn't say.
    """

    name: str
    corpus: str
    side: Side
    tapes: tuple[tuple[CorpusRecording, ...], ...]
    age: int | None = None

    @property
    def is_child(self) -> bool:
        """Whether the corpus says that they are no adult."""
        return self.age is not None and self.age < OF_AGE


def side_of(name: str) -> Side:
    """The side of a speaker by name, always the same."""
    if name.startswith(f"{COUNCIL}/"):
        return Side.EVALUATE
    digest = hashlib.blake2b(name.encode(), key=_KEY, digest_size=4).digest()
    return Side.FIT if int.from_bytes(digest) < _FIT_SHARE * _READABLE else Side.EVALUATE


def read_people(source: Path, *, same_speaker: Sequence[str] = ()) -> list[Person]:
    """The speakers of a corpus, by name.

    Args:
        source: as ``read_corpus`` takes it.
        same_speaker: as ``read_corpus`` takes it.

    Raises:
        CorpusInvalid: the corpus can't be read.
    """
    return _people(read_corpus(source, same_speaker=same_speaker), ages_in(source))


def ages_in(source: Path) -> dict[str, int]:
    """Years of each speaker, ``corpus/name``, as far as the manifest says: ``age 6`` somewhere in its ``note``."""
    manifest = source / MANIFEST_NAME if source.is_dir() else source
    if not manifest.is_file():
        return {}
    with manifest.open(encoding="utf-8", newline="") as file:
        noted = [
            (f"{row.get('corpus')}/{row['speaker']}", _AGE_NOTED.search(row.get("note") or ""))
            for row in csv.DictReader(file)
        ]
    return {name: int(age.group(1)) for name, age in noted if age is not None}


def council_people(recordings: Sequence[DemoRecording], directory: Path) -> list[Person]:
    """The speakers of the demo recordings, whose files are written into a directory."""
    rows = ["path,speaker,session,corpus"]
    for recording in recordings:
        path = directory / f"{recording.key.replace('/', '-')}.wav"
        if not path.exists():
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(recording.read())
        rows.append(f"{path.name},{recording.speaker},{recording.meeting},{COUNCIL}")
    (directory / "MANIFEST.csv").write_text("\n".join(rows) + "\n", encoding="utf-8")
    return _people(read_corpus(directory), {})


def _people(corpus: Corpus, ages: Mapping[str, int]) -> list[Person]:
    return [
        Person(
            name=name,
            corpus=recordings[0].corpus,
            side=side_of(name),
            tapes=_tapes(recordings, apart=corpus.sessions_known),
            age=ages.get(name),
        )
        for name, recordings in corpus.by_speaker().items()
    ]


def _tapes(
    recordings: Sequence[CorpusRecording], *, apart: bool
) -> tuple[tuple[CorpusRecording, ...], ...]:
    found: dict[str, list[CorpusRecording]] = defaultdict(list)
    for recording in recordings:
        found[recording.session if apart else ""].append(recording)
    return tuple(tuple(tape) for tape in found.values())
