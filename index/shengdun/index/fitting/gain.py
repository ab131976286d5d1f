"""What a site's profile gains over its base, on calls that it wasn't made from.

The calls are parted into folds; each fold is scored by a profile made from the others. Without labels the two halves of
one call (every other window) are one voice, and halves of two calls count as two voices. One call is one telephone and
one day, so this flatters both profiles, and the bolder one more; what it can show is the difference. With labels whole
calls are compared.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Final

import numpy as np
from numpy.typing import NDArray

from shengdun.index.accuracy.bootstrap import Figure, intervals, speaker_draws
from shengdun.index.accuracy.verification import BinnedTrials, Trials, exact_figures
from shengdun.index.calibration import CalibrationProfile
from shengdun.index.fitting.calls import SiteCall, WholeCalls
from shengdun.index.fitting.site import SiteFit, labelled_voices, refitted, site_centre, thinned
from shengdun.index.scoring import Scorer

Floats = NDArray[np.float64]

FOLDS: Final = 5
REPLICATES: Final = 200
MOST_CALLS: Final = 600
"""Of those that are scored; the profile of each fold is made from all of the other folds."""
_LEAST_CALLS: Final = 10


@dataclass(frozen=True, slots=True, kw_only=True)
class Gain:
    """Figures of the base profile and of the site's, on the same trials.

    Attributes:
        labelled: whether one voice means one label, and not two halves of a call.
        calls: calls that were scored.
        targets: trials of one voice.
        others: trials of two.
        base: ``eer``, ``min_dcf``, ``cllr`` and ``min_cllr`` of the base profile, with 95 % intervals.
        site: those of the site's.
        change: site less base, drawn in pairs; below 0 is better.
    """

    labelled: bool
    calls: int
    targets: int
    others: int
    base: dict[str, Figure]
    site: dict[str, Figure]
    change: dict[str, Figure]

    @property
    def is_sure(self) -> bool:
        """Whether the interval of the change of Cllr lies below 0 whole."""
        return self.change["cllr"].high < 0.0

    @property
    def is_loss(self) -> bool:
        """Whether it lies above 0 whole; without labels that of min Cllr.

        Halves of a call are more alike than the calls that maps are fitted on: of two maps that tell voices apart as
        well, the bolder one has less Cllr on them, whatever it is worth.
        """
        return self.change["cllr" if self.labelled else "min_cllr"].low > 0.0


def measure_gain(
    fit: SiteFit, base: CalibrationProfile, *, seed: int = 1, replicates: int = REPLICATES
) -> Gain | None:
    """Measure it; None when too few calls have two windows, or a label, for any figure.

    Args:
        fit: the site's profile and the calls that it was made from.
        base: the profile that it was made from.
        seed: of the folds and of the bootstrap.
        replicates: of the bootstrap.
    """
    labelled = fit.labelled_voices > 0
    scored = _scored_calls(fit.calls, labelled=labelled)
    if len(scored) < _LEAST_CALLS:
        return None
    voices = _voice_rows(fit.calls, labelled=labelled)
    parts = [
        _trials(fit, base, rows, voices, labelled=labelled)
        for rows in _folds(fit.calls, scored, labelled=labelled, seed=seed)
    ]
    before, after = (Trials.joined([part[side] for part in parts]) for side in (0, 1))
    if not before.is_target.any() or before.is_target.all():
        return None
    draws = speaker_draws(int(voices.max()) + 1, replicates=replicates, seed=seed)
    pairs = list(_drawn(before, after, draws))
    whole_before, whole_after = exact_figures(before), exact_figures(after)
    return Gain(
        labelled=labelled,
        calls=len(scored),
        targets=int(before.is_target.sum()),
        others=int((~before.is_target).sum()),
        base=intervals(whole_before, [one for one, _ in pairs]),
        site=intervals(whole_after, [other for _, other in pairs]),
        change=intervals(
            _minus(whole_after, whole_before), [_minus(other, one) for one, other in pairs]
        ),
    )


def _scored_calls(calls: Sequence[SiteCall], *, labelled: bool) -> list[int]:
    fits = [
        row
        for row, call in enumerate(calls)
        if (call.speaker is not None if labelled else len(call.windows) > 1)
    ]
    return [fits[row] for row in thinned(range(len(fits)), MOST_CALLS)]


def _voice_rows(calls: Sequence[SiteCall], *, labelled: bool) -> NDArray[np.int64]:
    """(c,) what is drawn again together in the bootstrap: the calls of one label, or each call."""
    if not labelled:
        return np.arange(len(calls))
    _, rows = np.unique([call.speaker or "" for call in calls], return_inverse=True)
    return rows.astype(np.int64)


def _folds(
    calls: Sequence[SiteCall], scored: Sequence[int], *, labelled: bool, seed: int
) -> Iterator[list[int]]:
    """The scored calls in folds; calls of one label stay together."""
    names = [calls[row].speaker if labelled else str(row) for row in scored]
    unique, places = np.unique(np.array(names, dtype=np.str_), return_inverse=True)
    fold = np.random.default_rng(seed).permutation(len(unique)) % FOLDS
    for number in range(FOLDS):
        yield [scored[at] for at in np.flatnonzero(fold[places] == number).tolist()]


def _trials(
    fit: SiteFit,
    base: CalibrationProfile,
    rows: Sequence[int],
    voices: NDArray[np.int64],
    *,
    labelled: bool,
) -> tuple[Trials, Trials]:
    """A fold scored by the base, and by a site profile made without it."""
    site = _without(fit, base, rows)
    calls = [fit.calls[row] for row in rows]
    if labelled:
        enrolled = calling = calls
    else:
        halves = [both for call in calls if (both := call.halves()) is not None]
        enrolled = [one for one, _ in halves]
        calling = [other for _, other in halves]
    scored = [_scored(profile, enrolled, calling) for profile in (base, site)]
    count = len(calls)
    if labelled:
        left, right = np.triu_indices(count, k=1)
    else:
        left, right = (at.ravel() for at in np.indices((count, count)))
    numbers = voices[list(rows)]
    same = numbers[left] == numbers[right]
    one, other = (
        Trials(
            llrs=llrs[left, right],
            is_target=same,
            failed=np.zeros(len(left), dtype=bool),
            enrolled=numbers[left],
            calling=numbers[right],
        )
        for llrs in scored
    )
    return one, other


def _scored(
    profile: CalibrationProfile, enrolled: Sequence[SiteCall], calling: Sequence[SiteCall]
) -> Floats:
    """(e, c) LLRs."""
    if not enrolled:
        return np.empty((0, 0))
    rows = WholeCalls.of(enrolled).llr_rows(Scorer(profile), WholeCalls.of(calling))
    return np.stack(list(rows))


def _without(fit: SiteFit, base: CalibrationProfile, rows: Sequence[int]) -> CalibrationProfile:
    """The site's profile as it is when some of its calls are unknown."""
    left_out = set(rows)
    kept = [row for row in range(len(fit.calls)) if row not in left_out]
    whole = WholeCalls.of([fit.calls[row] for row in kept])
    centre = site_centre(whole.voiceprints, fit.voices.weights[kept])
    assert base.site_coefficients is not None
    profile = replace(fit.profile, mean=centre, coefficients=base.site_coefficients)
    calls = [fit.calls[row] for row in kept]
    voices = labelled_voices(calls)
    if not fit.labelled_voices or not voices:
        return profile
    return replace(profile, coefficients=refitted(profile, calls, voices))


def _drawn(
    before: Trials, after: Trials, draws: Floats
) -> Iterator[tuple[dict[str, float], dict[str, float]]]:
    one, other = BinnedTrials(before), BinnedTrials(after)
    for draw in draws:
        pair = one.drawn(draw), other.drawn(draw)
        if pair[0] is not None and pair[1] is not None:
            yield pair[0], pair[1]


def _minus(one: dict[str, float], other: dict[str, float]) -> dict[str, float]:
    return {name: one[name] - other[name] for name in one}
