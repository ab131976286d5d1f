"""So many calls at once in real time: is the budget kept, and how much of the cores does it take?

    python -m benchmarks.serving.live_calls MODELS OUTPUT --directory DIR [--calls 200] [--call-s 90] [--measured-s 30]

Calls arrive at random at the rate at which so many of one length run at once on average, last ``--call-s``, and are
measured once as many end as begin. Client and server share the machine. Lists have 10,000 random voiceprints.
"""

import argparse
from pathlib import Path
from typing import Any, Final

from benchmarks.serving.playing import BUDGET_S, Stage, stage
from benchmarks.serving.results import load_average, summed_up, write
from benchmarks.serving.systems import Shengdun

from shengdun.service.load.figures import Step, summary
from shengdun.service.load.plan import Arrivals

MODEL: Final = "campplus-zh-en"


def measured(system: Shengdun, asked: Stage, arguments: argparse.Namespace, repetition: int) -> Any:  # noqa: ANN401 (JSON)
    """One repetition on a server of its own."""
    with system.started() as server:
        call_s = float(arguments.call_s)
        until_s = call_s + arguments.measured_s
        arrivals = Arrivals(rate_per_s=arguments.calls / call_s, from_s=0.0, until_s=until_s)
        plan = asked.draw(call_s, repetition=repetition).at_random([arrivals])
        played = asked.play(server.address, plan)
        step = Step(
            name=f"{arguments.calls} calls",
            played=played,
            from_s=call_s,
            until_s=until_s,
            budget_s=BUDGET_S,
        )
        return {**summary(step), "load_average": load_average()}


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("models", type=Path)
    parser.add_argument("output", type=Path)
    parser.add_argument("--directory", type=Path, required=True, help="for the server's list")
    parser.add_argument("--calls", type=int, default=200)
    parser.add_argument("--call-s", type=int, default=90)
    parser.add_argument("--measured-s", type=int, default=30)
    parser.add_argument("--listed", type=int, default=10_000)
    parser.add_argument("--repetitions", type=int, default=5)
    parser.add_argument("--seed", type=int, default=1)
    arguments = parser.parse_args()
    system = Shengdun(
        name="shengdun",
        models=arguments.models,
        model=MODEL,
        listed=arguments.listed,
        directory=arguments.directory / MODEL,
    )
    found = []
    with stage(arguments.models, seed=arguments.seed) as asked:
        for repetition in range(arguments.repetitions):
            one = measured(system, asked, arguments, repetition)
            found.append(one)
            latency = one["latency_ms"].get("complete", {})
            told = (one["passed"], latency.get("p99"), one["decisions"]["in_time_share"])
            print(*told, one["server"], one["calls"]["most_live"], flush=True)
    given = {name: value for name, value in vars(arguments).items() if isinstance(value, int)}
    in_time = [one["decisions"]["in_time_share"] or 0.0 for one in found]
    write(
        arguments.output,
        {
            "configuration": given,
            "budget_ms": 1000 * BUDGET_S,
            "in_time_share": summed_up(in_time),
            "repetitions": found,
        },
    )


if __name__ == "__main__":
    main()
