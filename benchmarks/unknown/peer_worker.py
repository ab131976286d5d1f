"""Groups voiceprints as the peers do, in the environment of ``requirements/unknown-peers.lock``.

    python peer_worker.py components|hdbscan

Reads a line of JSON a request, from standard input, and writes a line of JSON for each; the first line that it writes
says its version. It imports nothing of the product. Arrays travel in files.

    {"voiceprints": FILE.npy, "options": {...}, "looks": [n, ...], "output": FILE.npy}     -> {"seconds": s}

``voiceprints`` are (n, d) unit rows in order of time. ``output`` gets (m, 3) int64 rows ``step, call, group``: after
call ``step`` had come, ``call`` was in ``group``. What isn't told again stays; a call that was never told is alone.

``components``: a call is joined to every earlier one with a cosine above ``threshold``, and whatever hangs together is
one group. ``hdbscan``: all calls so far anew at every look, for it can't be done a call at a time; of what it calls
noise every call is alone.
"""

import json
import sys
import time
from collections.abc import Callable, Iterator
from importlib import metadata
from typing import Any, Final, TypeAlias

import numpy as np

Rows: TypeAlias = Any
"""An array; this file runs without the project's types."""
Told: TypeAlias = Iterator[tuple[int, int, int]]

_BLOCK: Final = 512


def components(voiceprints: Rows, options: dict[str, Any], _looks: list[int]) -> Told:
    """Connected components at a fixed threshold, a call at a time."""
    groups: list[list[int]] = [[call] for call in range(len(voiceprints))]
    group_of = list(range(len(voiceprints)))
    for call, near in _neighbours(voiceprints, float(options["threshold"])):
        for other in near:
            one, another = group_of[call], group_of[other]
            if one == another:
                continue
            small, large = sorted((one, another), key=lambda group: (len(groups[group]), -group))
            if len(groups[large]) == 1:
                yield call, groups[large][0], large
            for moved in groups[small]:
                group_of[moved] = large
                yield call, moved, large
            groups[large] += groups[small]
            groups[small] = []


def _neighbours(voiceprints: Rows, threshold: float) -> Iterator[tuple[int, list[int]]]:
    """Every call with those before it that are nearer than the threshold."""
    for start in range(0, len(voiceprints), _BLOCK):
        block = voiceprints[start : start + _BLOCK]
        near = block @ voiceprints[: start + len(block)].T > threshold
        for row, found in enumerate(near):
            call = start + row
            yield call, np.flatnonzero(found[:call]).tolist()


def hdbscan(voiceprints: Rows, options: dict[str, Any], looks: list[int]) -> Told:
    """HDBSCAN (Campello et al., 2013) of all calls so far; on unit rows distances have the order of cosines."""
    import hdbscan as package  # type: ignore[import-not-found]  # noqa: PLC0415 (one system is loaded)

    fresh = 0
    for look in looks:
        clusterer = package.HDBSCAN(metric="euclidean", core_dist_n_jobs=1, **options)
        labels = clusterer.fit_predict(voiceprints[:look].astype(np.float64))
        alone = np.flatnonzero(labels < 0)
        groups = labels.astype(np.int64) + fresh
        fresh += int(labels.max(initial=-1)) + 1
        groups[alone] = fresh + np.arange(len(alone))
        fresh += len(alone)
        for call, group in enumerate(groups.tolist()):
            yield look - 1, call, group


_SYSTEMS: Final[dict[str, Callable[[Rows, dict[str, Any], list[int]], Told]]] = {
    "components": components,
    "hdbscan": hdbscan,
}


def answer(system: str, request: dict[str, Any]) -> dict[str, Any]:
    """Do what one request asks."""
    voiceprints = np.load(request["voiceprints"])
    begun_s = time.perf_counter()
    told = list(_SYSTEMS[system](voiceprints, request["options"], request["looks"]))
    taken_s = time.perf_counter() - begun_s
    np.save(request["output"], np.array(told, np.int64).reshape(-1, 3))
    return {"seconds": taken_s}


def version_of(system: str) -> str:
    """Version of the package; NumPy's for the components, which have no other."""
    name = "hdbscan" if system == "hdbscan" else "numpy"
    return f"{name} {metadata.version(name)}"


def main() -> None:
    system = sys.argv[1]
    print(json.dumps({"version": version_of(system)}), flush=True)
    for line in sys.stdin:
        print(json.dumps(answer(system, json.loads(line))), flush=True)


if __name__ == "__main__":
    main()
