"""Families of systems that differ in their settings alone, and which of these settings stands for a family.

Every setting is tried on the rehearsals and on the evaluated worlds. The rehearsals say which one is compared; what the
evaluated worlds would have said stands beside it as *hindsight*, which flatters whoever it is said of.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Final

from benchmarks.unknown.calibrating import Fitted
from benchmarks.unknown.figures import Figures, Outcome, judge, summed_up
from benchmarks.unknown.report import RateRow, Row
from benchmarks.unknown.tuning import (
    RATES,
    Candidate,
    Rehearsal,
    Tried,
    attempt,
    for_finding,
    for_grouping,
)
from benchmarks.unknown.worlds import Origin, World

FOR_FINDING: Final = "fit, finding"
FOR_GROUPING: Final = "fit, grouping"
HINDSIGHT: Final = "hindsight"


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Contender:
    """A system in its settings, and where these come from."""

    candidate: Candidate
    chosen: str


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Family:
    """One system in all of its settings.

    Attributes:
        name: of the system.
        rehearsed: what each setting did on the rehearsals.
        evaluated: what it did on the evaluated worlds; empty where hindsight isn't asked for.
    """

    name: str
    rehearsed: tuple[Tried, ...] = field(repr=False)
    evaluated: tuple[Tried, ...] = field(repr=False)

    @classmethod
    def tried(
        cls,
        name: str,
        settings: Sequence[Candidate],
        *,
        rehearsals: Sequence[Rehearsal],
        fitted: Fitted,
        worlds: Sequence[World],
    ) -> "Family":
        """Try every setting on both; on no worlds for a family of which hindsight isn't asked."""
        evaluated = [Rehearsal(world=world, fitted=fitted) for world in worlds]
        return cls(
            name=name,
            rehearsed=tuple(attempt(each, rehearsals) for each in settings),
            evaluated=tuple(attempt(each, evaluated) for each in settings) if worlds else (),
        )

    def contenders(self) -> list[Contender]:
        """The settings by which the family is compared."""
        chosen = [
            Contender(candidate=for_finding(self.rehearsed).candidate, chosen=FOR_FINDING),
            Contender(candidate=for_grouping(self.rehearsed).candidate, chosen=FOR_GROUPING),
        ]
        if self.evaluated:
            best = for_finding(self.evaluated).candidate
            chosen.append(Contender(candidate=best, chosen=HINDSIGHT))
        return chosen

    def at_rates(self) -> Iterator[RateRow]:
        """What the family does at every rate of accusations that it keeps to, chosen either way."""
        by_candidate = {id(each.candidate): each for each in self.evaluated}
        for allowed in RATES if self.evaluated else ():
            for chosen, tried in ((FOR_FINDING, self.rehearsed), (HINDSIGHT, self.evaluated)):
                best = for_finding(tried, allowed=allowed)
                keeps = best.figures.accused.value <= allowed
                shown = by_candidate[id(best.candidate)]
                yield RateRow(
                    allowed=allowed,
                    system=self.name,
                    settings=shown.settings,
                    chosen=chosen,
                    figures=shown.figures if keeps else None,
                )


def measured(contender: Contender, fitted: Fitted, worlds: Sequence[World]) -> Row:
    """A system over worlds, with intervals."""
    system = contender.candidate(fitted)
    outcomes = [judge(world, system.watch(world.calls)) for world in worlds]
    return Row(
        system=system.name,
        version=system.version,
        settings=system.settings,
        chosen=contender.chosen,
        figures=_by_origin(outcomes),
    )


def _by_origin(outcomes: Sequence[Outcome]) -> dict[Origin, Figures]:
    present = {identity.origin for outcome in outcomes for identity in outcome.identities}
    return {origin: summed_up(outcomes, origin=origin) for origin in Origin if origin in present}
