"""The peers, each run by an interpreter of its own that has them."""

import hashlib
import tempfile
from collections.abc import Callable, Mapping, Sequence
from enum import StrEnum
from pathlib import Path
from typing import Any, Final

import numpy as np
from benchmarks.other_interpreter import OtherInterpreter
from benchmarks.unknown.systems import LEAST_CUSTOMERS, Watched, alerts_of, groups_at_end
from numpy.typing import NDArray

from shengdun.index.archive.rows import ArchivedCall

_WORKER: Final = Path(__file__).with_name("peer_worker.py")
LOOKS: Final = 10
"""How often a system that can't take a call at a time looks at all calls so far."""
_LARGE: Final = 5_000
_LOOKS_IF_LARGE: Final = 2
"""HDBSCAN takes more than a minute over 20,000 calls."""

Projection = Callable[[NDArray[np.float32]], NDArray[np.float32]]


class PeerName(StrEnum):
    """Which peer."""

    COMPONENTS = "components"
    HDBSCAN = "hdbscan"


class PeerProcess(OtherInterpreter):
    """An interpreter that groups voiceprints.

    Args:
        python: with what ``requirements/unknown-peers.lock`` says.
        peer: which.

    Raises:
        PeerUnavailable: the interpreter isn't there, or hasn't the peer.
    """

    def __init__(self, python: Path | str, peer: PeerName) -> None:
        super().__init__(python, _WORKER, peer, name=peer, hint="`make .venv-unknown` installs it")
        self.peer: Final = peer
        self.version: Final = str(self.about["version"])
        self._known: dict[str, tuple[NDArray[np.int64], float]] = {}

    def group(
        self, voiceprints: NDArray[np.float32], options: Mapping[str, Any], looks: Sequence[int]
    ) -> tuple[NDArray[np.int64], float]:
        """What ``_grouped`` says; the second time from memory."""
        asked = repr((sorted(options.items()), list(looks))).encode()
        key = hashlib.blake2b(voiceprints.tobytes() + asked).hexdigest()
        if key not in self._known:
            self._known[key] = self._grouped(voiceprints, options, looks)
        return self._known[key]

    def _grouped(
        self, voiceprints: NDArray[np.float32], options: Mapping[str, Any], looks: Sequence[int]
    ) -> tuple[NDArray[np.int64], float]:
        """What the worker's module says: rows ``step, call, group``, and its own seconds."""
        with tempfile.TemporaryDirectory() as directory:
            given, output = (Path(directory) / name for name in ("given.npy", "told.npy"))
            np.save(given, voiceprints)
            request = {
                "voiceprints": str(given),
                "options": dict(options),
                "looks": list(looks),
                "output": str(output),
            }
            seconds = float(self.ask(request)["seconds"])
            told: NDArray[np.int64] = np.load(output)
        return told, seconds


class Peer:
    """A peer with settings; ``System`` says what its members mean.

    Args:
        process: that does the work.
        label: what the report calls it.
        options: as the worker takes them.
        customers_from: for how many customers a group must have called before it's an alert.
        projection: what is made of voiceprints first, and its name.
    """

    def __init__(
        self,
        process: PeerProcess,
        *,
        label: str,
        options: Mapping[str, Any],
        customers_from: int = LEAST_CUSTOMERS,
        projection: tuple[str, Projection],
    ) -> None:
        self._process = process
        self._label = label
        self._options = options
        self._customers_from = customers_from
        self._projected, self._project = projection

    @property
    def name(self) -> str:
        """What the report calls it."""
        return self._label

    @property
    def version(self) -> str:
        """Of the peer's package."""
        return self._process.version

    @property
    def settings(self) -> str:
        """Its options, and what they were applied to."""
        options = ", ".join(f"{name} {value}" for name, value in self._options.items())
        return f"{options}; {self._projected} voiceprints; from {self._customers_from} customers"

    def watch(self, calls: Sequence[ArchivedCall]) -> Watched:
        """As ``System.watch`` says; the time is the other interpreter's own, without the pipe between."""
        often = LOOKS if len(calls) < _LARGE else _LOOKS_IF_LARGE
        looks = np.unique(np.linspace(0, len(calls), often + 1).astype(int)[1:])
        told, seconds = self._process.group(
            self._project(voiceprints_of(calls)),
            self._options,
            [int(look) for look in looks if look >= LOOKS],
        )
        return Watched(
            alerts=alerts_of(told, calls, customers_from=self._customers_from),
            groups=groups_at_end(told, len(calls)),
            seconds=seconds,
        )


def voiceprints_of(calls: Sequence[ArchivedCall]) -> NDArray[np.float32]:
    """(n, d) voiceprints of calls, which all have one."""
    return np.stack([call.voiceprint for call in calls if call.voiceprint is not None])
