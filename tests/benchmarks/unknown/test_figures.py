"""Tests of what a system is said to be worth, on a world small enough to work out by hand."""

import json
from pathlib import Path

import numpy as np
import pytest
from benchmarks.unknown.figures import b_cubed, judge, summed_up
from benchmarks.unknown.hearing import Voice
from benchmarks.unknown.report import Row, Suite, write_report
from benchmarks.unknown.systems import Alert, Watched, alerts_of, groups_at_end
from benchmarks.unknown.worlds import Kind, Origin, Plan, World, make_world

from fixtures.drawn_voices import MODEL_ID


@pytest.fixture(scope="module")
def world(drawn_voices: list[Voice]) -> World:
    """A world with agents, families and ordinary customers."""
    plan = Plan(agents=(1, 2, 2), families=3)
    return make_world(drawn_voices, model_id=MODEL_ID, plan=plan, name="test", seed=2)


def test_b_cubed_of_a_known_example() -> None:
    """Two callers of two calls each; one of the second's was put with the first's."""
    precision, recall = b_cubed(np.array([0, 0, 1, 1]), np.array([5, 5, 5, -1]))
    assert precision == pytest.approx([2 / 3, 2 / 3, 1 / 3, 1.0])
    assert recall == pytest.approx([1.0, 1.0, 0.5, 0.5])


def test_a_system_that_knows_everything_is_right(world: World) -> None:
    """All agents found on their third customer's call at the latest, nobody else accused, F of 1."""
    told = np.array([[step, step, caller] for step, caller in enumerate(world.callers.tolist())])
    watched = Watched(
        alerts=alerts_of(told, world.calls),
        groups=groups_at_end(told, len(world.calls)),
        seconds=1.0,
    )
    figures = summed_up([judge(world, watched)], origin=Origin.REAL)
    assert all(f.value == 1.0 for bucket, f in figures.found.items() if figures.agents[bucket])
    assert (figures.ordinary_accused, figures.families_accused) == (0, 0)
    assert figures.f.value == pytest.approx(1.0)
    assert 3.0 <= figures.until_found.value < 6.0
    assert figures.accused.high > 0.0


def test_whoever_is_named_is_accused(world: World) -> None:
    """An alert with everybody's calls finds nobody and accuses all."""
    everyone = Alert(step=len(world.calls) - 1, calls=np.arange(len(world.calls)))
    watched = Watched(alerts=[everyone], groups=np.zeros(len(world.calls), np.int64), seconds=1.0)
    figures = summed_up([judge(world, watched)], origin=Origin.REAL)
    assert figures.ordinary_accused == figures.ordinary
    assert all(f.value == 0.0 for bucket, f in figures.found.items() if figures.agents[bucket])
    assert sum(figures.accused_speakers.values()) == figures.ordinary


def test_calls_that_move_leave_their_group(world: World) -> None:
    """A group that has lost a customer is no alert any more."""
    agent = next(r for r, i in enumerate(world.identities) if i.kind is Kind.AGENT)
    rows = np.flatnonzero(world.callers == agent)
    last = int(rows[-1])
    together = [[last, row, 1] for row in rows]
    apart = [[last + 1, row, 100 + row] for row in rows]
    alerts = list(alerts_of(np.array(together + apart), world.calls))
    assert [alert.step for alert in alerts] == [last]


def test_the_report_can_be_read_by_programs(world: World, tmp_path: Path) -> None:
    """JSON beside the Markdown, also where there is nothing to measure."""
    watched = Watched(alerts=[], groups=-1 - np.arange(len(world.calls)), seconds=1.0)
    figures = summed_up([judge(world, watched)], origin=Origin.REAL)
    row = Row(system="none", version="1", settings="", chosen="", figures={Origin.REAL: figures})
    text = write_report([Suite(title="Worlds", about=(), rows=(row,))], [], tmp_path)
    assert "| none |" in text
    content = json.loads((tmp_path / "report.json").read_text(encoding="utf-8"))
    real = content["suites"][0]["systems"][0]["figures"]["real"]
    assert real["until_found"]["value"] is None
