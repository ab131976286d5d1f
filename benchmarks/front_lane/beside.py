"""What the front lane takes beside another checkout of this project, and whether the two hear the same bits.

    python -m benchmarks.front_lane.beside OTHER [MODELS_DIR] [--repetitions N] [--output FILE.json]

OTHER is the root of a checkout, for instance of ``git worktree add``; its sources are run by this interpreter. The
two take turns, each repetition in a process of its own. Prints medians in milliseconds of processor time for 30 s of a
call: decoding with resampling; voice activity; listening, which is levels, keys, windows and quality.
"""

import argparse
import json
import os
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Final, TypeAlias

import numpy as np
from benchmarks.serving.results import load_average, summed_up, write

HERE: Final = Path(__file__).parents[2]
ROOMS: Final = ("fingerprint", "index", "enrollment", "service")

Played: TypeAlias = Mapping[str, Any]
"""What ``play`` gives: ``costs_ms`` by setting and stage, and ``bits`` by call."""


def played(checkout: Path, options: Sequence[str]) -> Played:
    """Plays calls through the front lane of a checkout, in a process of its own."""
    rooms = os.pathsep.join(str(checkout.resolve() / room) for room in ROOMS)
    done = subprocess.run(
        [sys.executable, "-m", "benchmarks.front_lane.play", *options],
        cwd=HERE,
        env={**os.environ, "PYTHONPATH": rooms},
        stdout=subprocess.PIPE,
        check=True,
    )
    result: Played = json.loads(done.stdout)
    return result


def compared(ours: Sequence[Played], others: Sequence[Played]) -> dict[str, dict[str, Any]]:
    """Medians of both, and the median of the repetitions' ratios with its interval, by setting and stage."""
    return {
        setting: {
            stage: {
                "other_ms": _median(others, setting, stage),
                "ours_ms": _median(ours, setting, stage),
                "ratio": summed_up(
                    [
                        one["costs_ms"][setting][stage] / other["costs_ms"][setting][stage]
                        for one, other in zip(ours, others, strict=True)
                    ]
                ),
            }
            for stage in stages
        }
        for setting, stages in ours[0]["costs_ms"].items()
    }


def _median(repetitions: Sequence[Played], setting: str, stage: str) -> float:
    return float(np.median([one["costs_ms"][setting][stage] for one in repetitions]))


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("other", type=Path)
    parser.add_argument("models_dir", type=Path, nargs="?", default=Path(".shengdun/models"))
    parser.add_argument("--repetitions", type=int, default=3)
    parser.add_argument("--without-lane", action="store_true", help="not in real time as well")
    parser.add_argument("--output", type=Path)
    arguments = parser.parse_args()
    options = [str(arguments.models_dir.resolve())]
    options += ["--without-lane"] if arguments.without_lane else []
    ours, others = [], []
    for _ in range(arguments.repetitions):
        others.append(played(arguments.other, options))
        ours.append(played(HERE, options))
    found = compared(ours, others)
    differing = sorted(
        {
            call
            for call, bits in others[0]["bits"].items()
            if any(one["bits"][call] != bits for one in (*ours, *others))
        }
    )
    for setting, stages in found.items():
        print(setting)
        for stage, of in stages.items():
            print(
                f"  {stage:16}{of['other_ms']:8.1f} ->{of['ours_ms']:8.1f}   x {of['ratio']['median']:.2f}"
            )
    print(f"load average {load_average()[0]}; calls that differ: {', '.join(differing) or 'none'}")
    if arguments.output:
        write(arguments.output, {"front_lane": found, "calls_that_differ": differing})
    sys.exit(1 if differing else 0)


if __name__ == "__main__":
    main()
