"""The product's own entry: levels are applied to what it said once, in as many processes as are wanted."""

from itertools import pairwise

import pytest
from benchmarks.unknown.calibrating import Fitted, fit
from benchmarks.unknown.candidates import of_product
from benchmarks.unknown.contest import FOR_FINDING, HINDSIGHT, Family
from benchmarks.unknown.figures import judge
from benchmarks.unknown.hearing import Voice
from benchmarks.unknown.ours import LEVELS, Level, Ours, Product
from benchmarks.unknown.tuning import RATES, Rehearsal
from benchmarks.unknown.worlds import Plan, World, make_world

from fixtures.drawn_voices import MODEL_ID
from shengdun.index.voices.policy import VoicePolicy
from shengdun.service.line_settings import RepeatVoiceSettings


@pytest.fixture(scope="module")
def fitted(drawn_voices: list[Voice]) -> Fitted:
    return fit(drawn_voices, model_id=MODEL_ID, seed=1)


@pytest.fixture(scope="module")
def world(drawn_voices: list[Voice]) -> World:
    plan = Plan(agents=(1, 1, 1), families=2)
    return make_world(drawn_voices[:20], model_id=MODEL_ID, plan=plan, name="test", seed=4)


def test_the_level_that_ships_is_that_of_the_settings() -> None:
    """Nothing is told in the tables that users don't get."""
    assert Level.shipped() == Level(told=RepeatVoiceSettings().flag_at, sure=VoicePolicy().sure)


@pytest.mark.parametrize("wrong", [0.1, 1.0])
def test_levels_that_were_not_taken_down_are_refused(wrong: float) -> None:
    """What is said below the lowest level isn't known, and nothing is ever certain."""
    with pytest.raises(ValueError, match="level"):
        Level.both(wrong)


def test_a_surer_level_accuses_no_more(fitted: Fitted, world: World) -> None:
    """Whoever is accused at a level is accused at all below."""
    product = Product()
    accused = [
        judge(world, Ours(product, fitted, Level.both(level)).watch(world.calls)).accused_at >= 0
        for level in LEVELS
    ]
    for lower, higher in pairwise(accused):
        assert not (higher & ~lower).any()


def test_processes_say_the_same(fitted: Fitted, world: World) -> None:
    """Worlds that were taken down ahead are as if they had been taken down when asked for."""
    ahead, now = Product(), Product()
    with ahead.ahead([(fitted, world.calls)], jobs=1):
        there = ahead.take_down(fitted, world.calls)
    here = now.take_down(fitted, world.calls)
    assert (there.groups == here.groups).all()
    assert [each.probability for each in there.said] == [each.probability for each in here.said]
    assert now.take_down(fitted, world.calls) is here


def test_a_family_is_set_by_rehearsals_and_in_hindsight(fitted: Fitted, world: World) -> None:
    """At each rate once by either; without worlds there is no hindsight."""
    levels = list(of_product(Product()))
    rehearsals = [Rehearsal(world=world, fitted=fitted)]
    family = Family.tried("ours", levels, rehearsals=rehearsals, fitted=fitted, worlds=[world])
    assert [each.chosen for each in family.contenders()][-1] == HINDSIGHT
    rows = list(family.at_rates())
    assert [(row.allowed, row.chosen) for row in rows] == [
        (rate, chosen) for rate in RATES for chosen in (FOR_FINDING, HINDSIGHT)
    ]
    for row in rows:
        assert row.figures is None or row.figures.accused.value <= row.allowed
    blind = Family.tried("ours", levels[:1], rehearsals=rehearsals, fitted=fitted, worlds=[])
    assert HINDSIGHT not in [each.chosen for each in blind.contenders()]
    assert not list(blind.at_rates())
