"""Set the finding of agents nobody has enrolled beside other systems, on the same calls and in one run.

    python -m benchmarks.unknown.run CORPUS MODELS OUTPUT --peers PYTHON [--same-speaker NAME=OTHER ...] [--worlds N]
        [--rehearsals N] [--windows N] [--window-calls N] [--seed N] [--jobs N]

``CORPUS`` is a corpus as ``shengdun evaluate`` reads it; where it has ``noise_and_rooms`` beside it, its noises are
used. ``OUTPUT`` gets ``report.md`` and ``report.json``, and keeps what was heard. ``PYTHON`` is an interpreter with the
peers (``requirements/unknown-peers.lock``). Decision note 0034 says how the simulation is made.
"""

import argparse
import contextlib
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from benchmarks.other_interpreter import PeerUnavailable
from benchmarks.unknown.calibrating import Fitted, calls_of, fit
from benchmarks.unknown.candidates import PROJECTED, RAW, candidates
from benchmarks.unknown.figures import Figures, Outcome, judge, summed_up
from benchmarks.unknown.hearing import SPEEDS, Listener, Voice
from benchmarks.unknown.ours import as_it_comes
from benchmarks.unknown.peers import PeerName, PeerProcess
from benchmarks.unknown.people import Person, Side, council_people, read_people
from benchmarks.unknown.report import Row, Suite, write_report
from benchmarks.unknown.systems import System
from benchmarks.unknown.tuning import (
    ALLOWED,
    Candidate,
    Rehearsal,
    Tried,
    attempt,
    for_finding,
    for_grouping,
    rehearse,
)
from benchmarks.unknown.voices import Crowd
from benchmarks.unknown.worlds import Kind, Origin, Plan, World, make_window, make_world

from shengdun.fingerprint.voice.acoustics import Acoustics
from shengdun.fingerprint.voice.model_store import ModelStore
from shengdun.index.accuracy.corpus import CorpusInvalid

DOUBTFUL: Final = frozenset({"hyke_ivr/M_1298701752"})
"""Speakers whom two models take for another one (``benchmarks/calibration/trials.py``). They take no part: called one
person they would flatter, called two they would accuse."""
FOR_FINDING: Final = "fit, finding"
FOR_GROUPING: Final = "fit, grouping"
_CHANNELS: Final = 8
_MADE_CHANNELS: Final = 4
_TAPE_S: Final = 400.0
_MADE_TAPE_S: Final = 20.0


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Material:
    """All voices.

    Attributes:
        model_id: that heard them.
        fit: to fit on.
        evaluate: to evaluate on.
        made: voices made of the latter.
        noises: where noise came from.
    """

    model_id: str
    fit: list[Voice] = field(repr=False)
    evaluate: list[Voice] = field(repr=False)
    made: list[Voice] = field(repr=False)
    noises: str


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Contender:
    """A system in its settings, and where these come from."""

    candidate: Candidate
    chosen: str


def main() -> None:
    try:
        with contextlib.ExitStack() as stack:
            _run(_arguments(), stack)
    except (CorpusInvalid, PeerUnavailable) as error:
        raise SystemExit(str(error)) from error


def _run(arguments: argparse.Namespace, stack: contextlib.ExitStack) -> None:
    begun_s, at = time.perf_counter(), commit()
    material = listen(arguments)
    peers = [stack.enter_context(PeerProcess(arguments.peers, peer)) for peer in PeerName]
    fitted = fit(material.fit, model_id=material.model_id, seed=arguments.seed)
    rehearsals = rehearse(
        material.fit, model_id=material.model_id, worlds=arguments.rehearsals, seed=arguments.seed
    )
    contenders = [Contender(candidate=as_it_comes, chosen="as it comes")]
    tried: list[Candidate] = []
    for peer in peers:
        for kind in (RAW, PROJECTED):
            settings = list(candidates(peer, kind=kind))
            contenders += _chosen(settings, rehearsals)
            # HDBSCAN comes nowhere near so few accusations with any setting.
            tried += settings if peer.peer is PeerName.COMPONENTS else []
            tell(f"{peer.peer}, {kind}: settings chosen")
    suites = [worlds_suite(material, fitted, contenders, tried, arguments)]
    if arguments.windows:
        suites.append(windows_suite(material, fitted, contenders, arguments))
    about = described(material, arguments, at, time.perf_counter() - begun_s)
    print(write_report(suites, about, arguments.output))


