"""Keep, for every corpus that the default profile was fitted on, the profile that would ship without it.

    python benchmarks/calibration/held_out.py WINDOWS OUTPUT

``WINDOWS`` is what ``extract.py`` wrote and ``fit.py`` fitted on. The comparison with peers scores those corpora by
these profiles, so that nobody is scored by a profile that has met them.
"""

import argparse
from dataclasses import replace
from pathlib import Path

from fit import SHIPPED, held_out_profile, read_study

from shengdun.index.calibration import CalibrationProfile, LlrCoefficients, default_profile


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("windows", type=Path)
    parser.add_argument("output", type=Path)
    arguments = parser.parse_args()
    study = read_study(arguments.windows)
    shipped = default_profile(next(iter(study.corpora.values())).model_id)
    arguments.output.mkdir(parents=True, exist_ok=True)
    for name in study.open_names:
        profile = as_shipped(held_out_profile(study, SHIPPED, name), shipped)
        profile.save(arguments.output / f"{name}.npz")
        print(f"{name}: {profile.profile_id}", flush=True)


def as_shipped(profile: CalibrationProfile, shipped: CalibrationProfile) -> CalibrationProfile:
    """With maps held to the limits of the profile that ships: how far they may go is a matter of all data there is."""
    assert profile.site_coefficients is not None
    assert shipped.site_coefficients is not None
    return replace(
        profile,
        coefficients=_within(profile.coefficients, shipped.coefficients),
        site_coefficients=_within(profile.site_coefficients, shipped.site_coefficients),
    )


def _within(fitted: LlrCoefficients, limits: LlrCoefficients) -> LlrCoefficients:
    return replace(fitted, floor=limits.floor, cap=limits.cap)


if __name__ == "__main__":
    main()
