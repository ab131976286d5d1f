"""What a handover counts for: by the actors' likelihood ratios, its own, and the policy of the line."""

from datetime import timedelta
from typing import Any

import numpy as np
import pytest
from pydantic import ValidationError

from shengdun.index.handover import Division, Handover
from shengdun.index.search import Candidate
from shengdun.index.snapshot import WatchlistResult
from shengdun.service.decision import AdvisoryReason, Level, Risk
from shengdun.service.handovers import Screened, is_flagged, probability_of, with_handover
from shengdun.service.line_settings import HandoverSettings, LineSettings
from shengdun.service.lines import Line
from shengdun.service.risk import assess


def result(**llrs: float) -> WatchlistResult:
    """What a list of ten actors says, of whom some were scored."""
    ranked = sorted(llrs, key=lambda name: -llrs[name])
    values = np.array([llrs[name] for name in ranked])
    return WatchlistResult(
        watchlist_id="agents",
        version="agents@1",
        model_id="m@1",
        profile_id="p@1",
        size_actors=10,
        candidates=tuple(
            Candidate(actor_id=name, voiceprint_id=f"{name}-1", llr=llrs[name]) for name in ranked
        ),
        actor_ids=tuple(ranked),
        actor_llrs=values,
        unlimited_llrs=values,
        unscored_actors=10 - len(ranked),
    )


def handover(llr: float) -> Handover:
    """Of the last two of four windows."""
    second = np.array([False, False, True, True])
    return Handover(division=Division(second=second, one_voice=-2.0, shift=0.0), llr=llr)


def weighed(
    every: WatchlistResult,
    first: WatchlistResult,
    second: WatchlistResult,
    *,
    llr: float = 5.0,
    **policy: Any,  # noqa: ANN401 - any setting
) -> Risk:
    """The risk of a call that was handed over, on a line that watches."""
    settings = {"watch": "whole_call", **policy}
    line = Line.from_settings("default", LineSettings.model_validate({"handover": settings}))
    return with_handover(
        assess([every], line),
        handover(llr),
        position=timedelta(seconds=6),
        every=[every],
        first=Screened(results=[first], net_speech_s=6.0),
        second=Screened(results=[second], net_speech_s=6.0),
        line=line,
    )


STRANGER = result(a=-3.0, b=-3.5)
AGENT = result(a=9.0, b=-3.5)


def test_the_second_voice_is_found_though_all_windows_together_are_a_strangers() -> None:
    """At most by half as sure as it would be alone, for either voice may be the actor's."""
    risk = weighed(STRANGER, STRANGER, AGENT)
    assert risk.level is Level.HIGH
    assert risk.handover is not None
    assert (risk.handover.first.level, risk.handover.second.level) == (Level.LOW, Level.HIGH)
    [outcome] = risk.watchlists
    assert outcome.best is not None
    assert outcome.best.actor_id == "a"
    expected = 9.0 + np.log(risk.handover.probability / 2.0)
    assert outcome.best.llr == pytest.approx(expected, abs=0.01)


def test_strangers_stay_low_however_sure_the_handover() -> None:
    """Two voices that nobody knows aren't listed, and the flag is told all the same."""
    risk = weighed(STRANGER, STRANGER, STRANGER)
    assert (risk.level, risk.flags) == (Level.LOW, ())
    assert risk.handover is not None
    assert weighed(STRANGER, STRANGER, STRANGER, highest_level="medium").level is Level.MEDIUM


def test_looking_at_three_voiceprints_makes_nobody_more_suspect() -> None:
    """The ratio of an actor is a mean of the three: never above the greatest, never below the least."""
    for parts in ((1.0, 4.0, -2.0), (6.0, 6.0, 6.0), (-4.0, 0.0, 2.0)):
        risk = weighed(*(result(a=part) for part in parts), of_agents=0.02)
        best = risk.watchlists[0].best
        assert best is not None
        assert min(parts) - 1e-9 <= best.llr <= max(parts) + 1e-9


def test_an_actor_whom_one_search_left_out_counts_as_its_farthest() -> None:
    """On long lists each voiceprint brings its own nearest actors."""
    risk = weighed(result(a=-1.0), result(b=2.0), result(c=5.0))
    [outcome] = risk.watchlists
    assert outcome.best is not None
    assert outcome.runner_up is not None
    assert (outcome.best.actor_id, outcome.runner_up.actor_id) == ("c", "b")


def test_equal_shares_multiply_nothing() -> None:
    """A handover by itself says who calls only as far as listed callers hand over more often."""
    equal = weighed(STRANGER, STRANGER, AGENT, of_agents=0.02)
    more = weighed(STRANGER, STRANGER, AGENT, of_agents=0.2)
    assert equal.level_probability == pytest.approx(equal.probability)
    assert more.level_probability is not None
    assert equal.level_probability is not None
    assert more.level_probability > equal.level_probability
    assert more.probability == equal.probability


def test_what_rose_under_a_promise_is_a_hint() -> None:
    """The promise was measured on calls as a whole."""
    policy = LineSettings.model_validate(
        {"handover": {"watch": "whole_call"}, "false_flags_per_10000_calls": 10}
    )
    line = Line.from_settings("default", policy)
    told = with_handover(
        assess([STRANGER], line),
        handover(5.0),
        position=timedelta(),
        every=[STRANGER],
        first=Screened(results=[STRANGER], net_speech_s=6.0),
        second=Screened(results=[AGENT], net_speech_s=6.0),
        line=line,
    )
    assert AdvisoryReason.BY_HANDOVER in told.advisory_reasons


def test_a_flag_needs_its_probability() -> None:
    """By the prior of the line and what its cap lets count."""
    policy = HandoverSettings()
    assert not is_flagged(None, policy)
    assert not is_flagged(handover(3.8), policy)
    assert is_flagged(handover(4.0), policy)
    assert not is_flagged(handover(5.0), HandoverSettings(llr_cap=3.0))
    assert probability_of(0.0, policy) == pytest.approx(policy.prior)


@pytest.mark.parametrize(
    ("watch", "covered"),
    [("off", (False, False)), (2, (True, False)), ("whole_call", (True, True))],
)
def test_what_a_line_watches(watch: str | float, covered: tuple[bool, bool]) -> None:
    """Minutes of audio, the whole call or nothing."""
    policy = HandoverSettings.model_validate({"watch": watch})
    assert (policy.covers(119.0), policy.covers(121.0)) == covered


@pytest.mark.parametrize(
    "wrong",
    [{"watch": 0}, {"watch": "always"}, {"prior": 0.2}, {"llr_cap": 9}, {"look_at_every": 0}],
)
def test_a_policy_that_makes_no_sense_is_refused(wrong: dict[str, object]) -> None:
    """At the start of the server, with all other mistakes."""
    with pytest.raises(ValidationError):
        HandoverSettings.model_validate(wrong)


def test_a_line_that_says_nothing_of_handovers_keeps_its_policy_id() -> None:
    """Decisions of before can be compared with those of now."""
    plain = Line.from_settings("default", LineSettings())
    watching = LineSettings.model_validate({"handover": {"watch": 5}})
    assert plain.policy_id != Line.from_settings("default", watching).policy_id
