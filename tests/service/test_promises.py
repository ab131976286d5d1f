"""The promise of a line: derived for its lists, followed as they change, and never claimed without grounds."""

import dataclasses
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path

import numpy as np
import pytest
from structlog.testing import capture_logs

from fixtures.calls import WATCHLIST, open_desk, screen, server_settings, speech_of, telephone
from fixtures.site import SPREAD, drawn_strangers, drawn_voices, site_profile
from fixtures.store import MODEL, make_scorer, new_actor, new_watchlist
from shengdun.fingerprint.voice.demo_recordings import DemoRecording
from shengdun.fingerprint.voice.models import VoiceModel
from shengdun.index import calibration
from shengdun.index.drift import LOOK_S, WINDOW_CALLS
from shengdun.index.promise import LevelDerivation, StrangerScores, derive_levels
from shengdun.index.registry import Registry
from shengdun.index.scoring import Scorer, unit_rows
from shengdun.index.watchlists import Template
from shengdun.service import client as wire
from shengdun.service import promises
from shengdun.service.decision import AdvisoryReason, AppliedLevels, Level, Risk
from shengdun.service.line_settings import LineSettings
from shengdun.service.lines import Line, Lines
from shengdun.service.profile_places import profile_keys
from shengdun.service.promises import PromiseKeeper

PROMISE = 50.0
STRANGERS = drawn_strangers(drawn_voices(600, seed=11))
SITE = Scorer(site_profile(STRANGERS))
LOW = Risk(
    level=Level.LOW,
    probability=0.001,
    level_probability=0.001,
    levels=AppliedLevels(medium=0.5, high=0.9),
)
FLAGGED = Risk(
    level=Level.HIGH,
    probability=0.99,
    level_probability=0.99,
    levels=AppliedLevels(medium=0.5, high=0.9),
)


@asynccontextmanager
async def _kept(
    registry: Registry, *, scorer: Scorer = SITE, **policy: object
) -> AsyncIterator[tuple[Line, PromiseKeeper]]:
    """A line with a promise over a registry with this scorer, and its keeper."""
    await registry.use_scorers([scorer])
    settings = LineSettings.model_validate({"false_flags_per_10000_calls": PROMISE} | policy)
    lines = Lines({"default": settings})
    async with PromiseKeeper(lines, registry, MODEL) as keeper:
        yield lines.get(""), keeper


async def _register(registry: Registry, count: int, *, first: int, watchlist: str) -> None:
    for number in range(first, first + count):
        voice = drawn_voices(1, seed=1000 + number)
        template = Template.new(
            unit_rows(voice)[0], model_id=MODEL, net_speech_s=12.0, codec="pcm_mulaw"
        )
        await registry.register_actor(
            new_actor(f"A{number}", watchlist), [template], principal="tester"
        )


async def test_without_a_site_profile_a_line_is_advisory(registry: Registry) -> None:
    """With or without a promise, and with the fixed levels."""
    async with _kept(registry, scorer=make_scorer()) as (line, keeper):
        await keeper.refresh()
        assert _reasons(line) == (AdvisoryReason.NO_SITE_PROFILE,)
        assert line.standing.levels == AppliedLevels(medium=0.5, high=0.95)
        assert keeper.figures(line).derivation_s is None


async def test_a_line_without_a_promise_is_no_hint_on_a_site_profile(registry: Registry) -> None:
    """It promises nothing that could be broken; its own levels apply at once."""
    async with _kept(registry, false_flags_per_10000_calls=None) as (line, _):
        assert _reasons(line) == ()
        assert line.standing.levels == AppliedLevels(medium=0.5, high=0.95)


async def test_levels_follow_the_lists(registry: Registry) -> None:
    """They are derived for the list as it is, anew when it grows, and not applied to another list meanwhile."""
    await _register(registry, 4, first=0, watchlist="agents")
    async with _kept(registry) as (line, keeper):
        assert _reasons(line) == (AdvisoryReason.PROMISE_NOT_KEPT,)
        await keeper.refresh()
        few = line.standing
        assert few.reasons == ()
        assert few.levels.upper is not None
        assert few.levels.upper <= 2 * PROMISE + 0.1
        await keeper.refresh()
        assert line.standing is few
        await _register(registry, 8, first=4, watchlist="agents")
        await keeper.refresh()
        assert line.standing.levels.medium != few.levels.medium
        await registry.create_watchlist(new_watchlist("second"), principal="tester")
        await _register(registry, 2, first=12, watchlist="second")
        unknown = line.standing_for({SITE.profile_id}, {"agents": 12, "second": 2})
        assert unknown.reasons == (AdvisoryReason.PROMISE_NOT_KEPT,)
        assert unknown.levels == AppliedLevels(medium=0.5, high=0.95)
        await keeper.refresh()
        assert line.standing_for({SITE.profile_id}, {"agents": 12, "second": 2}) is line.standing


