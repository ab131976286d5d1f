"""Fit the map from shared passages to likelihood ratios, on the half that no figure comes from.

    python -m benchmarks.text.calibrate CORPUS

Prints the coefficients of ``ScriptCoefficients``. Texts that use a script are the benchmark's trials, all kinds and
shares but errors in more than a fifth of the characters. Texts that use none are the innocent texts as they are, cut
short and laid end to end, each with its best script: so the ratio is honest about the script that is told, and not
about one drawn by lot. The ratio has two factors: how much more often texts that use a script share anything with it,
and, where something is shared, what it's worth, all passages together: too few texts share several with so few scripts to
tell what further ones should count. What grows with the number of scripts isn't fitted here. Limits are those that so many texts can vouch for (decision 0012).
"""

import argparse
import statistics
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Final

import numpy as np
from benchmarks.text.corpora import Innocent, innocents, read_units
from benchmarks.text.families import Half, read_families, registered
from benchmarks.text.homophones import Homophones
from benchmarks.text.trials import Planting, cells
from numpy.typing import NDArray

from shengdun.fingerprint.text.normalise import normalise
from shengdun.index.accuracy.measures import trust_limits
from shengdun.index.fitting.regression import Trials, fit_llr
from shengdun.index.scripts.evidence import DEFAULT_COEFFICIENTS
from shengdun.index.scripts.matching import ScriptIndex

Floats = NDArray[np.float64]

SEED: Final = 1
TRIALS_PER_CELL: Final = 60
HIGHEST_RATE: Final = 0.2
LENGTHS: Final = (60, 200, 4_000, 16_000)
"""Characters that innocent texts are cut to or laid together to, beside their own."""
PRIORS: Final = (0.5, 0.001)
"""Where the ratio is to be right: in the middle, and where one text in a thousand follows a script."""


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("corpus", type=Path)
    units = read_units(parser.parse_args().corpus)
    families = read_families()
    scripts = registered(families)
    index = ScriptIndex(coefficients=replace(DEFAULT_COEFFICIENTS, customary=0.0))
    index.extend(scripts.items())
    hosts = innocents(units, Half.FIT, SEED)
    own = [family for family in families if family.half is Half.FIT]
    planting = Planting(own, hosts, Homophones(unit.text for unit in units), SEED)
    used = [
        (trial.text, trial.script_id)
        for cell in cells()
        if cell.rate <= HIGHEST_RATE
        for trial in planting.trials(cell, TRIALS_PER_CELL)
    ]
    lengths = {name: len(normalise(text).text) for name, text in scripts.items()}
    positive = np.array([_row(index, text, name, lengths) for text, name in used])
    negative = np.array([_row(index, text, None, lengths) for text in _of_all_lengths(hosts)])
    _tell(positive, negative)


def _row(
    index: ScriptIndex, text: str, wanted: str | None, lengths: dict[str, int]
) -> tuple[float, float, float]:
    """What the coefficients multiply, of the script that is wanted or, with None, the best.

    Where no passage is shared, nothing is, with a script of middling length.
    """
    own = (match for match in index.match(text) if wanted in (None, match.script_id))
    match = next(own, None)
    length = lengths[match.script_id] if match else statistics.median(lengths.values())
    possible = float(np.log(len(normalise(text).text)) + np.log(length))
    return 1.0, match.worth if match else 0.0, -possible


def _of_all_lengths(hosts: Sequence[Innocent]) -> Iterator[str]:
    yield from (host.text for host in hosts)
    for length in LENGTHS:
        together = max(length * len(hosts) // sum(len(host.text) for host in hosts), 1)
        for first in range(0, len(hosts) - together + 1, together):
            yield "".join(host.text for host in hosts[first : first + together])[:length]


def _fitted(positive: Floats, negative: Floats) -> Floats:
    """Offset, slope and chance: a fit where something is shared, and what it says that something is."""
    sharing = [rows[rows[:, 1] > 0.0] for rows in (positive, negative)]
    features = np.concatenate(sharing)
    is_target = np.arange(len(features)) < len(sharing[0])
    fitted = fit_llr(
        Trials(features=features, is_target=is_target, weights=np.ones(len(features))),
        priors=PRIORS,
    )
    shares = [
        len(some) / len(rows) for some, rows in zip(sharing, (positive, negative), strict=True)
    ]
    fitted[0] += np.log(shares[0] / shares[1])
    return fitted


def _tell(positive: Floats, negative: Floats) -> None:
    fitted = _fitted(positive, negative)
    uses, uses_none = positive @ fitted, negative @ fitted
    floor, cap = trust_limits(uses, uses_none)
    offset, slope, chance = fitted.tolist()
    print(f"offset={offset:.3f}, slope={slope:.4f}, chance={chance:.4f}, {floor=:.2f}, {cap=:.2f}")
    print(f"of {len(positive)} texts that use a script and {len(negative)} that don't")
    for name, rows in (("use one", uses), ("don't", uses_none)):
        marks = np.quantile(rows, (0.001, 0.01, 0.5, 0.99, 0.999))
        print(f"{name}: " + ", ".join(f"{mark:.1f}" for mark in marks.tolist()))


if __name__ == "__main__":
    main()
