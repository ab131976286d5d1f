"""Set the finding of agents nobody has enrolled beside other systems, on the same calls and in one run.

    python -m benchmarks.unknown.run CORPUS MODELS OUTPUT --peers PYTHON [--same-speaker NAME=OTHER ...] [--worlds N]
        [--rehearsals N] [--windows N] [--window-calls N ...] [--made N] [--told P] [--sure P] [--shipped]
        [--line NAME] [--seed N] [--draw N] [--jobs N]

``CORPUS`` is a corpus as ``shengdun evaluate`` reads it; where it has ``noise_and_rooms`` beside it, its noises are
used. ``OUTPUT`` gets ``report.md`` and ``report.json``, and keeps what was heard. ``PYTHON`` is an interpreter with the
peers (``requirements/unknown-peers.lock``). The product is as sure as it comes, unless ``--told`` (``flag_at`` of a
line) or ``--sure`` says otherwise. With ``--shipped`` it has the profile and the spread of the package and not those
that speakers of the corpus fit; and with ``--line`` the callers of a world are then all speakers of one corpus that
nothing of the package has met, as a bank's are of one country and its telephones. Decision note 0034 says how the
simulation is made.
"""

import argparse
import contextlib
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import Final

from benchmarks.other_interpreter import PeerUnavailable
from benchmarks.unknown.calibrating import SHIPPED_WORTH, Fitted, calls_of, fit
from benchmarks.unknown.candidates import PROJECTED, RAW, candidates, of_product, product_at
from benchmarks.unknown.contest import FOR_GROUPING, Contender, Family, measured
from benchmarks.unknown.default_spread import open_corpora
from benchmarks.unknown.hearing import SPEEDS, Listener, Voice
from benchmarks.unknown.ours import Level, Product
from benchmarks.unknown.peers import PeerName, PeerProcess
from benchmarks.unknown.people import OF_AGE, Person, Side, council_people, read_people
from benchmarks.unknown.report import Row, Suite, write_report
from benchmarks.unknown.shipping import as_shipped, fitting_as_shipped
from benchmarks.unknown.tuning import ALLOWED, Rehearsal, rehearse
from benchmarks.unknown.voices import Crowd
from benchmarks.unknown.worlds import Kind, Origin, Plan, World, make_window, make_world

from shengdun.fingerprint.voice.acoustics import Acoustics
from shengdun.fingerprint.voice.model_store import ModelStore
from shengdun.index.accuracy.corpus import CorpusInvalid

DOUBTFUL: Final = frozenset({"hyke_ivr/M_1298701752"})
"""Speakers whom two models take for another one (``benchmarks/calibration/trials.py``). They take no part: called one
person they would flatter, called two they would accuse."""
AS_IT_COMES: Final = "as it comes"
_CHANNELS: Final = 8
_MADE_CHANNELS: Final = 4
_TAPE_S: Final = 400.0
_MADE_TAPE_S: Final = 20.0
_LINE_PLAN: Final = Plan(agents=(2, 2, 2), families=2)


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


def main() -> None:
    try:
        with contextlib.ExitStack() as stack:
            _run(_arguments(), stack)
    except (CorpusInvalid, PeerUnavailable) as error:
        raise SystemExit(str(error)) from error


def _run(arguments: argparse.Namespace, stack: contextlib.ExitStack) -> None:
    begun_s, at = time.perf_counter(), commit()
    _check_line(arguments)
    material = listen(arguments)
    fitted, rehearsals = _fitted(material, arguments)
    worlds, windows = _worlds(material, arguments), _windows(material, arguments)
    product = Product()
    # Before the peers begin: a process that is begun later holds their pipes open.
    asked = [(fitted, w.calls) for size in windows.values() for w in size]
    asked += [(each.fitted, each.world.calls) for each in rehearsals]
    asked += [(fitted, world.calls) for world in worlds]
    stack.enter_context(product.ahead(asked, jobs=arguments.jobs))
    peers = [stack.enter_context(PeerProcess(arguments.peers, peer)) for peer in PeerName]
    families = _families(product, peers, rehearsals, fitted, worlds)
    contenders = [
        Contender(candidate=product_at(product, _level(arguments)), chosen=AS_IT_COMES),
        *(contender for family in families for contender in family.contenders()),
    ]
    suites: list[Suite] = []
    text = ""
    for suite in _suites(families, contenders, fitted, worlds, windows):
        # After each, as a large window takes as long as all that came before.
        suites.append(suite)
        about = described(material, arguments, at, time.perf_counter() - begun_s)
        text = write_report(suites, about, arguments.output)
    print(text)