async def test_a_line_whose_lists_are_empty_flags_nobody(registry: Registry) -> None:
    """No false flag is expected, and the promise is kept."""
    async with _kept(registry) as (line, keeper):
        await keeper.refresh()
        assert _reasons(line) == ()
        assert line.standing.levels.expected == 0.0


async def test_a_promise_that_cannot_be_kept_is_reported_once(registry: Registry) -> None:
    """One warning when it breaks, whatever changes meanwhile, and one note when it is kept again."""
    await _register(registry, 3, first=0, watchlist="agents")
    few = drawn_strangers(drawn_voices(60, seed=12))
    small = Scorer(site_profile(few, name="small"))
    with capture_logs() as logs:
        async with _kept(registry, scorer=small) as (line, keeper):
            await keeper.refresh()
            await _register(registry, 1, first=3, watchlist="agents")
            await keeper.refresh()
            assert _reasons(line) == (AdvisoryReason.PROMISE_NOT_KEPT,)
            assert "100 are needed" in line.standing.why
            await registry.use_scorers([SITE])
            await keeper.refresh()
            assert _reasons(line) == ()
    told = [log["event"] for log in logs if log["event"].startswith("promise")]
    assert told == ["promise not kept", "promise kept again"]
    unwatched = [log for log in logs if log["event"] == "score drift not watched"]
    assert [log["profile"] for log in unwatched] == [small.profile_id]
    assert unwatched[0]["why"].startswith("60 calls of the profile have about 6 s of speech")


