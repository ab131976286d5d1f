"""How every system is set: on speakers of ``FIT`` alone, and all of them by the same rule.

A system's settings are tried on *rehearsals*: worlds of two thirds of the speakers of ``FIT``, with what the other
third fitted, so that no setting is chosen on speakers who are known already. Worlds get the larger share because what
settings must withstand is lookalikes, and these grow faster than the speakers do. Of the settings that accuse
at most ``ALLOWED`` of 10,000 ordinary customers there, the one that finds most agents with five customers or more is
taken; where none accuses so few, the one that accuses fewest. For grouping alone, the one with the best B-cubed F. To
compare systems at one rate of accusations, the same is done for each of ``RATES``.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Final

from benchmarks.unknown.calibrating import Fitted
from benchmarks.unknown.figures import FIVE_OR_MORE, Figures, judge, summed_up
from benchmarks.unknown.hearing import Voice
from benchmarks.unknown.systems import System
from benchmarks.unknown.worlds import Origin, Plan, World, make_world

ALLOWED: Final = 2.0
"""Ordinary customers accused, of 10,000."""
RATES: Final = (0.0, ALLOWED, 10.0, 50.0)
"""Such rates, at which systems are compared."""
_PARTS: Final = 3
_PLAN: Final = Plan(agents=(3, 4, 2), families=6)
"""About two thirds of everything in a world that is evaluated, as far as there are speakers who say so much."""

Candidate = Callable[[Fitted], System]
"""A system with settings, once it is known what was fitted."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Rehearsal:
    """A world to try settings on, and what was fitted on speakers of whom it has none."""

    world: World = field(repr=False)
    fitted: Fitted = field(repr=False)


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Tried:
    """A setting, and what it did on the rehearsals."""

    candidate: Candidate
    settings: str
    figures: Figures


def rehearse(
    voices: Sequence[Voice],
    *,
    model_id: str,
    worlds: int,
    seed: int,
    fitting: Callable[[Sequence[Voice]], Fitted],
) -> list[Rehearsal]:
    """So many worlds without each third of the voices, with what is fitted on that third."""
    rehearsals = []
    for part in range(_PARTS):
        others = [voice for row, voice in enumerate(voices) if row % _PARTS != part]
        third = voices[part::_PARTS]
        fitted = fitting(third)
        for number in range(worlds):
            world = make_world(
                others,
                model_id=model_id,
                plan=_PLAN,
                name=f"rehearsal-{part}-{number}",
                seed=seed + _PARTS * number + part,
            )
            rehearsals.append(Rehearsal(world=world, fitted=fitted))
    return rehearsals


def attempt(candidate: Candidate, rehearsals: Sequence[Rehearsal]) -> Tried:
    """What a setting does on all rehearsals."""
    systems = {id(each.fitted): candidate(each.fitted) for each in rehearsals}
    outcomes = [
        judge(each.world, systems[id(each.fitted)].watch(each.world.calls)) for each in rehearsals
    ]
    settings = next(iter(systems.values())).settings
    # Settings are chosen by figures alone: their intervals would take far longer than all else here.
    figures = summed_up(outcomes, origin=Origin.REAL, resampled=1)
    return Tried(candidate=candidate, settings=settings, figures=figures)


def for_finding(tried: Sequence[Tried], *, allowed: float = ALLOWED) -> Tried:
    """The setting that finds most, of those that accuse no more than is allowed of 10,000 ordinary customers."""
    able = [each for each in tried if each.figures.accused.value <= allowed]
    if able:
        return max(able, key=_finds)
    return min(tried, key=lambda each: each.figures.accused.value)


def for_grouping(tried: Sequence[Tried]) -> Tried:
    """The setting with the best B-cubed F."""
    return max(tried, key=lambda each: each.figures.f.value)


def _finds(tried: Tried) -> tuple[float, float, float]:
    figures = tried.figures
    return figures.found[FIVE_OR_MORE].value, figures.found["3-4"].value, figures.f.value
