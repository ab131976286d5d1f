"""Calls screened within the budget: the product beside what a user would write today, all in turns.

    python -m benchmarks.serving.throughput MODELS OUTPUT --directory DIR --speechbrain PYTHON --hub DIRECTORY
      --sherpa PYTHON --sherpa-model MODEL.onnx

Every repetition starts each system anew. First all get the same few calls, which none of them has trouble with, and
the processor time of the server for each call is taken: a neighbour on the machine hardly changes that. Then each
climbs a ladder of rates (``ladder``), drawn from the same seed. Calls last ``--call-s``, in chunks of 100 ms from the
same recordings. The 7 s that they last by default are too short for anyone to be settled and rest, and for the
product's further voiceprint of what is left at a call's end, so all make two voiceprints a call. In longer calls peers
make one of every 3 s of speech, and the product until nothing that follows could change its decision. The client and
the system share the cores. Lists have 10,000 random voiceprints. A load is told in calls, since the product also
answers the end of each.

``MODELS`` has the converted ECAPA beside the default model; ``hub`` is what ``random_ecapa`` wrote and it was
converted from; ``sherpa-model`` is what ``sherpa_model`` wrote. A system that isn't given is left out.
"""

import argparse
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any, Final

from benchmarks.serving.calls import together
from benchmarks.serving.ladder import Ladder, Rung, highest
from benchmarks.serving.playing import Stage, stage
from benchmarks.serving.processes import Running
from benchmarks.serving.results import load_average, summed_up, write
from benchmarks.serving.systems import Peer, Shengdun, System

OURS: Final = "shengdun"
OUR_ECAPA: Final = "shengdun, ECAPA"
SPEECHBRAIN: Final = "SpeechBrain and faiss"
SHERPA: Final = "sherpa-onnx and faiss"
STEADY_CALLS: Final = 16
STEADY_WITHIN_S: Final = 6.0
COMPARED: Final = ((OURS, SPEECHBRAIN), (OUR_ECAPA, SPEECHBRAIN), (OURS, SHERPA))


def climb(system: System, ladder: Ladder, asked: Stage, repetition: int) -> dict[str, Any]:
    """One system, started anew, up to where it falls."""
    with system.started() as server:
        _warm(server, asked)
        cpu_ms_per_call = 1000 * _cpu_s_per_call(server, ladder, asked, repetition)
        plan = ladder.plan(asked.draw(ladder.call_s, repetition=repetition))
        before_s = server.cpu_s()
        played = asked.play(server.address, plan, ladder.has_fallen)
        rungs: list[Rung] = ladder.rungs_of(played.tally)
        found = {
            "system": system.name,
            **asdict(highest(rungs)),
            "cpu_ms_per_call": cpu_ms_per_call,
            "cores_while_climbing": (server.cpu_s() - before_s) / max(played.lasted_s, 1.0),
            "client_cpu_shares": played.cpu_shares,
            "memory_mb": server.memory_bytes() / 1e6,
            "plan_id": plan.plan_id,
            "failed": dict(played.tally.examples),
            "load_average": load_average(),
            "rungs": [{**asdict(rung), "is_held": rung.is_held} for rung in rungs],
        }
        told = ("system", "calls_per_s", "cpu_ms_per_call", "reached_top")
        held = "".join("+" if rung.is_held else "-" for rung in rungs)
        print({name: found[name] for name in told}, held, flush=True)
        return found


def _warm(server: Running, asked: Stage) -> None:
    asked.play(server.address, asked.draw(6.0, repetition=-1).one_by_one(1))


def _cpu_s_per_call(server: Running, ladder: Ladder, asked: Stage, repetition: int) -> float:
    plan = asked.draw(ladder.call_s, repetition=repetition).one_by_one(STEADY_CALLS)
    before_s = server.cpu_s()
    played = asked.play(server.address, together(plan, within_s=STEADY_WITHIN_S))
    if played.tally.failures:
        raise RuntimeError(f"calls failed: {played.tally.examples}")
    return (server.cpu_s() - before_s) / STEADY_CALLS


