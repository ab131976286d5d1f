"""Measure campaigns: how often unrelated texts are linked, and how long a shared passage must be to be found.

    python -m benchmarks.text.campaigns CORPUS [--remembered 100000]

``CORPUS`` is what ``make bench-text`` takes. Three tables are printed. *Innocents*: the texts of each corpus, each of a
customer of its own, are told to an empty watch one after the other, and none should be linked to another. Both sides of
a dialogue count, the institution's too, which is harder than callers alone; much of what is linked is truly copied.
*Linked*: two transcripts of different customers have a passage of one script, with its blanks filled anew and errors of
recognition, in words of their own, amid so many others. *Time*: what the looks at unrelated texts among those took.
"""

import argparse
import statistics
import time
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from itertools import count
from pathlib import Path
from random import Random
from typing import Final

from benchmarks.text.corpora import Kind, Unit, read_units
from benchmarks.text.corruption import Corruption, corrupted
from benchmarks.text.families import Family, Half, filled, half_of, read_families
from benchmarks.text.figures import Recall
from benchmarks.text.homophones import Homophones

from shengdun.index.campaigns.watching import CampaignWatch

SEED: Final = 1
LEAST_CHARACTERS: Final = 40
PASSAGES: Final = (40, 60, 80, 120, 180)
ERRORS: Final = (
    (Corruption.BLANKS, 0.0),
    (Corruption.HOMOPHONES, 0.1),
    (Corruption.CHARACTERS, 0.1),
    (Corruption.COMBINED, 0.0),
)
LOOKS: Final = 500
_SKIPPED: Final = 20
"""Characters of a script before its passages: it isn't the greeting that is to be found."""
_NOW: Final = datetime(2026, 1, 1, tzinfo=UTC)


class Telling:
    """Tells a watch texts, each of a customer of its own."""

    def __init__(self) -> None:
        self.watch = CampaignWatch()
        self._numbers = count()

    def tell(self, text: str) -> tuple[str, tuple[str, ...]]:
        """The text's id, and those of the texts that it was linked to."""
        own = str(next(self._numbers))
        told = self.watch.see(text, text_id=own, customer=own, line="", seen_at=_NOW)
        return own, told.text_ids


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("corpus", type=Path)
    parser.add_argument("--remembered", type=int, default=100_000)
    arguments = parser.parse_args()
    units = [unit for unit in read_units(arguments.corpus) if len(unit.text) >= LEAST_CHARACTERS]
    _innocents(units)
    _planted(units, arguments.remembered)


def _innocents(units: Sequence[Unit]) -> None:
    print("| innocents | texts | linked | 95 % interval | campaigns | customers of the largest |")
    print("|---|---|---|---|---|---|")
    for corpus in ("dialogues by language models", "dialogues between people", "reviews"):
        own = [unit.text for unit in units if _corpus(unit) == corpus and _evaluates(unit)]
        Random(SEED).shuffle(own)
        telling = Telling()
        linked = sum(bool(telling.tell(text)[1]) for text in own)
        sizes = [campaign.customers for campaign in telling.watch.campaigns()]
        low, high = Recall(found=linked, of=len(own)).interval
        print(
            f"| {corpus} | {len(own)} | {linked / len(own):.2%} | {low:.2%} to {high:.2%} | {len(sizes)} "
            f"| {max(sizes, default=0)} |",
            flush=True,
        )


def _planted(units: Sequence[Unit], remembered: int) -> None:
    rng = Random(SEED)
    telling = Telling()
    others = [unit.text for unit in units if _evaluates(unit)]
    for _ in range(remembered):
        telling.tell(_surroundings(others, rng))
    hosts = [unit.text for unit in units if unit.kind is Kind.CALL and not _evaluates(unit)]
    print(f"\n| linked amid {len(telling.watch)} | {' | '.join(map(str, PASSAGES))} |")
    print("|---" * (len(PASSAGES) + 1) + "|")
    homophones = Homophones(hosts)
    for corruption, rate in ERRORS:
        shares = [
            _linked(telling, corruption, rate, length, hosts, homophones, rng)
            for length in PASSAGES
        ]
        row = " | ".join(f"{share.found} of {share.of}" for share in shares)
        print(f"| {corruption} {rate} | {row} |", flush=True)
    _time(telling, hosts, rng)


def _linked(
    telling: Telling,
    corruption: Corruption,
    rate: float,
    length: int,
    hosts: Sequence[str],
    homophones: Homophones,
    rng: Random,
) -> Recall:
    """How many families' second transcript is linked to the first."""
    families = read_families()
    found = 0
    for family in families:
        first, second = (
            telling.tell(text)
            for text in _transcripts(family, corruption, rate, length, hosts, homophones, rng)
        )
        found += first[0] in second[1]
        for own, _ in (first, second):
            telling.watch.forget(own)
    return Recall(found=found, of=len(families))


def _transcripts(
    family: Family,
    corruption: Corruption,
    rate: float,
    length: int,
    hosts: Sequence[str],
    homophones: Homophones,
    rng: Random,
) -> Iterator[str]:
    for _ in range(2):
        passage = filled(family.text, rng)[_SKIPPED : _SKIPPED + length]
        host = _surroundings(hosts, rng)
        middle = len(host) // 2
        said = corrupted(passage, corruption, rate, rng, homophones)
        yield host[:middle] + said + host[middle:]


def _time(telling: Telling, hosts: Sequence[str], rng: Random) -> None:
    took, linked = [], 0
    for _ in range(LOOKS):
        text = _surroundings(hosts, rng)
        began = time.perf_counter()
        linked += bool(telling.watch.look(text, customer="somebody").text_ids)
        took.append((time.perf_counter() - began) * 1e3)
    print(
        f"\n{LOOKS} unrelated looks: {linked} linked; median {statistics.median(took):.1f} ms, 99 of 100 within "
        f"{sorted(took)[LOOKS * 99 // 100]:.1f} ms; {telling.watch.nbytes / len(telling.watch):.0f} bytes a text"
    )


def _surroundings(units: Sequence[str], rng: Random) -> str:
    """Units of 120 to 420 characters together."""
    text, wanted = "", rng.randint(120, 420)
    while len(text) < wanted:
        text += rng.choice(units)
    return text[:wanted]


def _corpus(unit: Unit) -> str:
    if unit.kind is Kind.LETTER:
        return "reviews"
    between_people = unit.unit_id.startswith("crosswoz")
    return "dialogues between people" if between_people else "dialogues by language models"


def _evaluates(unit: Unit) -> bool:
    return half_of(unit.unit_id) is Half.EVALUATE


if __name__ == "__main__":
    main()
