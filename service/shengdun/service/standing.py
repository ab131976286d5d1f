"""Where a line stands: the levels in force, and whether its promise stands behind them."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass, replace
from typing import Final

import numpy as np

from shengdun.index.promise import LEAST_GAP, LevelDerivation, expit, logit
from shengdun.service.decision import AdvisoryReason, AppliedLevels
from shengdun.service.line_settings import LineSettings

_MOST_GROWTH: Final = 1.2
_MOST_MORE: Final = 5


@dataclass(frozen=True, slots=True, kw_only=True)
class Basis:
    """What levels were derived for.

    Attributes:
        profile_id: the calibration profile.
        sizes: actors on each of the lists that have any; None when the levels hold for any lists.
    """

    profile_id: str
    sizes: Mapping[str, int] | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Standing:
    """The levels of a line, and what they may be relied on for.

    Attributes:
        levels: in force.
        reasons: why decisions are advisory only; empty when they aren't.
        basis: what the levels hold for; None when that is anything.
        why: for people, why the promise isn't kept; empty when it is, or there is none.
    """

    levels: AppliedLevels
    reasons: tuple[AdvisoryReason, ...] = ()
    basis: Basis | None = None
    why: str = ""

    @classmethod
    def before_any(cls, policy: LineSettings) -> "Standing":
        """Before anything is known of the profile: nothing is promised."""
        return cls(levels=fixed_levels(policy), reasons=(AdvisoryReason.NO_SITE_PROFILE,))

    @classmethod
    def awaited(cls, policy: LineSettings) -> "Standing":
        """Before the first levels are derived from a site's profile."""
        return cls(
            levels=fixed_levels(policy),
            reasons=(AdvisoryReason.PROMISE_NOT_KEPT,),
            why="its levels are being derived",
        )

    @classmethod
    def derived(cls, derivation: LevelDerivation, basis: Basis) -> "Standing":
        """With levels that were derived."""
        return cls(
            levels=AppliedLevels(
                medium=derivation.medium,
                high=derivation.high,
                expected=derivation.expected,
                lower=derivation.lower,
                upper=derivation.upper,
                full_evidence=True,
            ),
            reasons=() if derivation.kept else (AdvisoryReason.PROMISE_NOT_KEPT,),
            basis=basis,
            why=derivation.why,
        )

    @property
    def advisory(self) -> bool:
        """Whether decisions are only hints."""
        return bool(self.reasons)

    def covers(self, profile_ids: Collection[str], sizes: Mapping[str, int]) -> bool:
        """Whether the levels hold for a search of lists of these sizes under these profiles.

        An actor more or fewer makes no difference until levels are derived again. With lists that have grown much
        longer more strangers would be flagged than was promised.
        """
        if self.basis is None or not sizes:
            return True
        then = self.basis.sizes
        if set(profile_ids) != {self.basis.profile_id}:
            return False
        return then is None or (
            sizes.keys() == then.keys()
            and sum(sizes.values()) <= _MOST_GROWTH * sum(then.values()) + _MOST_MORE
        )

    def because_of_drift(self) -> "Standing":
        """The same, advisory because callers score differently."""
        return replace(self, reasons=(*self.reasons, AdvisoryReason.SCORE_DRIFT))


def fixed_levels(policy: LineSettings) -> AppliedLevels:
    """The levels of a line where none can be derived: its own, or those that its costs ask for if they are stricter.

    A call of a line with a promise is never flagged more freely than its costs allow, whatever is known of its callers.
    """
    if policy.costs is None:
        return AppliedLevels(medium=policy.levels.medium, high=policy.levels.high)
    by_cost = logit(policy.costs.bayes_level)
    medium, high = by_cost, by_cost - float(np.log(policy.high_share))
    if policy.false_flags_per_10000_calls is not None:
        medium = max(medium, logit(policy.levels.medium))
        # However close HIGH is promised to be to MEDIUM, it isn't the same.
        high = max(high, logit(policy.levels.high), medium + LEAST_GAP)
    return AppliedLevels(medium=expit(medium), high=expit(high))
