"""What users get: the profile and the spread of the package, in place of what is fitted on speakers of one side."""

from collections.abc import Callable, Sequence
from pathlib import Path

from benchmarks.unknown.calibrating import SHIPPED_WORTH, Fitted, fit_under
from benchmarks.unknown.default_spread import open_corpora
from benchmarks.unknown.hearing import Voice

from shengdun.index.calibration import default_profile
from shengdun.index.voices.shipped import default_spread


def as_shipped(model_id: str) -> Fitted:
    """The default profile of a voice model, and the spread under it."""
    return Fitted(profile=default_profile(model_id), spread=default_spread(model_id))


def fitting_as_shipped(
    corpus: Path, *, model_id: str, seed: int
) -> Callable[[Sequence[Voice]], Fitted]:
    """How the shipped spread is fitted, for rehearsals: on those of some voices whose corpora have an open licence.

    The profile has met most of the rehearsed speakers as it has met those who are
    evaluated; of corpora without an open licence it has met nobody.
    """
    profile, able = default_profile(model_id), open_corpora(corpus)

    def fitted(voices: Sequence[Voice]) -> Fitted:
        known = [voice for voice in voices if voice.person.corpus in able]
        return Fitted(
            profile=profile, spread=fit_under(profile, known, seed=seed, worth=SHIPPED_WORTH)
        )

    return fitted
