"""Innocent texts: one side of telephone dialogues, and letters put together from reviews.

The corpora are read from a directory and are never committed:

    teleantifraud_dialogues.jsonl     TeleAntiFraud (Apache-2.0), written by language models; both sides, one at a time
    crosswoz_test.json.zip            CrossWOZ (Apache-2.0), between people; both sides, one at a time
    waimai_10k.csv                    reviews of food deliveries (ChineseNlpCorpus)
    online_shopping_10_cats.zip       reviews of goods in ten groups (ChineseNlpCorpus)

A dialogue or a review belongs to one half, both of its sides together, so that nothing of the half that calibration is
fitted on is in the other. What occurs twice is taken once.
"""

import csv
import io
import json
import zipfile
from collections import defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from random import Random
from typing import Any, Final

from benchmarks.text.families import Half, half_of

SHORTEST: Final = 300
LONGEST: Final = 1_000
"""Characters of an innocent text: some one to four minutes of one side of a call. Drawn evenly in the logarithm."""

_SHORTEST_UNIT: Final = 8


class Kind(StrEnum):
    """What an innocent text is."""

    CALL = "call"
    LETTER = "letter"


@dataclass(frozen=True, slots=True, kw_only=True)
class Unit:
    """What innocent texts are put together from."""

    unit_id: str
    """Of the dialogue or the review; decides the half."""
    kind: Kind
    text: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Innocent:
    """A transcript or a letter that has nothing of any script."""

    kind: Kind
    text: str


class CorpusMissing(Exception):
    """A directory is not what ``make bench-text`` takes; the message says what is missing."""


def read_units(directory: Path) -> list[Unit]:
    """Every unit of the corpora in a directory, each text once.

    Raises:
        CorpusMissing: a file isn't there.
    """
    seen: set[str] = set()
    units = []
    for read, name in _READERS:
        path = directory / name
        if not path.is_file():
            raise CorpusMissing(
                f"{path} is missing; benchmarks/text/corpora.py says what CORPUS holds"
            )
        for unit in read(path):
            if len(unit.text) >= _SHORTEST_UNIT and unit.text not in seen:
                seen.add(unit.text)
                units.append(unit)
    return units


def innocents(units: Iterable[Unit], half: Half, seed: int) -> list[Innocent]:
    """As many innocent texts as the units of one half give, each unit in one text at most."""
    of_kind: dict[Kind, list[Unit]] = defaultdict(list)
    for unit in units:
        if half_of(unit.unit_id) is half:
            of_kind[unit.kind].append(unit)
    made: list[Innocent] = []
    for kind, own in of_kind.items():
        rng = Random(f"innocents/{seed}/{half}/{kind}")
        rng.shuffle(own)
        made.extend(Innocent(kind=kind, text=text) for text in _texts(own, rng))
    Random(f"innocents/{seed}/{half}").shuffle(made)
    return made


def drawn_length(rng: Random, shortest: float, longest: float) -> int:
    """A length that is as likely to be in the lower octave of the range as in the upper."""
    drawn: float = shortest * (longest / shortest) ** rng.random()
    return round(drawn)


def _texts(units: list[Unit], rng: Random) -> Iterator[str]:
    wanted, text = drawn_length(rng, SHORTEST, LONGEST), ""
    for unit in units:
        text += unit.text
        if len(text) >= wanted:
            yield text[:wanted]
            wanted, text = drawn_length(rng, SHORTEST, LONGEST), ""


def _teleantifraud(path: Path) -> Iterator[Unit]:
    with path.open(encoding="utf-8") as file:
        for line in file:
            row = json.loads(line)
            for side in ("left", "right"):
                yield Unit(unit_id=row["id"], kind=Kind.CALL, text="".join(row[side]))


def _crosswoz(path: Path) -> Iterator[Unit]:
    with zipfile.ZipFile(path) as archive:
        dialogues: dict[str, Any] = json.loads(archive.read("test.json"))
    for key, dialogue in dialogues.items():
        for side in ("usr", "sys"):
            said = [turn["content"] for turn in dialogue["messages"] if turn["role"] == side]
            yield Unit(unit_id=f"crosswoz-{key}", kind=Kind.CALL, text="".join(said))


def _waimai(path: Path) -> Iterator[Unit]:
    with path.open(encoding="utf-8", newline="") as file:
        for row in csv.DictReader(file):
            yield _review(row["review"])


def _shopping(path: Path) -> Iterator[Unit]:
    with zipfile.ZipFile(path) as archive:
        content = archive.read("online_shopping_10_cats.csv").decode("utf-8")
    for row in csv.DictReader(io.StringIO(content)):
        yield _review(row["review"])


def _review(text: str) -> Unit:
    stripped = text.replace("\ufeff", "").strip()
    if stripped and stripped[-1].isalnum():
        stripped += "。"
    # Named after what it says: reviews have no names, and the place in the file says nothing.
    return Unit(unit_id=stripped, kind=Kind.LETTER, text=stripped)


_READERS: Final = (
    (_teleantifraud, "teleantifraud_dialogues.jsonl"),
    (_crosswoz, "crosswoz_test.json.zip"),
    (_waimai, "waimai_10k.csv"),
    (_shopping, "online_shopping_10_cats.zip"),
)
