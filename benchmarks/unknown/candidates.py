"""The settings that are tried of every system."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final

import numpy as np
from benchmarks.unknown.calibrating import Fitted
from benchmarks.unknown.ours import LEVELS, Level, Ours, Product
from benchmarks.unknown.peers import Peer, PeerName, PeerProcess, Projection
from benchmarks.unknown.systems import System
from benchmarks.unknown.tuning import Candidate
from numpy.typing import NDArray

from shengdun.index.scoring import Scorer

RAW: Final = "raw"
PROJECTED: Final = "projected"
"""As the product projects them: centred on callers and whitened, which is more than a plain cosine threshold has."""
_THRESHOLDS: Final[Mapping[str, Sequence[float]]] = {
    RAW: (0.6, 0.65, 0.7, 0.75, 0.775, 0.8, 0.825, 0.85, 0.875),
    PROJECTED: (0.45, 0.5, 0.55, 0.575, 0.6, 0.625, 0.65, 0.675, 0.7, 0.75),
}
_CUSTOMERS_FROM: Final = (3, 4, 5, 8)
_CLUSTERS: Final[Sequence[Mapping[str, Any]]] = (
    {"min_cluster_size": 2},
    {"min_cluster_size": 3, "min_samples": 1},
    {"min_cluster_size": 3, "min_samples": 3},
    {"min_cluster_size": 5, "min_samples": 3},
    {"min_cluster_size": 5, "min_samples": 5},
    {"min_cluster_size": 3, "min_samples": 3, "cluster_selection_method": "leaf"},
)


def of_product(product: Product) -> Iterator[Candidate]:
    """The product at every level."""
    for probability in LEVELS:
        yield product_at(product, Level.both(probability))


def product_at(product: Product, level: Level) -> Candidate:
    """The product at one level."""

    def made(fitted: Fitted) -> System:
        return Ours(product, fitted, level)

    return made


def candidates(process: PeerProcess, *, kind: str) -> Iterator[Candidate]:
    """Every setting of a peer over voiceprints of a kind, ``RAW`` or ``PROJECTED``."""
    if process.peer is PeerName.COMPONENTS:
        options: Sequence[Mapping[str, Any]] = [{"threshold": t} for t in _THRESHOLDS[kind]]
    else:
        options = _CLUSTERS
    for each in options:
        for customers in _CUSTOMERS_FROM:
            yield _candidate(process, each, customers, kind)


def _candidate(
    process: PeerProcess, options: Mapping[str, Any], customers: int, kind: str
) -> Candidate:
    def made(fitted: Fitted) -> System:
        return Peer(
            process,
            label=f"{process.peer}, {kind}",
            options=options,
            customers_from=customers,
            projection=(kind, _as_is if kind == RAW else _projection(fitted)),
        )

    return made


def _projection(fitted: Fitted) -> Projection:
    return Scorer(fitted.profile).project


def _as_is(voiceprints: NDArray[np.float32]) -> NDArray[np.float32]:
    return voiceprints
