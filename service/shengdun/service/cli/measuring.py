"""What the commands that measure on a corpus share: which conditions can be made, and how far they are."""

import sys
from collections.abc import Sequence
from typing import Final

from shengdun.fingerprint.voice.conditions import Condition, unavailable
from shengdun.fingerprint.voice.errors import ConditionUnavailable
from shengdun.service.cli.output import note

_STEPS: Final = 20
"""How often a stage says how far it is."""


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
