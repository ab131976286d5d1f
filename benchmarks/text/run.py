"""Set the recognition of scripts beside other systems on the same texts, in one run.

    python -m benchmarks.text.run CORPUS OUTPUT --peers PYTHON [--trials N] [--seed N] [--repetitions N]
        [--only SYSTEM ...] [--rate R ...] [--share S ...] [--crowd N]

``CORPUS`` is a directory as ``benchmarks/text/corpora.py`` describes it, or ``small-talk`` for a tiny run on made-up
texts. ``OUTPUT`` gets ``report.md`` and ``report.json``. ``PYTHON`` is an interpreter with the peers
(``requirements/text-peers.lock``). A crowd is of so many scripts that nobody uses, registered beside the others.
"""

import argparse
import contextlib
import subprocess
import sys
from pathlib import Path
from typing import Final

from benchmarks.other_interpreter import PeerUnavailable
from benchmarks.text.comparison import measure, speeds, texts
from benchmarks.text.corpora import CorpusMissing, Unit, read_units
from benchmarks.text.families import read_families
from benchmarks.text.peers import Peer, PeerName, View
from benchmarks.text.report import OURS, Comparison, described, write_report
from benchmarks.text.small_talk import small_talk
from benchmarks.text.systems import Ours, System
from benchmarks.text.trials import RATES, SHARES, cells

SMALL_TALK: Final = "small-talk"

_SMALL_UNITS: Final = 400


def main() -> None:
    try:
        with contextlib.ExitStack() as stack:
            _run(_arguments(), stack)
    except (CorpusMissing, PeerUnavailable) as error:
        raise SystemExit(str(error)) from error


def _run(arguments: argparse.Namespace, stack: contextlib.ExitStack) -> None:
    chosen = cells(arguments.share or SHARES, arguments.rate or RATES)
    units = read_corpus(arguments.corpus, arguments.seed)
    given = texts(
        read_families(),
        units,
        chosen,
        count=arguments.trials,
        crowd=arguments.crowd,
        seed=arguments.seed,
    )
    systems = _systems(arguments, stack)
    found = Comparison(
        systems=tuple(measure(system, given, _tell) for system in systems),
        speeds=speeds(systems, given.innocents, arguments.repetitions),
        about=described(given, seed=arguments.seed, trials=arguments.trials, commit=commit()),
    )
    print(write_report(found, arguments.output))


def read_corpus(corpus: str, seed: int) -> list[Unit]:
    """The units of a directory of corpora, or made-up ones for ``SMALL_TALK``."""
    if corpus == SMALL_TALK:
        return list(small_talk(_SMALL_UNITS, seed))
    return read_units(Path(corpus))


def _systems(arguments: argparse.Namespace, stack: contextlib.ExitStack) -> list[System]:
    wanted = arguments.only or [OURS, *PeerName]
    systems: list[System] = [Ours()] if OURS in wanted else []
    for name in PeerName:
        if name in wanted and arguments.peers:
            systems.extend(stack.enter_context(Peer(arguments.peers, name, view)) for view in View)
    return systems


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("corpus")
    parser.add_argument("output", type=Path)
    parser.add_argument("--peers", type=Path, metavar="PYTHON")
    parser.add_argument("--only", action="append", choices=[OURS, *PeerName])
    parser.add_argument("--trials", type=int, default=200)
    parser.add_argument("--repetitions", type=int, default=5)
    parser.add_argument("--rate", action="append", type=float)
    parser.add_argument("--share", action="append", type=float)
    parser.add_argument("--crowd", type=int, default=0)
    parser.add_argument("--seed", type=int, default=1)
    return parser.parse_args()


def commit() -> str:
    """The commit of this checkout, "unknown" outside of one."""
    git = ["git", "-C", str(Path(__file__).parent), "rev-parse", "--short", "HEAD"]
    try:
        said = subprocess.run(git, capture_output=True, text=True, check=True)
    except (OSError, subprocess.CalledProcessError):
        return "unknown"
    return said.stdout.strip()


def _tell(message: str) -> None:
    print(message, file=sys.stderr, flush=True)


if __name__ == "__main__":
    main()