def _check_line(arguments: argparse.Namespace) -> None:
    if arguments.line is None:
        return
    if not arguments.shipped or arguments.windows:
        raise SystemExit("--line is for worlds of what ships: add --shipped --windows 0")
    if arguments.line in open_corpora(arguments.corpus):
        raise SystemExit(
            f"what ships was fitted on {arguments.line}: --line wants a corpus without an open licence"
        )
    known = {person.corpus for person in read_people(arguments.corpus)}
    if arguments.line not in known:
        raise SystemExit(
            f"{arguments.corpus} has no {arguments.line}: --line wants one of {', '.join(sorted(known))}"
        )


def _fitted(material: Material, arguments: argparse.Namespace) -> tuple[Fitted, list[Rehearsal]]:
    """What is asked on the evaluated speakers, and rehearsals of it."""
    model_id, seed = material.model_id, arguments.seed
    rehearsing = [voice for voice in material.fit if voice.person.corpus != arguments.line]
    if arguments.shipped:
        fitted = as_shipped(model_id)
        fitting = fitting_as_shipped(arguments.corpus, model_id=model_id, seed=seed)
    else:
        fitting = partial(fit, model_id=model_id, seed=seed, worth=SHIPPED_WORTH)
        fitted = fitting(material.fit)
    return fitted, rehearse(
        rehearsing, model_id=model_id, worlds=arguments.rehearsals, seed=seed, fitting=fitting
    )


def _suites(
    families: Sequence[Family],
    contenders: Sequence[Contender],
    fitted: Fitted,
    worlds: Sequence[World],
    windows: Mapping[int, Sequence[World]],
) -> Iterator[Suite]:
    if worlds:
        yield _worlds_suite(families, contenders, fitted, worlds)
    for calls, of_size in windows.items():
        yield _windows_suite(calls, contenders, fitted, of_size)


def _families(
    product: Product,
    peers: Sequence[PeerProcess],
    rehearsals: Sequence[Rehearsal],
    fitted: Fitted,
    worlds: Sequence[World],
) -> list[Family]:
    """All systems in all of their settings; the product last, which is at work meanwhile."""
    families = []
    for peer in peers:
        # HDBSCAN comes nowhere near so few accusations with any setting, so there is nothing to choose in hindsight.
        judged = worlds if peer.peer is PeerName.COMPONENTS else ()
        for kind in (RAW, PROJECTED):
            families.append(
                Family.tried(
                    f"{peer.peer}, {kind}",
                    list(candidates(peer, kind=kind)),
                    rehearsals=rehearsals,
                    fitted=fitted,
                    worlds=judged,
                )
            )
            tell(f"{families[-1].name}: settings tried")
    ours = Family.tried(
        "ours", list(of_product(product)), rehearsals=rehearsals, fitted=fitted, worlds=worlds
    )
    tell("ours: levels tried")
    return [ours, *families]


def _level(arguments: argparse.Namespace) -> Level:
    level = Level.shipped()
    if arguments.told is not None:
        level = replace(level, told=arguments.told)
    return level if arguments.sure is None else replace(level, sure=arguments.sure)


def _told(contender: Contender, fitted: Fitted, worlds: Sequence[World]) -> Row:
    row = measured(contender, fitted, worlds)
    tell(f"{row.system}, {row.chosen}: measured")
    return row


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
        draw=arguments.draw,
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
        made=list(_made(listener, people, SPEEDS[: arguments.made])) if arguments.windows else [],
        noises=acoustics.described,
    )


def _made(listener: Listener, people: Sequence[Person], speeds: Sequence[float]) -> Iterator[Voice]:
    # The council's few speakers have several tapes; their made voices would all be theirs.
    able = [p for p in people if p.side is Side.EVALUATE and len(p.tapes) == 1]
    for speed in speeds:
        yield from listener.hear_all(
            able, speed=speed, channels=_MADE_CHANNELS, at_most_s=_MADE_TAPE_S, progress=tell
        )


