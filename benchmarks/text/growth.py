"""Whether more scripts flag more innocent texts, and what the answer to it costs those who do follow one.

    OMP_NUM_THREADS=1 python -m benchmarks.text.growth CORPUS OUTPUT.json [--scripts N ...] [--calls N] [--trials N]
        [--seed N]

``CORPUS`` is as for ``benchmarks.text.run``. Two lists grow, both of scripts that are the hardest there are, for seven in
ten of their sentences were said or written by somebody who followed no script: one of sentences of the half that the table
of common wording was learnt from, the other of sentences that nothing was learnt from. Beside these scripts the
families are registered; passages of theirs are planted as in the comparison. A text is flagged where a script, whichever,
has an LLR above 0, as a server flags it.
"""

import argparse
import json
import sys
from collections.abc import Iterator, Sequence
from hashlib import blake2b
from pathlib import Path
from random import Random
from typing import Any, Final

from benchmarks.text.corpora import Kind, Unit, innocents
from benchmarks.text.corruption import Corruption
from benchmarks.text.families import Half, half_of, honest_complaints, read_families, registered
from benchmarks.text.figures import Recall
from benchmarks.text.homophones import Homophones
from benchmarks.text.recombination import SHORTEST, Recombined
from benchmarks.text.run import commit, read_corpus
from benchmarks.text.trials import Cell, Planting

from shengdun.index.scripts.matching import ScriptIndex

SIZES: Final = (1_000, 10_000, 30_000, 100_000)
CELLS: Final = (
    Cell(corruption=Corruption.HOMOPHONES, rate=0.2, share=0.1),
    Cell(corruption=Corruption.CHARACTERS, rate=0.2, share=0.05),
    Cell(corruption=Corruption.CHARACTERS, rate=0.2, share=0.1),
    Cell(corruption=Corruption.COMBINED, rate=0.0, share=0.1),
    Cell(corruption=Corruption.PARAPHRASE, rate=0.0, share=0.2),
)


def lists(units: Sequence[Unit], seed: int) -> dict[str, tuple[Recombined, list[Unit]]]:
    """By name, where the scripts of a list come from, and the units that no script of it has a sentence of."""
    families = read_families()
    unseen = [unit for unit in units if half_of(unit.unit_id) is Half.EVALUATE]
    scripted = [unit for unit in unseen if _is_scripted(unit)]
    return {
        "of the half that was learnt from": (Recombined(families, units, seed), unseen),
        "of nothing that was learnt from": (
            Recombined(families, scripted, seed, half=Half.EVALUATE),
            [unit for unit in unseen if not _is_scripted(unit)],
        ),
    }


def measured(
    source: Recombined, own: Sequence[Unit], units: Sequence[Unit], asked: argparse.Namespace
) -> Iterator[dict[str, Any]]:
    """The figures of one list, at each of its sizes."""
    families = read_families()
    hosts = innocents(own, Half.EVALUATE, asked.seed)
    planting = Planting(
        [family for family in families if family.half is Half.EVALUATE],
        hosts,
        Homophones(unit.text for unit in units),
        asked.seed,
    )
    calls = [unit.text for unit in own if unit.kind is Kind.CALL and len(unit.text) >= SHORTEST]
    innocent = {
        "calls": calls[: asked.calls],
        "letters": [host.text for host in hosts if host.kind is Kind.LETTER][: asked.calls],
        "honest complaints": honest_complaints(),
    }
    planted = {
        f"{cell.corruption} {cell.rate:.0%}, {cell.share:.0%} scripted": [
            trial.text for trial in planting.trials(cell, asked.trials)
        ]
        for cell in CELLS
    }
    scripts = registered(families)
    index = ScriptIndex()
    index.extend(scripts.items())
    for size in (len(scripts), *asked.scripts):
        more = range(len(index) - len(scripts), size - len(scripts))
        index.extend(source.script(number) for number in more)
        yield {
            "scripts": len(index),
            "innocent": {name: _flagged(index, texts) for name, texts in innocent.items()},
            "planted": {name: _flagged(index, texts) for name, texts in planted.items()},
        }


def _flagged(index: ScriptIndex, texts: Sequence[str]) -> dict[str, Any]:
    llrs = [found[0].llr for found in index.match_all(texts, limit=1, above=0.0) if found]
    flagged = Recall(found=len(llrs), of=len(texts))
    return {
        "of": flagged.of,
        "flagged": flagged.found,
        "share": flagged.share,
        "interval": flagged.interval,
        "at_cap": sum(llr >= index.coefficients.cap for llr in llrs),
    }


def _is_scripted(unit: Unit) -> bool:
    # All of a dialogue, or nothing of it.
    return blake2b(f"scripted/{unit.unit_id}".encode(), digest_size=1).digest()[0] % 2 == 0


def main() -> None:
    """Measure and write it down."""
    asked = _arguments()
    units = read_corpus(asked.corpus, asked.seed)
    Random(f"growth/{asked.seed}").shuffle(units)
    found: dict[str, list[dict[str, Any]]] = {}
    for name, (source, own) in lists(units, asked.seed).items():
        found[name] = []
        for row in measured(source, own, units, asked):
            found[name].append(row)
            shares = {key: each["share"] for key, each in (row["innocent"] | row["planted"]).items()}
            print(name, row["scripts"], shares, file=sys.stderr, flush=True)
    text = json.dumps({"commit": commit(), "seed": asked.seed, "lists": found}, indent=1) + "\n"
    asked.output.parent.mkdir(parents=True, exist_ok=True)
    asked.output.write_text(text, encoding="utf-8")


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("corpus")
    parser.add_argument("output", type=Path)
    parser.add_argument("--scripts", type=int, nargs="+", default=SIZES)
    parser.add_argument("--calls", type=int, default=3_000)
    parser.add_argument("--trials", type=int, default=200)
    parser.add_argument("--seed", type=int, default=1)
    return parser.parse_args()


if __name__ == "__main__":
    main()