async def test_a_line_whose_levels_can_not_be_derived_leaves_the_others_theirs(
    registry: Registry, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It is advisory, for its lists have changed since the levels that it has; it is derived once that works again."""
    settings = LineSettings(false_flags_per_10000_calls=PROMISE)
    lines = Lines({"first": settings, "second": settings})
    await registry.use_scorers([SITE])
    await _register(registry, 1, first=0, watchlist="agents")
    async with PromiseKeeper(lines, registry, MODEL) as keeper:
        await keeper.refresh()
        assert [_reasons(line) for line in lines] == [(), ()]
        await _register(registry, 1, first=1, watchlist="agents")
        calls: list[float] = []

        def fail_first(scores: StrangerScores, **given: float) -> LevelDerivation:
            calls.append(given["false_flags"])
            if len(calls) == 1:
                raise MemoryError
            return derive_levels(scores, **given)

        monkeypatch.setattr(promises, "derive_levels", fail_first)
        await keeper.refresh()
        assert [_reasons(line) for line in lines] == [(AdvisoryReason.PROMISE_NOT_KEPT,), ()]
        await keeper.refresh()
        assert [_reasons(line) for line in lines] == [(), ()]


async def test_the_levels_of_another_profile_are_not_applied(registry: Registry) -> None:
    """When a profile that is no site's takes its place, the line is advisory before anything is derived."""
    await _register(registry, 3, first=0, watchlist="agents")
    async with _kept(registry) as (line, keeper):
        await keeper.refresh()
        other = line.standing_for({make_scorer().profile_id}, {"agents": 3})
        assert AdvisoryReason.PROMISE_NOT_KEPT in other.reasons
        await registry.use_scorers([make_scorer()])
        await keeper.refresh()
        assert _reasons(line) == (AdvisoryReason.NO_SITE_PROFILE,)


async def test_drift_is_reported_once_and_told_with_every_decision_until_it_ends(
    registry: Registry,
) -> None:
    """Callers that score differently make the line advisory; callers as before end that. Flagged calls have no part."""
    async with _kept(registry) as (line, keeper):
        await keeper.refresh()
        with capture_logs() as logs:
            _call(keeper, line, _voices(600, seed=21, shift=1.0), risk=FLAGGED)
            assert _reasons(line) == ()
            _call(keeper, line, _voices(WINDOW_CALLS, seed=22, shift=1.0))
            assert _reasons(line) == (AdvisoryReason.SCORE_DRIFT,)
            await keeper.refresh()
            assert _reasons(line) == (AdvisoryReason.SCORE_DRIFT,)
            figures = keeper.figures(line)
            assert figures.drift is not None
            assert figures.drift >= 1.0
            _call(keeper, line, _voices(2 * WINDOW_CALLS, seed=23))
            assert _reasons(line) == ()
        told = [log["event"] for log in logs if log["event"].startswith("score drift")]
        assert told == ["score drift", "score drift is over"]


async def test_calls_are_counted_once(registry: Registry) -> None:
    """However many decisions a call has; a call that was flagged at any time is a flagged one."""
    async with _kept(registry) as (line, keeper):
        voice = _voices(1, seed=1)[0]
        for risks in ((LOW, LOW), (LOW, FLAGGED, LOW), (FLAGGED, FLAGGED)):
            watch = keeper.watch(line)
            for risk in risks:
                watch.look(voice, net_speech_s=3.0, risk=risk)
        figures = keeper.figures(line)
        assert (figures.calls, figures.flagged) == (3, 2)


async def test_decisions_say_that_the_shipped_profile_promises_nothing(
    tmp_path: Path, models_dir: Path, recordings: list[DemoRecording]
) -> None:
    """Every decision of a call, from the first on; a flagged one recommends what the line says for hints."""
    settings = server_settings(
        tmp_path / "data", models_dir, lines__default={"actions": {"advisory": "log_only"}}
    )
    async with open_desk(settings, recordings, ("S4",)) as desk:
        audio = telephone(speech_of(recordings, "S4"))
        decisions = await screen(desk.client, "call-1", audio)
        assert {d.advisory_reasons for d in decisions} == {(wire.AdvisoryReason.NO_SITE_PROFILE,)}
        last = decisions[-1]
        assert last.level in {wire.RiskLevel.MEDIUM, wire.RiskLevel.HIGH}
        assert last.recommended_action == "log_only"
        assert last.applied_levels == wire.AppliedLevels(
            medium=0.5,
            high=0.95,
            expected_false_flags_per_10000_calls=None,
            expected_false_flags_lower=None,
            expected_false_flags_upper=None,
        )
        assert decisions[0].applied_levels is None
        (line,) = (await desk.client.server_info()).lines
        assert line.standing is not None
        assert (line.standing.calls, line.standing.flagged_calls) == (1, 1)
        assert line.standing.advisory


async def test_a_server_keeps_the_promise_of_a_line(
    tmp_path: Path, models_dir: Path, recordings: list[DemoRecording], voice_model: VoiceModel
) -> None:
    """With a site's profile the levels are derived for the list, decisions carry them and are no hints."""
    default = calibration.default_profile(voice_model.model_id)
    rng = np.random.default_rng(5)
    voices = default.mean + rng.standard_normal((1200, len(default.mean))) * 0.05
    profile = dataclasses.replace(
        default, name="site", based_on=default.profile_id, strangers=drawn_strangers(voices)
    )
    settings = server_settings(
        tmp_path / "data",
        models_dir,
        voice__calibration_profile=tmp_path / "site.npz",
        lines__default={"false_flags_per_10000_calls": 10, "watchlists": [WATCHLIST]},
    )
    profile.save(tmp_path / "site.npz", profile_keys(settings))
    async with open_desk(settings, recordings, ("S4",)) as desk:
        standing = await _derived(desk.client)
        assert standing.promised_false_flags_per_10000_calls == 10
        assert standing.advisory_reasons == (), standing.explanation
        assert standing.levels is not None
        decisions = await screen(desk.client, "c", telephone(speech_of(recordings, "S4")))
        last = decisions[-1]
        assert last.applied_levels == standing.levels
        assert not last.advisory
        assert last.probability is not None
        assert (last.probability >= standing.levels.medium) == (last.level != wire.RiskLevel.LOW)


async def _derived(client: wire.ShengdunClient) -> wire.LineStanding:
    """The standing of the default line once its levels are derived for the list with its actor."""
    found: list[wire.LineStanding] = []
    while not found:
        (line,) = (await client.server_info()).lines
        assert line.standing is not None
        assert line.standing.levels is not None
        # Nothing is expected of the empty list that there was at first.
        if line.standing.levels.expected_false_flags_per_10000_calls:
            found.append(line.standing)
    return found[0]


def _reasons(line: Line) -> tuple[AdvisoryReason, ...]:
    return line.standing.reasons


def _voices(count: int, *, seed: int, shift: float = 0.0) -> np.ndarray:
    rng = np.random.default_rng([seed, 3])
    voices = drawn_voices(count, seed=seed)
    heard = voices + rng.standard_normal(voices.shape) * SPREAD * np.sqrt(3.0 / LOOK_S)
    return unit_rows(heard + shift)


def _call(
    keeper: PromiseKeeper,
    line: Line,
    voices: Sequence[np.ndarray] | np.ndarray,
    *,
    risk: Risk = LOW,
) -> None:
    for voice in voices:
        keeper.watch(line).look(voice, net_speech_s=LOOK_S, risk=risk)
