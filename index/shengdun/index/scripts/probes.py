"""The runs of syllables by which scripts are proposed."""

from typing import Final

import numpy as np
from numpy.typing import NDArray

from shengdun.fingerprint.text.shingles import sampled, shingles
from shengdun.index.scripts.alignment import SEED

PROBE: Final = 4
"""Syllables of a run."""
SAMPLED_ONE_IN: Final = 2
"""So many of the runs are kept, chosen by their hash, so that text and script keep the same ones."""
LEAST_RARITY: Final = 0.3
"""Commoner wording proposes nothing."""


def probes_of(codes: NDArray[np.uint16]) -> tuple[NDArray[np.int64], NDArray[np.uint64]]:
    """The sampled runs of ``PROBE`` syllables: (p,) places where they begin and (p,) their hashes."""
    hashes = shingles(codes, PROBE)
    places = sampled(hashes, SAMPLED_ONE_IN).nonzero()[0]
    return places, hashes[places]


def telling_probes(
    codes: NDArray[np.uint16], rarity: NDArray[np.float64]
) -> tuple[NDArray[np.uint64], NDArray[np.float64]]:
    """The probes of a text that propose scripts: (p,) hashes, and (p,) what the wording of each says.

    Args:
        codes: (n,) syllables of the text.
        rarity: (max(n - SEED + 1, 0),) how rare each run of ``SEED`` of them is, 0 (everybody says it) to 1.
    """
    places, probes = probes_of(codes)
    inside = PROBE - SEED + 1
    weights = np.zeros(len(places))
    for shift in range(inside):
        weights += rarity[places + shift]
    weights /= inside
    tells = weights >= LEAST_RARITY
    return probes[tells], weights[tells]
