"""Which calls are taken, and what those that are not are told."""

from contextlib import ExitStack
from datetime import timedelta

import pytest

from fixtures.admitting import costs_of, new_admission
from shengdun.service.admission import Admission, Permit
from shengdun.service.costs import Costs, Effort
from shengdun.service.errors import Overloaded


@pytest.fixture
def stack() -> ExitStack:
    return ExitStack()


class Clock:
    """Stands still until it is moved."""

    now_s = 0.0

    def __call__(self) -> float:
        return self.now_s


def test_calls_are_taken_up_to_their_share_of_the_cores(stack: ExitStack) -> None:
    """A window of 0.29 s every 3 s is a tenth of a core, and 0.8 of two cores are 16 of them."""
    admission = new_admission(costs_of(0.29))
    with stack:
        for _ in range(16):
            stack.enter_context(admission.admit(budget_s=0.3))
        with pytest.raises(Overloaded, match="16 undecided calls"):
            stack.enter_context(admission.admit(budget_s=0.3))
        standing = admission.standing(budget_s=0.3)
    assert (standing.undecided, standing.refused, len(admission)) == (16, 1, 0)
    assert standing.load == pytest.approx(16 * 0.29 / 3 / 2)


def test_the_first_call_is_always_taken() -> None:
    """However slow the machine is."""
    with new_admission(costs_of(10.0)).admit(budget_s=0.3) as permit:
        assert permit.is_held


def test_decided_and_silent_calls_leave_their_place_to_others(stack: ExitStack) -> None:
    """A call counts by its windows: with one in 30 s of audio it takes a tenth, and none when it is decided."""
    admission = new_admission(costs_of(0.47))
    with stack:
        first, second, *_ = [stack.enter_context(admission.admit(budget_s=0.3)) for _ in range(10)]
        for change in (first.decided, lambda: second.heard(since_window_s=30.0, gap_s=0.0)):
            with pytest.raises(Overloaded):
                stack.enter_context(admission.admit(budget_s=0.3))
            change()
            stack.enter_context(admission.admit(budget_s=0.3))
        assert first.is_held
        # Its windows come again, so it counts as the others do; nobody is sent away for that.
        second.heard(since_window_s=0.0, gap_s=3.0)
        assert admission.standing(budget_s=0.3).undecided == 11


def test_listening_counts_too(stack: ExitStack) -> None:
    """A call whose windows cost nothing still has its audio decoded, by one thread however many cores there are."""
    costs = costs_of(0.0)
    costs.observe_listening(1.9, audio_s=10.0)
    admission = new_admission(costs, cores=64)
    with stack:
        for _ in range(4):
            stack.enter_context(admission.admit(budget_s=0.3))
        with pytest.raises(Overloaded):
            stack.enter_context(admission.admit(budget_s=0.3))


def test_words_count_too(stack: ExitStack) -> None:
    """A tenth of a core for the words of each call, until it ends and not only until its voice is decided."""
    costs = costs_of(0.0)
    costs.observe_words(1.0, call_s=10.0)
    admission = new_admission(costs)
    with stack:
        permits = [
            stack.enter_context(admission.admit(budget_s=0.3, has_words=True)) for _ in range(8)
        ]
        assert admission.standing(budget_s=0.3).load == pytest.approx(0.8)
        for permit in permits:
            permit.decided()
        with pytest.raises(Overloaded, match="8 undecided calls"):
            stack.enter_context(admission.admit(budget_s=0.3, has_words=True))
        # One thread hears all words, but this call needs none of it.
        stack.enter_context(admission.admit(budget_s=0.3))


def test_words_share_the_cores_with_voices(stack: ExitStack) -> None:
    """With words on every call, fewer calls are taken."""
    costs = costs_of(0.29)
    costs.observe_words(0.1, call_s=10.0)
    admission = new_admission(costs)
    with stack:
        for _ in range(15):
            stack.enter_context(admission.admit(budget_s=0.3)).has_words()
        standing = admission.standing(budget_s=0.3)
        assert standing.load == pytest.approx(15 * (0.29 / 3 + 0.01) / 2)
        assert standing.with_words == 15
        with pytest.raises(Overloaded):
            stack.enter_context(admission.admit(budget_s=0.3, has_words=True))
    assert admission.standing(budget_s=0.3).with_words == 0


