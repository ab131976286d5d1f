"""What the commands that hear many recordings share: options, which conditions can be made, and how far they are."""

import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Final

import typer

from shengdun.fingerprint.voice.conditions import Condition, unavailable
from shengdun.fingerprint.voice.errors import ConditionUnavailable
from shengdun.service.cli.output import note

_STEPS: Final = 20
"""How often a stage says how far it is."""

Cache = Annotated[
    Path | None,
    typer.Option(
        "--cache",
        metavar="DIR",
        help="Keep voiceprints here, so that a run can be stopped and taken up again. They are personal biometric "
        "data and written unprotected.",
    ),
]
Conditions = Annotated[
    list[Condition] | None,
    typer.Option(
        "--condition", help="A telephone condition; may be repeated. All, if none is given."
    ),
]
Jobs = Annotated[
    int | None, typer.Option("--jobs", min=1, help="Recordings at once; else all processors.")
]
NetSpeech = Annotated[
    list[float] | None,
    typer.Option("--seconds", min=1.0, max=600.0, help="Net speech of the calls; may be repeated."),
]
NoiseAndRooms = Annotated[
    Path | None,
    typer.Option(
        "--noise-and-rooms",
        metavar="DIR",
        help="Recordings in noise/ and rir/ to put calls into; else they are made.",
    ),
]
Only = Annotated[
    list[str] | None,
    typer.Option("--only", metavar="NAME", help="A corpus of the manifest; may be repeated."),
]
SameSpeaker = Annotated[
    list[str] | None,
    typer.Option(
        "--same-speaker",
        metavar="NAME=OTHER",
        help="Two names of one person, each as CORPUS/SPEAKER of the manifest; may be repeated.",
    ),
]
Replicates = Annotated[int, typer.Option("--replicates", min=1, help="Of the bootstrap.")]
Seed = Annotated[int, typer.Option("--seed", min=0, help="Of everything that is drawn.")]


def available(asked: Sequence[Condition]) -> tuple[Condition, ...]:
    """The conditions that were asked for, once each; says which of them can't be made.

    Raises:
        ConditionUnavailable: none of them can be made.
    """
    conditions = tuple(dict.fromkeys(asked))
    lacking = {each: lack for each, lack in unavailable().items() if each in conditions}
    if len(lacking) == len(conditions):
        names = ", ".join(f"{each.value} ({lack})" for each, lack in lacking.items())
        raise ConditionUnavailable(f"None of the conditions can be made: {names}. Choose others.")
    for each, lack in lacking.items():
        note(f"warning: {each.value} is left out: {lack}")
    return conditions


def tell(stage: str, done: int, of: int) -> None:
    """Tell how far a stage is: on one line of a terminal, else a few times."""
    if sys.stderr.isatty():
        ending = "\n" if done == of else ""
        print(f"\r{stage}: {done} of {of}\033[K", end=ending, file=sys.stderr, flush=True)
    elif done == of or done % max(of // _STEPS, 1) == 0:
        note(f"{stage}: {done} of {of}")
