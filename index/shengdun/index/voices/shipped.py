"""The spreads that ship with this package, one for each voice model that has any, and their files.

A spread belongs to the calibration profile whose projections it was fitted on. It is fitted by
``python -m benchmarks.unknown.default_spread`` on recordings of open licences; what its LLRs are worth is known from
speakers whom no projection had met (decision note 0034).
"""

import json
import zipfile
from collections.abc import Iterator
from dataclasses import replace
from importlib import resources
from pathlib import Path
from typing import Any, ClassVar, Final

import numpy as np

from shengdun.fingerprint.errors import Status
from shengdun.index.errors import IndexRoomError
from shengdun.index.scoring import Scorer
from shengdun.index.voices.spread import Spread

_ARRAYS: Final = ("centre", "axes", "between")
_NUMBERS: Final = ("stray", "stray_brevity", "stray_noise", "scale", "offset")
_UNREADABLE: Final = (ValueError, KeyError, TypeError, EOFError, OSError, zipfile.BadZipFile)


class SpreadMissing(IndexRoomError):
    """No spread is shipped for a voice model, or its file can't be read; voices can't be put together then."""

    status: ClassVar[Status] = Status.FAILED_PRECONDITION
    reason: ClassVar[str] = "SPREAD_MISSING"


def shipped_spread(scorer: Scorer) -> Spread | None:
    """The spread to compare voices with under a calibration profile; None if none is shipped for its voice model.

    Under a site's own profile, whose centre is another, voices are spread around the site's callers. Neither the spread
    nor what its LLRs are worth is fitted anew for the site.

    Raises:
        SpreadMissing: the shipped file can't be read.
    """
    for known, spread in _shipped():
        if known == scorer.model_id:
            return _centred(spread, scorer)
    return None


def default_spread(model_id: str) -> Spread:
    """The spread that ships with this package for a voice model, under its default profile.

    Raises:
        SpreadMissing: there is none, or it can't be read.
    """
    for known, spread in _shipped():
        if known == model_id:
            return spread
    raise SpreadMissing(
        f"No spread of voices is shipped for voice model {model_id}: unknown voices can't be put together with it."
    )


def load_spread(path: Path) -> tuple[str, Spread]:
    """The model id and the spread of a file that ``save_spread`` wrote.

    Raises:
        SpreadMissing: it can't be read.
    """
    try:
        with path.open("rb") as file, np.load(file, allow_pickle=False) as content:
            metadata: dict[str, Any] = json.loads(content["metadata"].tobytes())
            centre, axes, between = (content[name].astype(np.float64) for name in _ARRAYS)
        spread = Spread(
            centre=centre,
            axes=axes,
            between=between,
            stray=float(metadata["stray"]),
            stray_brevity=float(metadata["stray_brevity"]),
            stray_noise=float(metadata["stray_noise"]),
            scale=float(metadata["scale"]),
            offset=float(metadata["offset"]),
        )
        return str(metadata["model_id"]), spread
    except _UNREADABLE as error:
        raise SpreadMissing(f"The spread of voices {path.name} can't be read.") from error


def save_spread(path: Path, spread: Spread, *, model_id: str, provenance: str) -> None:
    """Write a spread, with a word about what it was fitted on; arrays in single precision."""
    metadata = {"model_id": model_id, "provenance": provenance}
    metadata |= {name: getattr(spread, name) for name in _NUMBERS}
    content = np.frombuffer(json.dumps(metadata, sort_keys=True).encode(), np.uint8)
    arrays = {name: getattr(spread, name).astype(np.float32) for name in _ARRAYS}
    path.parent.mkdir(parents=True, exist_ok=True)
    np.savez_compressed(path, metadata=content, **arrays)


def _shipped() -> Iterator[tuple[str, Spread]]:
    folder = resources.files("shengdun.index.voices") / "spreads"
    for entry in sorted(folder.iterdir(), key=lambda item: item.name):
        if entry.name.endswith(".npz"):
            with resources.as_file(entry) as path:
                yield load_spread(path)


def _centred(spread: Spread, scorer: Scorer) -> Spread:
    strangers = scorer.profile.strangers
    if not scorer.profile.is_site or strangers is None:
        return spread
    callers = scorer.project(strangers.voiceprints)
    return replace(spread, centre=callers.mean(axis=0, dtype=np.float64))
