"""Which scorers are in use: one active for each voice model, and others that run beside it in shadow.

What an active scorer says decides; what a shadow says is only recorded, so that another profile, or another voice
model, can be judged on live calls before it is trusted.
"""

from collections.abc import Iterator
from dataclasses import dataclass

from shengdun.index.calibration import ProfileMismatch
from shengdun.index.scoring import Scorer


@dataclass(frozen=True, slots=True, kw_only=True)
class Scorers:
    """Scorers by calibration profile.

    Attributes:
        active: one for each voice model that is searched with.
        shadow: others, of those models or of further ones.
    """

    active: tuple[Scorer, ...]
    shadow: tuple[Scorer, ...] = ()

    def __post_init__(self) -> None:
        models = [scorer.model_id for scorer in self.active]
        if len(models) != len(set(models)):
            raise ValueError("each voice model has one active scorer")
        profiles = [scorer.profile_id for scorer in self]
        if len(profiles) != len(set(profiles)):
            raise ValueError("each calibration profile is either active or in shadow, and once")

    def __iter__(self) -> Iterator[Scorer]:
        return iter((*self.active, *self.shadow))

    @property
    def model_ids(self) -> frozenset[str]:
        """The voice models of all scorers."""
        return frozenset(scorer.model_id for scorer in self)

    def active_for(self, model_id: str) -> Scorer | None:
        """The active scorer of a voice model."""
        return next((each for each in self.active if each.model_id == model_id), None)

    def of_profile(self, profile_id: str) -> Scorer:
        """The scorer of a calibration profile, active or in shadow.

        Raises:
            ProfileMismatch: this profile is not in use.
        """
        for scorer in self:
            if scorer.profile_id == profile_id:
                return scorer
        used = ", ".join(scorer.profile_id for scorer in self) or "none"
        raise ProfileMismatch(
            f"Calibration profile {profile_id} is not in use (in use: {used}). Activate it, or run it in shadow."
        )
