"""Lines of business and their policies."""

import pytest

from shengdun.service.decision import Level
from shengdun.service.errors import LineUnknown
from shengdun.service.lines import Line, Lines
from shengdun.service.settings import LineSettings, load_settings


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
    line = _line(levels={"medium": 0.4, "high": 0.9})
    assert [line.level_of(p) for p in (0.0, 0.399, 0.4, 0.899, 0.9, 1.0)] == [
        Level.LOW, Level.LOW, Level.MEDIUM, Level.MEDIUM, Level.HIGH, Level.HIGH
    ]  # fmt: skip


def test_each_level_has_its_action() -> None:
    """The recommended action is the line's own word for the level, and for no level."""
    line = _line(actions={"undecided": "wait", "low": "go", "medium": "note", "high": "route"})
    assert [line.action_at(level) for level in (None, *Level)] == ["wait", "go", "note", "route"]


def test_policy_id_changes_with_the_policy_alone() -> None:
    """The same settings give the same id; any other setting gives another."""
    assert _line().policy_id == _line().policy_id
    assert _line().policy_id != _line(prior=0.02).policy_id


def test_one_window_never_settles_a_call() -> None:
    """A caller is finally flagged from the second window on and finally cleared from the third."""
    line = _line()
    flagged = {"probability": 0.9999, "net_speech_s": 6.0}
    cleared = {"probability": 0.00001, "net_speech_s": 6.0}
    assert not line.is_settled(windows=1, **flagged)
    assert line.is_settled(windows=2, **flagged)
    assert not line.is_settled(windows=2, **cleared)
    assert line.is_settled(windows=3, **cleared)


def test_enough_speech_settles_a_call() -> None:
    """After the line's net speech the decision is final, whatever it is."""
    assert _line(final_after_s=9).is_settled(probability=0.5, windows=3, net_speech_s=9.0)
    assert not _line(final_after_s=9).is_settled(probability=0.5, windows=3, net_speech_s=8.9)