def _worlds(material: Material, arguments: argparse.Namespace) -> list[World]:
    """Many worlds of real voices, of which each is one identity of a world."""
    voices, plan = material.evaluate, Plan()
    if arguments.line:
        # Nothing that ships was fitted on either side's.
        everybody = [*material.fit, *material.evaluate]
        voices = [voice for voice in everybody if voice.person.corpus == arguments.line]
        plan = _LINE_PLAN
    return [
        make_world(
            voices,
            model_id=material.model_id,
            plan=plan,
            name=f"world-{number}",
            seed=arguments.seed + number,
        )
        for number in range(arguments.worlds)
    ]


def _windows(material: Material, arguments: argparse.Namespace) -> dict[int, list[World]]:
    """By their number of calls few large windows: real voices among made and drawn ones."""
    if not arguments.windows:
        return {}
    crowd = Crowd(calls_of(material.fit, seed=arguments.seed))
    return {
        calls: [
            make_window(
                material.evaluate,
                material.made,
                crowd,
                model_id=material.model_id,
                plan=Plan(),
                calls=calls,
                name=f"window-{calls}-{number}",
                seed=arguments.seed + number,
            )
            for number in range(arguments.windows)
        ]
        for calls in arguments.window_calls
    }


def _worlds_suite(
    families: Sequence[Family],
    contenders: Sequence[Contender],
    fitted: Fitted,
    worlds: Sequence[World],
) -> Suite:
    return Suite(
        title="Worlds of real voices",
        about=_sentences(worlds),
        rows=tuple(_told(each, fitted, worlds) for each in contenders),
        rates=tuple(row for family in families for row in family.at_rates()),
    )


def _windows_suite(
    calls: int, contenders: Sequence[Contender], fitted: Fitted, windows: Sequence[World]
) -> Suite:
    able = [each for each in contenders if each.chosen != FOR_GROUPING]
    return Suite(
        title=f"Windows of {calls:,} calls: real voices in a crowd",
        about=_sentences(windows),
        rows=tuple(_told(each, fitted, windows) for each in able),
    )


def _sentences(worlds: Sequence[World]) -> tuple[str, ...]:
    calls = [len(world.calls) for world in worlds]
    kinds = Counter((i.origin, i.kind) for world in worlds for i in world.identities)
    real = {i.speaker: i.is_child for w in worlds for i in w.identities if i.origin is Origin.REAL}
    told = ", ".join(
        f"{kinds[origin, kind]} {kind} ({origin})"
        for origin in Origin
        for kind in Kind
        if kinds[origin, kind]
    )
    return (
        f"{len(worlds)} of them, {min(calls)} to {max(calls)} calls each, {sum(calls)} in all.",
        f"{len(real)} real speakers, {sum(real.values())} of them children.",
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
        "calls themselves, which flatters whoever it is said of. Intervals are 95 %, drawn over speakers. Children are "
        f"speakers whom the corpus says to be under {OF_AGE}."
    )
    callers = f"; all callers are of {arguments.line}" if arguments.line else ""
    return (
        f"Commit {at}, seed {arguments.seed}, draw {arguments.draw}, {seconds / 60:.0f} minutes{callers}.",
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
    parser.add_argument("--worlds", type=int, default=64)
    parser.add_argument("--rehearsals", type=int, default=12)
    parser.add_argument("--windows", type=int, default=1)
    parser.add_argument("--window-calls", type=int, nargs="+", default=[20_000])
    parser.add_argument("--made", type=int, default=len(SPEEDS), help="speeds of made voices")
    parser.add_argument("--told", type=float, metavar="PROBABILITY")
    parser.add_argument("--sure", type=float, metavar="PROBABILITY")
    parser.add_argument("--shipped", action="store_true", help="the package's profile and spread")
    parser.add_argument(
        "--line", metavar="NAME", help="of a corpus, whose speakers are all callers"
    )
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--draw", type=int, default=0, help="of noises and losses")
    parser.add_argument("--jobs", type=int, default=1)
    return parser.parse_args()


if __name__ == "__main__":
    main()
