"""The runs of syllables by which scripts are proposed."""

from typing import Final

import numpy as np
from numpy.typing import NDArray

from shengdun.fingerprint.text.shingles import sampled, shingles

PROBE: Final = 4
"""Syllables of a run."""
SAMPLED_ONE_IN: Final = 2
"""So many of the runs are kept, chosen by their hash, so that text and script keep the same ones."""


def probes_of(codes: NDArray[np.uint16]) -> tuple[NDArray[np.int64], NDArray[np.uint64]]:
    """The sampled runs of ``PROBE`` syllables: (p,) places where they begin and (p,) their hashes."""
    hashes = shingles(codes, PROBE)
    places = np.flatnonzero(sampled(hashes, SAMPLED_ONE_IN))
    return places, hashes[places]