def systems(arguments: argparse.Namespace) -> list[tuple[System, float]]:
    """What can be measured here, and at which rate each begins to climb."""

    def ours(name: str, model: str) -> System:
        return Shengdun(
            name=name,
            models=arguments.models,
            model=model,
            listed=arguments.listed,
            directory=arguments.directory / model,
        )

    def peer(name: str, voice: str, python: Path, model: Path) -> System:
        return Peer(name=name, python=python, voice=voice, model=model, listed=arguments.listed)

    found = [(ours(OURS, "campplus-zh-en"), arguments.ours_from)]
    if arguments.speechbrain:
        found += [
            (ours(OUR_ECAPA, "ecapa-voxceleb"), arguments.ecapa_from),
            (
                peer(SPEECHBRAIN, "speechbrain", arguments.speechbrain, arguments.hub),
                arguments.speechbrain_from,
            ),
        ]
    if arguments.sherpa:
        sherpa = peer(SHERPA, "sherpa-onnx", arguments.sherpa, arguments.sherpa_model)
        found.append((sherpa, arguments.sherpa_from))
    return found


def ratios(climbs: Sequence[Sequence[dict[str, Any]]]) -> dict[str, Any]:
    """Of every pair that was measured, within each repetition: calls a second, and calls for a second of a core."""
    found = {}
    for ours, peer in COMPARED:
        pairs = [
            (by_name[ours], by_name[peer])
            for one in climbs
            for by_name in [{each["system"]: each for each in one}]
            if ours in by_name and peer in by_name
        ]
        held = [
            mine["calls_per_s"] / theirs["calls_per_s"]
            for mine, theirs in pairs
            if theirs["calls_per_s"]
        ]
        if pairs:
            found[f"{ours} / {peer}"] = {
                "calls_per_s": summed_up(held) if held else None,
                "calls_for_a_core": summed_up(
                    [theirs["cpu_ms_per_call"] / mine["cpu_ms_per_call"] for mine, theirs in pairs]
                ),
            }
    return found


def parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("models", type=Path)
    parser.add_argument("output", type=Path)
    parser.add_argument("--directory", type=Path, required=True, help="for the servers' lists")
    parser.add_argument("--speechbrain", type=Path, help="an interpreter with SpeechBrain")
    parser.add_argument("--hub", type=Path, help="its model")
    parser.add_argument("--sherpa", type=Path, help="an interpreter with sherpa-onnx")
    parser.add_argument("--sherpa-model", type=Path, help="its model")
    parser.add_argument("--listed", type=int, default=10_000)
    parser.add_argument("--repetitions", type=int, default=5)
    parser.add_argument("--call-s", type=int, default=7)
    parser.add_argument("--rungs", type=int, default=9)
    parser.add_argument("--rung-s", type=int, default=3)
    parser.add_argument("--factor", type=float, default=1.2)
    parser.add_argument("--seed", type=int, default=1)
    for name, rate in (("ours", 4.0), ("ecapa", 1.5), ("speechbrain", 1.0), ("sherpa", 4.0)):
        parser.add_argument(f"--{name}-from", type=float, default=rate, help="calls/s, first rung")
    return parser.parse_args()


def main() -> None:
    arguments = parse()
    climbs: list[list[dict[str, Any]]] = []
    measured = systems(arguments)
    configured = {
        name: value for name, value in vars(arguments).items() if isinstance(value, int | float)
    }
    with stage(arguments.models, seed=arguments.seed) as asked:
        for repetition in range(arguments.repetitions):
            # Turned round every time, so that nobody is always the first.
            turns = measured if repetition % 2 == 0 else measured[::-1]
            climbs.append(
                [
                    climb(system, _ladder(arguments, lowest), asked, repetition)
                    for system, lowest in turns
                ]
            )
            # After each, so that a run that is stopped keeps what it has.
            result = {"ratios": ratios(climbs), "repetitions": climbs}
            write(arguments.output, {"configuration": configured, **result})


def _ladder(arguments: argparse.Namespace, lowest_per_s: float) -> Ladder:
    return Ladder(
        lowest_per_s=lowest_per_s,
        factor=arguments.factor,
        rungs=arguments.rungs,
        rung_s=arguments.rung_s,
        call_s=arguments.call_s,
    )


if __name__ == "__main__":
    main()
