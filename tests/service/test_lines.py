"""Lines of business and their policies."""

import math

import pytest
from pydantic import ValidationError

from shengdun.service.decision import AdvisoryReason, AppliedLevels, Level, Risk
from shengdun.service.errors import LineUnknown
from shengdun.service.line_settings import LineSettings
from shengdun.service.lines import Line, Lines
from shengdun.service.settings import load_settings
from shengdun.service.standing import Basis, Standing


def _line(**policy: object) -> Line:
    return Line.from_settings("hotline", LineSettings.model_validate(policy))


def test_default_line_exists_without_any_settings() -> None:
    """A server without a settings file serves the line named default, also by its empty name."""
    lines = Lines(load_settings(environment={}).lines)
    assert lines.get("").name == lines.get("default").name == "default"


def test_unknown_line_is_refused_with_the_names_there_are() -> None:
    """The message says which lines exist and how to add one."""
    lines = Lines({"default": LineSettings(), "collections": LineSettings()})
    with pytest.raises(LineUnknown, match=r"collections, default.*\[lines\.sales\]"):
        lines.get("sales")


def test_levels_begin_at_their_thresholds() -> None:
    """A threshold belongs to the level above it."""
    levels = _line(levels={"medium": 0.4, "high": 0.9}).standing.levels
    assert [levels.level_of(p) for p in (0.0, 0.399, 0.4, 0.899, 0.9, 1.0)] == [
        Level.LOW, Level.LOW, Level.MEDIUM, Level.MEDIUM, Level.HIGH, Level.HIGH
    ]  # fmt: skip


def test_each_level_has_its_action() -> None:
    """The recommended action is the line's own word for the level, and for no level."""
    line = _line(actions={"undecided": "wait", "low": "go", "medium": "note", "high": "route"})
    for advisory in (False, True):
        actions = [line.action_at(level, advisory=advisory) for level in (None, *Level)]
        assert actions == ["wait", "go", "note", "route"]


def test_a_line_may_have_another_action_while_it_is_advisory() -> None:
    """It stands for those of MEDIUM and HIGH, and only while the decision is advisory."""
    line = _line(actions={"low": "go", "medium": "note", "high": "route", "advisory": "log"})
    assert [line.action_at(level, advisory=True) for level in Level] == ["go", "log", "log"]
    assert [line.action_at(level, advisory=False) for level in Level] == ["go", "note", "route"]


def test_policy_id_changes_with_the_policy_alone() -> None:
    """The same settings give the same id; any other setting gives another."""
    assert _line().policy_id == _line().policy_id
    assert _line().policy_id != _line(prior=0.02).policy_id


def _risk(probability: float, *, medium: float = 0.5, high: float = 0.95) -> Risk:
    levels = AppliedLevels(medium=medium, high=high)
    return Risk(
        level=levels.level_of(probability),
        probability=probability,
        level_probability=probability,
        levels=levels,
    )


def test_one_window_never_settles_a_call() -> None:
    """A caller is finally flagged from the second window on and finally cleared from the third."""
    line = _line()
    flagged, cleared = _risk(0.9999), _risk(0.00001)
    assert not line.is_settled(flagged, windows=1, net_speech_s=6.0)
    assert line.is_settled(flagged, windows=2, net_speech_s=6.0)
    assert not line.is_settled(cleared, windows=2, net_speech_s=6.0)
    assert line.is_settled(cleared, windows=3, net_speech_s=6.0)


def test_enough_speech_settles_a_call() -> None:
    """After the line's net speech the decision is final, whatever it is."""
    line = _line(final_after_s=9)
    assert line.is_settled(_risk(0.5), windows=3, net_speech_s=9.0)
    assert not line.is_settled(_risk(0.5), windows=3, net_speech_s=8.9)


def test_a_call_never_rests_in_contradiction_to_derived_levels() -> None:
    """It isn't finally flagged below HIGH, nor finally cleared near or above MEDIUM."""
    line = _line()
    assert not line.is_settled(_risk(0.996, high=0.999), windows=5, net_speech_s=15.0)
    near = _risk(0.0004, medium=0.0005, high=0.01)
    assert not line.is_settled(near, windows=5, net_speech_s=15.0)
    assert line.is_settled(_risk(1e-7, medium=0.0005, high=0.01), windows=5, net_speech_s=15.0)


