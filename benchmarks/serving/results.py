"""How results are summed up and written."""

import json
import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final

import numpy as np
from benchmarks.network.measure import provenance

_RESAMPLES: Final = 1_000
_INTERVAL: Final = (2.5, 97.5)
_SEED: Final = 20_261_127


def summed_up(values: Sequence[float]) -> dict[str, Any]:
    """Median of repetitions with its 95 % interval by resampling, and all of them."""
    given = np.array(values)
    drawn = np.random.default_rng(_SEED).integers(0, len(given), (_RESAMPLES, len(given)))
    low, high = np.percentile(np.median(given[drawn], axis=1), _INTERVAL)
    return {
        "median": float(np.median(given)),
        "interval": [float(low), float(high)],
        "repetitions": [float(value) for value in values],
    }


def load_average() -> list[float]:
    """Of the machine over 1, 5 and 15 minutes: more than what was measured ran on it."""
    return [round(one, 2) for one in os.getloadavg()]


def write(output: Path, result: dict[str, Any]) -> None:
    """A result with what it was measured with; the load is that at the end."""
    output.parent.mkdir(parents=True, exist_ok=True)
    whole = {**provenance(), "load_average_after": load_average(), **result}
    output.write_text(json.dumps(whole, indent=1, ensure_ascii=False) + "\n", "utf-8")
