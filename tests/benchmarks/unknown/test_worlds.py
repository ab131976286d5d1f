"""Tests of worlds: who calls, for whom, and that nobody says anything twice."""

from collections import defaultdict
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from benchmarks.unknown.hearing import Voice
from benchmarks.unknown.people import OF_AGE, Side, ages_in, side_of
from benchmarks.unknown.speaking import say
from benchmarks.unknown.worlds import Kind, Plan, World, make_world
from hypothesis import given
from hypothesis import strategies as st

from fixtures.drawn_voices import MODEL_ID, WINDOW_S, drawn_voice

PLAN = Plan(agents=(1, 2, 2), families=3)


@pytest.fixture(scope="module")
def world(drawn_voices: list[Voice]) -> World:
    """A world of all drawn voices."""
    return make_world(drawn_voices, model_id=MODEL_ID, plan=PLAN, name="test", seed=1)


def test_every_voice_is_one_identity(world: World, drawn_voices: list[Voice]) -> None:
    """No voice has two parts, and none is left out."""
    assert sorted(i.voice for i in world.identities) == sorted(v.name for v in drawn_voices)


def test_identities_call_for_as_many_customers_as_they_are_said_to(world: World) -> None:
    """Ordinary customers for one, family members for two, agents for three to forty."""
    customers = defaultdict(set)
    for call, caller in zip(world.calls, world.callers.tolist(), strict=True):
        customers[caller].add(call.customer)
    for row, identity in enumerate(world.identities):
        assert len(customers[row]) == identity.customers
        if identity.kind is Kind.AGENT:
            assert 3 <= identity.customers <= 40
        else:
            assert identity.customers <= (1 if identity.kind is Kind.ORDINARY else 2)


def test_calls_are_in_order_of_time(world: World) -> None:
    """As they would come to the archive."""
    starts = [call.started_at for call in world.calls]
    assert starts == sorted(starts)


def test_the_same_seed_makes_the_same_world(world: World, drawn_voices: list[Voice]) -> None:
    """So that a figure can be made again."""
    again = make_world(drawn_voices, model_id=MODEL_ID, plan=PLAN, name="test", seed=1)
    assert [c.call_id for c in again.calls] == [c.call_id for c in world.calls]
    assert [c.customer for c in again.calls] == [c.customer for c in world.calls]
    assert all(
        np.array_equal(one.voiceprint, other.voiceprint)  # type: ignore[arg-type]
        for one, other in zip(again.calls, world.calls, strict=True)
    )


@given(windows=st.integers(1, 30), calls=st.integers(1, 40), seed=st.integers(0, 2**16))
def test_no_window_is_used_twice(windows: int, calls: int, seed: int) -> None:
    """What the calls of a voice last together is never more than it has to say, and calls are made while it lasts."""
    voice = drawn_voice(7, windows, channels=1)
    said = say(voice, calls, least=1, rng=np.random.default_rng(seed))
    assert sum(call.net_speech_s for call in said) <= windows * WINDOW_S
    assert len(said) == min(calls, windows)
    # Windows are drawn independently, so two calls that shared one would not be as far apart as these are.
    assert len({call.voiceprint.tobytes() for call in said}) == len(said)


def test_sides_are_told_by_name() -> None:
    """A speaker is on one side for ever; the demo's speakers are never fitted on."""
    names = [f"corpus/{number}" for number in range(2000)]
    fitted = [name for name in names if side_of(name) is Side.FIT]
    assert fitted == [name for name in names if side_of(name) is Side.FIT]
    assert 900 < len(fitted) < 1100
    assert all(side_of(f"council/S{number}") is Side.EVALUATE for number in range(1, 10))


def test_ages_are_read_where_a_manifest_notes_them(tmp_path: Path) -> None:
    """In words, among others; a corpus without any is none of children."""
    (tmp_path / "MANIFEST.csv").write_text(
        'corpus,speaker,path,note\nso,a,a.flac,"age 6; a phone"\nso,b,b.flac,average\n',
        encoding="utf-8",
    )
    assert ages_in(tmp_path) == {"so/a": 6}
    assert ages_in(tmp_path / "elsewhere") == {}


def test_children_are_children_in_a_world(drawn_voices: list[Voice]) -> None:
    """Whatever their part in it."""
    voices = [
        replace(voice, person=replace(voice.person, age=OF_AGE - 1 + row % 2))
        for row, voice in enumerate(drawn_voices)
    ]
    world = make_world(voices, model_id=MODEL_ID, plan=PLAN, name="test", seed=1)
    young = {voice.name for voice in voices if voice.person.is_child}
    assert {i.voice for i in world.identities if i.is_child} == young
    assert len(young) == len(voices) // 2