def listen(arguments: argparse.Namespace) -> Material:
    """Everybody in every channel, from what is kept where possible."""
    store = ModelStore(arguments.models)
    beside = arguments.corpus / "noise_and_rooms"
    acoustics = Acoustics.recorded(beside) if beside.is_dir() else Acoustics.made()
    model = store.voice_model()
    listener = Listener(
        model=model,
        activity=store.voice_activity(),
        acoustics=acoustics,
        cache=arguments.output / "voices",
        jobs=arguments.jobs,
    )
    people = read_people(arguments.corpus, same_speaker=arguments.same_speaker)
    people += council_people(store.demo_recordings(), arguments.output / "council")
    people = [person for person in people if person.name not in DOUBTFUL]
    heard = listener.hear_all(people, channels=_CHANNELS, at_most_s=_TAPE_S, progress=tell)
    return Material(
        model_id=model.model_id,
        fit=[voice for voice in heard if voice.person.side is Side.FIT],
        evaluate=[voice for voice in heard if voice.person.side is Side.EVALUATE],
        made=list(_made(listener, people)) if arguments.windows else [],
        noises=acoustics.described,
    )


def _made(listener: Listener, people: Sequence[Person]) -> Iterator[Voice]:
    # The council's few speakers have several tapes; their made voices would all be theirs.
    able = [p for p in people if p.side is Side.EVALUATE and len(p.tapes) == 1]
    for speed in SPEEDS:
        yield from listener.hear_all(
            able, speed=speed, channels=_MADE_CHANNELS, at_most_s=_MADE_TAPE_S, progress=tell
        )


def _chosen(settings: Sequence[Candidate], rehearsals: Sequence[Rehearsal]) -> list[Contender]:
    tried = [attempt(each, rehearsals) for each in settings]
    return [
        Contender(candidate=choice.candidate, chosen=chosen)
        for choice, chosen in (
            (for_finding(tried), FOR_FINDING),
            (for_grouping(tried), FOR_GROUPING),
        )
    ]


def worlds_suite(
    material: Material,
    fitted: Fitted,
    contenders: Sequence[Contender],
    tried: Sequence[Candidate],
    arguments: argparse.Namespace,
) -> Suite:
    """Many worlds of real voices, of which each is one identity of a world."""
    worlds = [
        make_world(
            material.evaluate,
            model_id=material.model_id,
            plan=Plan(),
            name=f"world-{number}",
            seed=arguments.seed + number,
        )
        for number in range(arguments.worlds)
    ]
    rows = [_measured(each, fitted, worlds) for each in contenders]
    rows += _in_hindsight(tried, fitted, worlds)
    return Suite(title="Worlds of real voices", about=_sentences(worlds), rows=tuple(rows))


def windows_suite(
    material: Material,
    fitted: Fitted,
    contenders: Sequence[Contender],
    arguments: argparse.Namespace,
) -> Suite:
    """Few large windows: real voices among made and drawn ones."""
    crowd = Crowd(calls_of(material.fit, seed=arguments.seed))
    windows = [
        make_window(
            material.evaluate,
            material.made,
            crowd,
            model_id=material.model_id,
            plan=Plan(),
            calls=arguments.window_calls,
            name=f"window-{number}",
            seed=arguments.seed + number,
        )
        for number in range(arguments.windows)
    ]
    rows = [_measured(each, fitted, windows) for each in contenders if each.chosen != FOR_GROUPING]
    return Suite(
        title="Large windows: real voices in a crowd", about=_sentences(windows), rows=tuple(rows)
    )


