"""Signatures: what is kept of a caller's words, by which calls that follow a script are found again."""

import numpy as np
from numpy.typing import NDArray

from shengdun.fingerprint.text.normalise import normalise
from shengdun.fingerprint.text.pinyin import syllables
from shengdun.index.archive.rows import NO_SIGNATURE
from shengdun.index.scripts.probes import probes_of


def signature_of(words: str) -> tuple[NDArray[np.uint64], int]:
    """The sampled hashes of a call's words, sorted and of one each, and how many canonical characters those have.

    They are the hashes by which scripts are proposed (``scripts.probes``), so that what a call and a script share is in
    both. The words can't be read from them, but who knows a wording can tell whether it was said.
    """
    canonical = normalise(words).text
    if not canonical:
        return NO_SIGNATURE, 0
    return np.unique(probes_of(syllables(canonical))[1]), len(canonical)
