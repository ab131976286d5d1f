"""Scoring a block of archived calls against what is hunted. Exact: what the bounds let pass is scored in full."""

import threading
from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from shengdun.index.archive.blocks import CallBlock
from shengdun.index.archive.scratch import Scratch
from shengdun.index.archive.voiceprints import restored
from shengdun.index.errors import InvalidRecord
from shengdun.index.hunts.bounding import Sieve, least_cosines
from shengdun.index.hunts.subject import WantedVoice, WantedWords
from shengdun.index.llr import Sides
from shengdun.index.scoring import Scorer, normalised


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Matches:
    """The calls of a block that match, m of them.

    Attributes:
        rows: (m,) int64, which.
        scores: (m,) float64: for a voice the LLR, for a script the share of it that the call's words contain.
        ties: (m,) float64, greater first among equal scores: the LLR beyond the profile's limits, or the hashes shared.
    """

    rows: NDArray[np.int64]
    scores: NDArray[np.float64]
    ties: NDArray[np.float64]


class Matcher(Protocol):
    """Scores blocks; may be used by several threads at once."""

    def match(self, block: CallBlock) -> Matches:
        """The calls that reach the least score.

        Raises:
            PartitionDamaged: the block can't be read.
        """


class VoiceMatcher:
    """Scores calls against a voice: the log of the mean likelihood ratio over its voiceprints (decision note 0011).

    Args:
        scorer: of the voice's model.
        wanted: the voice.
        least_llr: calls below this are left out; natural log.

    Raises:
        InvalidRecord: the voice is of another model, or no call can reach the LLR under this profile.
    """

    def __init__(self, scorer: Scorer, wanted: WantedVoice, least_llr: float) -> None:
        coefficients = scorer.profile.coefficients
        if wanted.model_id != scorer.model_id:
            raise InvalidRecord(
                f"The voice is of model {wanted.model_id}, and calls are scored with {scorer.model_id}."
            )
        if least_llr >= coefficients.cap:
            raise InvalidRecord(
                f"No call can reach an LLR of {least_llr:g}: profile {scorer.profile_id} vouches for less than "
                f"{coefficients.cap:g}. Ask for less."
            )
        self._scorer = scorer
        self._wanted = wanted
        self._least_llr = least_llr
        self._projected = scorer.project(wanted.voiceprints)
        self._statistics = scorer.template_statistics(self._projected)
        self._least = least_cosines(coefficients, least_llr, wanted.net_speech_s, wanted.snr_db)
        self._sieve: tuple[NDArray[np.float64], Sieve] | None = None
        self._of_thread = threading.local()

    def match(self, block: CallBlock) -> Matches:
        """See ``Matcher``; the voiceprints are read now."""
        stored = block.voiceprints_in(self._scratch)
        rows = self._candidates(stored, block.rotation)
        projected = self._scorer.project(restored(stored[rows], block.rotation))
        return self.score(block, rows, projected)

    def score(
        self, block: CallBlock, rows: NDArray[np.int64], projected: NDArray[np.float32]
    ) -> Matches:
        """Score some rows of a block in full, (n,), of which ``projected`` (n, d) are the voiceprints."""
        unlimited = self._unlimited(projected, block.net_speech_s[rows], block.snr_db[rows])
        llrs = self._joined(self._scorer.limited(unlimited))
        kept = np.flatnonzero(llrs >= self._least_llr)
        return Matches(rows=rows[kept], scores=llrs[kept], ties=self._joined(unlimited[:, kept]))

    def _candidates(
        self, stored: NDArray[np.int16], rotation: NDArray[np.float64]
    ) -> NDArray[np.int64]:
        if self._scorer.profile.cohort is not None:
            # Each call's own strangers are in its score, so there is no bound without looking at all of them.
            return np.flatnonzero(stored.any(axis=1))
        known = self._sieve
        if known is None or known[0] is not rotation:
            sieve = Sieve(self._scorer.profile, self._projected, rotation, self._least)
            known = self._sieve = (rotation, sieve)
        return known[1].passing(stored)

    @property
    def _scratch(self) -> Scratch:
        found: Scratch | None = getattr(self._of_thread, "scratch", None)
        if found is None:
            found = self._of_thread.scratch = Scratch()
        return found

    def _unlimited(
        self,
        projected: NDArray[np.float32],
        net_speech_s: NDArray[np.float32],
        snr_db: NDArray[np.float32],
    ) -> NDArray[np.float64]:
        """(k, n) of each wanted voiceprint with each call."""
        calls = self._scorer.template_statistics(projected)
        scores = normalised(
            self._projected.astype(np.float64) @ projected.T.astype(np.float64),
            calls.mean,
            calls.deviation,
            self._statistics.mean[:, np.newaxis],
            self._statistics.deviation[:, np.newaxis],
        )
        sides = Sides(
            net_a_s=self._wanted.net_speech_s[:, np.newaxis],
            net_b_s=net_speech_s,
            snr_a_db=self._wanted.snr_db[:, np.newaxis],
            snr_b_db=snr_db,
        )
        return self._scorer.profile.coefficients.unlimited(scores, sides)

    def _joined(self, llrs: NDArray[np.float64]) -> NDArray[np.float64]:
        """(n,) the log of the mean likelihood ratio over the k voiceprints of (k, n)."""
        best = llrs.max(axis=0)
        joined: NDArray[np.float64] = best + np.log(np.exp(llrs - best).mean(axis=0))
        return joined


class WordsMatcher:
    """Scores calls by how much of a script their words contain (containment, Broder 1997).

    That is a share and no likelihood ratio: the archive keeps sampled hashes, and how common the wording behind a hash
    is can't be told from it.

    Args:
        wanted: the script.
        least_share: calls with less of it are left out; above 0, at most 1.

    Raises:
        InvalidRecord: the share is out of range.
    """

    def __init__(self, wanted: WantedWords, least_share: float) -> None:
        if not 0.0 < least_share <= 1.0:
            raise InvalidRecord("The least share of a script must be above 0 and at most 1.")
        self._signature = wanted.signature
        self._least_share = least_share

    def match(self, block: CallBlock) -> Matches:
        """See ``Matcher``."""
        signatures = block.signatures
        lengths = np.array([len(one) for one in signatures], np.int64)
        owners = np.repeat(np.arange(len(block)), lengths)
        hashes = np.concatenate([*signatures, np.zeros(0, np.uint64)])
        places = np.minimum(np.searchsorted(self._signature, hashes), len(self._signature) - 1)
        inside = self._signature[places] == hashes
        shared = np.bincount(owners[inside], minlength=len(block))
        shares = shared / len(self._signature)
        rows = np.flatnonzero(shares >= self._least_share)
        return Matches(rows=rows, scores=shares[rows], ties=shared[rows].astype(np.float64))