def test_costs_give_the_level_at_which_flagging_is_cheaper() -> None:
    """MEDIUM is Bayes' threshold, HIGH at ten times its odds."""
    levels = _line(costs={"false_flag": 3.0, "missed_agent": 1.0}).standing.levels
    assert levels.medium == pytest.approx(0.75)
    assert levels.high == pytest.approx(30 / 31)


def test_before_levels_are_derived_the_stricter_of_fixed_ones_and_costs_apply() -> None:
    """A line with a promise is never flagged more freely than without one while nothing is known."""
    free = {"false_flag": 0.01, "missed_agent": 1.0}
    dear = {"false_flag": 9.0, "missed_agent": 1.0}
    cheap = _line(false_flags_per_10000_calls=10, costs=free).standing.levels
    strict = _line(false_flags_per_10000_calls=10, costs=dear).standing.levels
    assert cheap.medium == pytest.approx(0.5)
    assert cheap.high == pytest.approx(0.95)
    assert strict.medium == pytest.approx(0.9)


@pytest.mark.parametrize("at_high", [1e-4, math.nextafter(1000.0, 0.0)])
def test_levels_are_two_whatever_is_promised_at_high(at_high: float) -> None:
    """A promise at HIGH next to that at MEDIUM, or far from it, beside the most one-sided costs there can be."""
    for costs in ({"false_flag": 1e6, "missed_agent": 1}, {"false_flag": 1, "missed_agent": 1e6}):
        levels = _line(
            false_flags_per_10000_calls=1000,
            false_flags_at_high_per_10000_calls=at_high,
            costs=costs,
        ).standing.levels
        assert 0.0 < levels.medium < levels.high < 1.0


@pytest.mark.parametrize(
    ("policy", "message"),
    [
        ({"false_flags_per_10000_calls": 0}, "greater than or equal to 0.0001"),
        ({"false_flags_per_10000_calls": 1e-320}, "greater than or equal to 0.0001"),
        ({"false_flags_per_10000_calls": float("nan")}, "false_flags_per_10000_calls"),
        (
            {"false_flags_per_10000_calls": 5, "false_flags_at_high_per_10000_calls": 1e-300},
            "greater than or equal to 0.0001",
        ),
        ({"false_flags_per_10000_calls": 2000}, "less than or equal to 1000"),
        ({"false_flags_at_high_per_10000_calls": 1}, "needs it"),
        (
            {"false_flags_per_10000_calls": 5, "false_flags_at_high_per_10000_calls": 5},
            "must be below",
        ),
        ({"false_flags_per_10000_calls": 5, "levels": {"medium": 0.4}}, "take out either"),
        ({"costs": {"false_flag": 1, "missed_agent": 1}, "levels": {"high": 0.9}}, "take out"),
        ({"costs": {"false_flag": 1e9, "missed_agent": 1}}, "factor of a million"),
    ],
)
def test_settings_that_contradict_each_other_are_refused(
    policy: dict[str, object], message: str
) -> None:
    """The message says which, and what to take out."""
    with pytest.raises(ValidationError, match=message):
        _line(**policy)


def test_levels_for_other_lists_are_not_applied() -> None:
    """Derived levels hold for the lists and the profile that they were derived for, not for far longer ones."""
    line = _line(false_flags_per_10000_calls=10)
    fixed = line.standing.levels
    line.standing = Standing(
        levels=AppliedLevels(medium=0.2, high=0.4),
        basis=Basis(profile_id="site@1", sizes={"agents": 20}),
    )
    for size in (1, 20, 29):
        assert line.standing_for({"site@1"}, {"agents": size}) is line.standing
    assert line.reasons_before_any("site@1") == ()
    assert line.reasons_before_any("default@1") == (AdvisoryReason.PROMISE_NOT_KEPT,)
    for profile, lists in (
        ("site@2", {"agents": 20}),
        ("site@1", {"agents": 20, "new": 1}),
        ("site@1", {"agents": 30}),
    ):
        standing = line.standing_for({profile}, lists)
        assert (standing.levels, standing.reasons) == (fixed, (AdvisoryReason.PROMISE_NOT_KEPT,))