def test_words_alone_wait_for_no_audio(stack: ExitStack) -> None:
    """A machine that is behind with listening takes them, as long as there is a share of the cores for them."""
    costs = costs_of(0.1)
    costs.observe_words(2.0, call_s=10.0)
    admission = new_admission(costs, wait_s=lambda _within_s: 9.0)
    with stack:
        for _ in range(4):
            stack.enter_context(admission.admit(budget_s=0.3, has_audio=False, has_words=True))
        assert admission.standing(budget_s=0.3).undecided == 0
        with pytest.raises(Overloaded, match="4 undecided calls"):
            stack.enter_context(admission.admit(budget_s=0.3, has_audio=False, has_words=True))


def test_the_hint_is_when_a_place_is_expected_to_be_free(stack: ExitStack) -> None:
    """Of two calls that are decided after some 15 s one is after half of that; calls that last longer move it."""
    clock = Clock()
    admission = new_admission(costs_of(2.3), clock=clock)
    with stack:
        permits = [stack.enter_context(admission.admit(budget_s=0.3)) for _ in range(2)]
        assert _hint(stack, admission) == timedelta(seconds=7.5)
        clock.now_s = 25.0
        permits[0].decided()
        stack.enter_context(admission.admit(budget_s=0.3))
        assert _hint(stack, admission) == timedelta(seconds=8)


def test_a_lane_that_is_behind_takes_nobody_until_it_has_caught_up(stack: ExitStack) -> None:
    """Not above the budget; then again below half of it, and at once."""
    waits = iter([0.31, 0.29, 0.16, 0.14, 0.29])
    admission = new_admission(wait_s=lambda _within_s: next(waits))
    with stack:
        hints = [_hint(stack, admission) for _ in range(3)]
        assert hints == [timedelta(seconds=0.5)] * 3
        for _ in range(2):
            stack.enter_context(admission.admit(budget_s=0.3))
    assert next(waits, None) is None


def test_a_budget_that_nobody_could_keep_is_no_reason_to_refuse() -> None:
    """A lane that works on something is not behind."""
    admission = new_admission(costs_of(0.08), wait_s=lambda _within_s: 0.12)
    with admission.admit(budget_s=0.01) as permit:
        assert permit.is_held


def test_permits_are_given_back_whatever_happens(stack: ExitStack) -> None:
    """Nothing of a call stays when it fails; a permit that was made up is not held, nor counted."""
    admission = new_admission()
    with pytest.raises(ConnectionError):
        _fail_with(stack.enter_context(admission.admit(budget_s=0.3)), stack)
    assert (len(admission), admission.standing(budget_s=0.3).undecided) == (0, 0)
    made_up = Permit(admission)
    made_up.heard(since_window_s=3.0, gap_s=0.0)
    made_up.decided()
    assert not made_up.is_held
    assert admission.standing(budget_s=0.3).undecided == 0


def test_costs_follow_the_machine_and_not_a_hiccup() -> None:
    """A thousandfold window moves the fit by less than a third; windows that are twice as long are known soon."""
    costs = costs_of(0.08)
    costs.observe(Effort(voiceprint_s=80.0))
    assert costs.window_s < 0.08 * 4 / 3
    for _ in range(40):
        costs.observe(Effort(voiceprint_s=0.16))
    assert costs.window_s == pytest.approx(0.16, rel=0.05)


def test_costs_are_guessed_until_they_are_measured() -> None:
    assert 0.01 < Costs().window_s < 1.0
    assert Costs().listening_share == 0.0


def _hint(stack: ExitStack, admission: Admission) -> timedelta | None:
    with pytest.raises(Overloaded) as caught:
        stack.enter_context(admission.admit(budget_s=0.3))
    return caught.value.retry_after


def _fail_with(permit: Permit, stack: ExitStack) -> None:
    with stack:
        assert permit.is_held
        raise ConnectionError
