"""The wording that a campaign's texts have in common, read off one of them."""

from collections.abc import Sequence
from typing import Final

import numpy as np
from numpy.typing import NDArray

from shengdun.fingerprint.text.placeholders import Kind
from shengdun.index.campaigns.campaign import SharedPassage, SharedWording
from shengdun.index.campaigns.exclusions import CommonWording
from shengdun.index.campaigns.linking import Wording
from shengdun.index.campaigns.recent import RecentText

COMPARED: Final = 64
"""Customers whose texts are compared: the latest."""
_SHORTEST: Final = 8
"""Canonical characters of a passage."""
_READABLE: Final = str.maketrans({kind.placeholder: kind.token for kind in Kind})


def shared_wording(
    representative: RecentText, others: Sequence[RecentText], common: CommonWording
) -> SharedWording:
    """The stretches of one text that at least half of the customers share, and no fewer than two.

    Args:
        representative: the text that they are read off.
        others: the campaign's other texts, in the order in which they came in.
        common: what everybody says.
    """
    latest = {
        other.customer: other for other in others if other.customer != representative.customer
    }
    compared = list(latest.values())[-COMPARED:]
    sharing = _sharing(representative, compared, common)
    customers = len(compared) + 1
    shared = sharing >= max(2, -(-customers // 2))
    edges = np.flatnonzero(np.diff(shared, prepend=False, append=False)).reshape(-1, 2)
    return SharedWording(
        text_id=representative.text_id,
        customers=customers,
        passages=tuple(
            SharedPassage(
                text=representative.canonical[start:end].translate(_READABLE),
                start=start,
                end=end,
                customers=int(sharing[start:end].min()),
            )
            for start, end in edges.tolist()
            if end - start >= _SHORTEST
        ),
    )


def _sharing(
    representative: RecentText, compared: Sequence[RecentText], common: CommonWording
) -> NDArray[np.int64]:
    """(n,) how many customers have each character of the representative's, its own included."""
    wording = Wording(representative.canonical, common)
    sharing = np.ones(len(representative.canonical), np.int64)
    for other in compared:
        has = np.zeros(len(sharing), np.bool_)
        for passage in wording.shared_with(other.canonical):
            has[passage.text_start : passage.text_end] = True
        sharing += has
    return sharing