def _measured(contender: Contender, fitted: Fitted, worlds: Sequence[World]) -> Row:
    system = contender.candidate(fitted)
    outcomes = _outcomes(system, worlds)
    tell(f"{system.name}, {contender.chosen}: {sum(each.seconds for each in outcomes):.0f} s")
    return Row(
        system=system.name,
        version=system.version,
        settings=system.settings,
        chosen=contender.chosen,
        figures=_by_origin(outcomes),
    )


def _in_hindsight(
    tried: Sequence[Candidate], fitted: Fitted, worlds: Sequence[World]
) -> Iterator[Row]:
    """For each peer the setting that would have been best on the very calls that it's judged by."""
    by_peer: dict[str, list[Tried]] = {}
    for candidate in tried:
        system = candidate(fitted)
        outcomes = _outcomes(system, worlds)
        figures = summed_up(outcomes, origin=Origin.REAL)
        by_peer.setdefault(system.name, []).append(
            Tried(candidate=candidate, settings=system.settings, figures=figures)
        )
    for own in by_peer.values():
        best = for_finding(own)
        yield _measured(Contender(candidate=best.candidate, chosen="hindsight"), fitted, worlds)


def _outcomes(system: System, worlds: Sequence[World]) -> list[Outcome]:
    return [judge(world, system.watch(world.calls)) for world in worlds]


def _by_origin(outcomes: Sequence[Outcome]) -> dict[Origin, Figures]:
    present = {identity.origin for outcome in outcomes for identity in outcome.identities}
    return {origin: summed_up(outcomes, origin=origin) for origin in Origin if origin in present}


def _sentences(worlds: Sequence[World]) -> tuple[str, ...]:
    calls = [len(world.calls) for world in worlds]
    kinds = Counter((i.origin, i.kind) for world in worlds for i in world.identities)
    people = len({i.speaker for w in worlds for i in w.identities if i.origin is Origin.REAL})
    told = ", ".join(
        f"{kinds[origin, kind]} {kind} ({origin})"
        for origin in Origin
        for kind in Kind
        if kinds[origin, kind]
    )
    return (
        f"{len(worlds)} of them, {min(calls)} to {max(calls)} calls each, {sum(calls)} in all, of {people} speakers.",
        f"Identities over all of them: {told}.",
        "Found and accused are shown of real voices.",
    )


def described(
    material: Material, arguments: argparse.Namespace, at: str, seconds: float
) -> tuple[str, ...]:
    """Sentences on what was compared."""
    rule = (
        f'"fit": of the settings that accuse at most {ALLOWED:g} of 10,000 ordinary customers among the speakers to '
        'fit on, the one that finds most agents (or that has the best F); "hindsight": the same rule on the evaluated '
        "calls themselves, which flatters a peer. Intervals are 95 %, drawn over speakers."
    )
    return (
        f"Commit {at}, seed {arguments.seed}, {seconds / 60:.0f} minutes.",
        f"{len(material.fit)} speakers to fit on, {len(material.evaluate)} to evaluate on; noise {material.noises}.",
        rule,
    )


def commit() -> str:
    """The commit of this checkout, "unknown" outside of one."""
    git = ["git", "-C", str(Path(__file__).parent), "rev-parse", "--short", "HEAD"]
    try:
        said = subprocess.run(git, capture_output=True, text=True, check=True)
    except (OSError, subprocess.CalledProcessError):
        return "unknown"
    return said.stdout.strip()


def tell(message: str) -> None:
    """Say how far it is."""
    print(message, file=sys.stderr, flush=True)


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("corpus", type=Path)
    parser.add_argument("models", type=Path)
    parser.add_argument("output", type=Path)
    parser.add_argument("--peers", type=Path, required=True, metavar="PYTHON")
    parser.add_argument("--same-speaker", action="append", default=[], metavar="NAME=OTHER")
    parser.add_argument("--worlds", type=int, default=60)
    parser.add_argument("--rehearsals", type=int, default=40)
    parser.add_argument("--windows", type=int, default=3)
    parser.add_argument("--window-calls", type=int, default=20_000)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--jobs", type=int, default=1)
    return parser.parse_args()


if __name__ == "__main__":
    main()
