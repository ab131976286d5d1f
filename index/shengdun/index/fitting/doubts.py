"""Whether labels of calls can be right: what the voices themselves say of them."""

from collections.abc import Sequence
from typing import Final

import numpy as np
from numpy.typing import NDArray

from shengdun.index.accuracy.corpus import names_of
from shengdun.index.accuracy.measures import min_cllr
from shengdun.index.fitting.calls import ONE_VOICE_LLR, SiteCall, WholeCalls
from shengdun.index.scoring import Scorer

Floats = NDArray[np.float64]

_MOST_MIN_CLLR: Final = 0.8
"""Bits that voices may cost at their best; telephone calls of 3 s through heavy noise cost 0.3, random labels 1."""


def hardly_alike(llrs: Floats, is_target: NDArray[np.bool_]) -> bool:
    """Whether by (n,) LLRs calls with one label resemble each other hardly more than calls with two."""
    return min_cllr(llrs[is_target], llrs[~is_target]) > _MOST_MIN_CLLR


def doubtful_calls(calls: Sequence[SiteCall], scorer: Scorer) -> list[str]:
    """Names of calls whose voice is that of a call with another label, and of none with their own.

    Args:
        calls: the site's; those without a label, and those whose label no other call has, are not looked at.
        scorer: of a profile that knows the site's centre.
    """
    labelled = [call for call in calls if call.speaker is not None]
    if not labelled:
        return []
    _, labels = np.unique([call.speaker for call in labelled], return_inverse=True)
    doubtful = []
    for row, llrs in enumerate(WholeCalls.of(labelled).llr_rows(scorer)):
        own = labels == labels[row]
        others = llrs[~own]
        own[row] = False
        if own.any() and others.size and llrs[own].max() < 0.0 and others.max() >= ONE_VOICE_LLR:
            doubtful.append(labelled[row].name)
    return doubtful


def doubts(calls: Sequence[SiteCall], scorer: Scorer) -> list[str]:
    """What to tell of such calls, for people; nothing when there are none."""
    doubtful = doubtful_calls(calls, scorer)
    if not doubtful:
        return []
    told = (
        f"the labels of {names_of(doubtful)} look wrong: the voice is that of a call with another label, and of none "
        "with its own. Check who is said to call there."
    )
    return [told]
