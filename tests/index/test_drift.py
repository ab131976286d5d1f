"""Score drift is noticed, and nothing else is taken for it."""

import numpy as np
from numpy.typing import NDArray

from fixtures.site import SPREAD, drawn_strangers, drawn_voices, site_profile
from shengdun.index.drift import LOOK_S, WINDOW_CALLS, DriftMonitor, DriftReference
from shengdun.index.scoring import Scorer, unit_rows

SITE = drawn_strangers(drawn_voices(1200, seed=1))
REFERENCE = DriftReference.of(Scorer(site_profile(SITE)), SITE)


def _monitor() -> DriftMonitor:
    assert REFERENCE is not None
    return DriftMonitor(REFERENCE)


def _callers(count: int, *, seed: int, shift: float = 0.0) -> NDArray[np.float32]:
    """Callers as in the reference, moved in one direction as another codec would."""
    rng = np.random.default_rng([seed, 2])
    voices = drawn_voices(count, seed=seed)
    heard = voices + rng.standard_normal(voices.shape) * SPREAD * np.sqrt(3.0 / LOOK_S)
    return unit_rows(heard + shift * np.ones(voices.shape[1]))


def _changes(monitor: DriftMonitor, callers: NDArray[np.float32]) -> list[int]:
    """After which callers the alarm was raised or ended."""
    score = monitor.reference.score
    return [count for count, row in enumerate(callers, start=1) if monitor.add(score(row))]


def test_other_callers_of_the_same_kind_are_quiet() -> None:
    """Ten thousand strangers of the same kind raise no alarm."""
    monitor = _monitor()
    assert _changes(monitor, _callers(10_000, seed=2)) == []
    assert 0.0 < monitor.distance < 1.0


def test_a_change_is_noticed_and_so_is_its_end() -> None:
    """The alarm comes within a window of the change, and ends within one of its end."""
    monitor = _monitor()
    assert _changes(monitor, _callers(WINDOW_CALLS, seed=3)) == []
    (raised,) = _changes(monitor, _callers(2 * WINDOW_CALLS, seed=4, shift=0.5))
    assert raised <= WINDOW_CALLS
    assert monitor.drifted
    (ended,) = _changes(monitor, _callers(3 * WINDOW_CALLS, seed=5))
    assert ended <= WINDOW_CALLS + 100
    assert not monitor.drifted


def test_a_gross_change_is_noticed_after_the_first_calls() -> None:
    """It doesn't take a full window."""
    assert _changes(_monitor(), _callers(200, seed=6, shift=2.0))[0] <= 100


def test_too_few_calls_are_no_reference() -> None:
    """Nor are calls that are all shorter than a look."""
    few = drawn_strangers(drawn_voices(60))
    short = drawn_strangers(drawn_voices(500), looks_s=(3.0,))
    for strangers in (few, short):
        assert DriftReference.of(Scorer(site_profile(strangers)), strangers) is None
