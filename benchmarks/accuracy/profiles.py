"""The calibration profile that a corpus may be scored by: none that was fitted on it."""

from functools import cache
from pathlib import Path

from benchmarks.accuracy.systems import ProfileOf

from shengdun.index.calibration import CalibrationProfile, default_profile, load

HELD_OUT = Path(__file__).with_name("held_out")
"""For every corpus that the default profile was fitted on, the one that would ship if that corpus didn't exist
(``benchmarks/calibration/held_out.py`` makes them)."""


def shipped_profiles(model_id: str, directory: Path = HELD_OUT) -> ProfileOf:
    """The default profile, and for a corpus that it was fitted on the one that was fitted without.

    Raises:
        ProfileMismatch: nothing is shipped for this model.
    """
    default = default_profile(model_id)

    @cache
    def of(corpus: str) -> CalibrationProfile:
        path = directory / f"{corpus}.npz"
        if not corpus or not path.is_file():
            return default
        profile = load(path)
        profile.require_model(model_id)
        return profile

    return lambda corpus, _speakers: of(corpus)
