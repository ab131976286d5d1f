"""Voice models that were converted elsewhere, as they are stored: one ONNX file and the record of its making.

::

    <models>/<name>/conversion.json     the record, sealed with its own SHA-256
    <models>/<name>/graph-<digits>.onnx what it describes; the first 12 digits of its SHA-256

The record is replaced last and in one step, so a model is there as a whole or not at all.
"""

import hashlib
import json
import re
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from shengdun.fingerprint.voice.catalogue import ModelState
from shengdun.fingerprint.voice.durable import replacing
from shengdun.fingerprint.voice.errors import ConversionFailed, ModelAltered, ModelMissing
from shengdun.fingerprint.voice.samples import Seconds
from shengdun.fingerprint.voice.wheels import sha256_of

FORMAT: Final = "shengdun-converted-model/1"
RECORD_FILE: Final = "conversion.json"
ECAPA_TDNN: Final = "ecapa-tdnn"
"""The one kind of network that is converted today."""

_NAME: Final = re.compile(r"[a-z0-9][a-z0-9-]{0,62}")
_SHA256: Final = re.compile(r"[0-9a-f]{64}")
_ID_DIGITS: Final = 12


@dataclass(frozen=True, slots=True, kw_only=True)
class Parity:
    """How well the ONNX file agrees with the library that the network comes from.

    Attributes:
        least_cosine: the least over all stretches of speech.
        least_centred_cosine: the same after the stretches' mean voiceprint was taken out of both sides.
        stretches: how many stretches of speech were compared.
        shortest_s: the shortest of them.
        longest_s: the longest of them.
    """

    least_cosine: float
    least_centred_cosine: float
    stretches: int
    shortest_s: Seconds
    longest_s: Seconds


@dataclass(frozen=True, slots=True, kw_only=True)
class ConversionRecord:
    """What a converted model is and how it was made.

    Attributes:
        name: what settings and commands call it.
        kind: the network.
        checkpoint_sha256: digest of the embedding network's checkpoint; the model id is made from it.
        graph_sha256: digest of the ONNX file.
        dimension: floats in a voiceprint.
        golden: voiceprint of the golden signal by the library, unit length, shape ``(dimension,)``, float32.
        sources: digests of the files that it was made from, by file name.
        versions: of the packages that made it.
        parity: what was compared before it was accepted.
    """

    name: str
    kind: str
    checkpoint_sha256: str
    graph_sha256: str
    dimension: int
    golden: NDArray[np.float32] = field(repr=False, compare=False)
    sources: Mapping[str, str]
    versions: Mapping[str, str]
    parity: Parity

    def __post_init__(self) -> None:
        if not is_name(self.name):
            raise ValueError("a name has small letters, digits and hyphens, 63 at most")
        if self.kind != ECAPA_TDNN:
            raise ValueError(f"this version of Shengdun runs no {self.kind!r}")
        if not all(_SHA256.fullmatch(one) for one in (self.checkpoint_sha256, self.graph_sha256)):
            raise ValueError("a digest is no SHA-256")
        if self.golden.shape != (self.dimension,) or not np.isfinite(self.golden).all():
            raise ValueError("the golden voiceprint is none of this model")

    @property
    def model_id(self) -> str:
        """Name and first 12 hexadecimal digits of the checkpoint's SHA-256."""
        return f"{self.name}@{self.checkpoint_sha256[:_ID_DIGITS]}"

    @property
    def graph_file(self) -> str:
        """The ONNX file's name."""
        return f"graph-{self.graph_sha256[:_ID_DIGITS]}.onnx"


@dataclass(frozen=True, slots=True, kw_only=True)
class ConvertedStatus:
    """One converted model's standing.

    Attributes:
        name: what it is called.
        state: how it stands.
        path: where its ONNX file is, or its record if that can't be read.
        size_bytes: of the ONNX file; 0 without one.
        record: how it was made; None if the record was altered.
    """

    name: str
    state: ModelState
    path: Path
    size_bytes: int
    record: ConversionRecord | None


def is_name(name: str) -> bool:
    """Whether a model may be called so."""
    return _NAME.fullmatch(name) is not None


def store(directory: Path, record: ConversionRecord, graph: bytes) -> Path:
    """Keeps a converted model; whoever calls holds the directory's lock.

    Args:
        directory: the directory of all models.
        record: what it is.
        graph: the ONNX file.

    Returns:
        Where the ONNX file is.

    Raises:
        ConversionFailed: another model has the name.
        OSError: it could not be written.
    """
    home = directory / record.name
    if (home / RECORD_FILE).exists():
        _require_same(home, record)
    home.mkdir(exist_ok=True)
    path = home / record.graph_file
    with replacing(path) as file:
        file.write(graph)
    with replacing(home / RECORD_FILE) as file:
        file.write(json.dumps(_sealed(record), indent=1, ensure_ascii=True).encode("ascii"))
    for other in home.glob("graph-*.onnx"):
        if other != path:
            other.unlink()
    return path


def exists(directory: Path, name: str) -> bool:
    """Whether a converted model of that name is there, usable or not."""
    return is_name(name) and (directory / name / RECORD_FILE).is_file()


def read(directory: Path, name: str) -> ConversionRecord:
    """Reads the record of a converted model.

    Raises:
        ModelMissing: there is no model of that name.
        ModelAltered: the record is not what was written.
    """
    path = directory / name / RECORD_FILE
    try:
        content = path.read_bytes() if is_name(name) else None
    except OSError:
        content = None
    if content is None:
        raise ModelMissing(
            f"There is no voice model {name!r} in {directory}. Make it with `shengdun models convert "
            f"SOURCE --name {name}`, or copy its folder there from where that was done."
        )
    try:
        return _unsealed(json.loads(content), name)
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise ModelAltered(
            f"{path} is not what the conversion wrote: {error}. Find out who changed it, then convert again."
        ) from error


def read_graph(directory: Path, record: ConversionRecord) -> bytes:
    """Reads the ONNX file of a converted model, once, and checks what was read.

    Raises:
        ModelMissing: it is not there.
        ModelAltered: it is not the file that was accepted.
    """
    path = directory / record.name / record.graph_file
    again = "Convert again, or copy the folder again from where that was done."
    try:
        graph = path.read_bytes()
    except OSError as error:
        raise ModelMissing(f"{path} can't be read: {error.strerror}. {again}") from error
    if hashlib.sha256(graph).hexdigest() != record.graph_sha256:
        raise ModelAltered(
            f"{path} is not the file that was converted: its SHA-256 differs. Find out who changed it. {again}"
        )
    return graph


def list_converted(directory: Path) -> list[ConvertedStatus]:
    """Lists the converted models by name; reads every one of them."""
    return [
        _status(directory, path.parent.name) for path in sorted(directory.glob(f"*/{RECORD_FILE}"))
    ]


def _status(directory: Path, name: str) -> ConvertedStatus:
    try:
        record = read(directory, name)
    except (ModelAltered, ModelMissing):
        path = directory / name / RECORD_FILE
        return ConvertedStatus(
            name=name, state=ModelState.ALTERED, path=path, size_bytes=0, record=None
        )
    path = directory / name / record.graph_file
    if not path.is_file():
        state, size_bytes = ModelState.MISSING, 0
    else:
        same = sha256_of(path) == record.graph_sha256
        state, size_bytes = (
            (ModelState.INSTALLED if same else ModelState.ALTERED),
            path.stat().st_size,
        )
    return ConvertedStatus(name=name, state=state, path=path, size_bytes=size_bytes, record=record)


def _require_same(home: Path, record: ConversionRecord) -> None:
    try:
        present = read(home.parent, record.name)
    except (ModelAltered, ModelMissing):
        return  # What can't be used any more may be replaced.
    if present.checkpoint_sha256 != record.checkpoint_sha256:
        raise ConversionFailed(
            f"{record.name} is already another model, {present.model_id}. Give --name, so that both can be used, or "
            f"delete {home} if nothing needs it."
        )


def _sealed(record: ConversionRecord) -> dict[str, Any]:
    content = {
        "format": FORMAT,
        **{key: value for key, value in asdict(record).items() if key != "golden"},
        # Every float32 has an exact decimal form as a float64, so nothing is lost.
        "golden": record.golden.astype(float).tolist(),
    }
    return {**content, "sha256": _digest(content)}


def _unsealed(content: dict[str, Any], name: str) -> ConversionRecord:
    if content.pop("format", None) != FORMAT:
        raise ValueError(f"its format is not {FORMAT}")
    if content.pop("sha256", None) != _digest({"format": FORMAT, **content}):
        raise ValueError("its content does not match its SHA-256")
    if content["name"] != name:
        raise ValueError(f"it is the record of {content['name']}")
    return ConversionRecord(
        **{
            **content,
            "golden": np.array(content["golden"], np.float32),
            "parity": Parity(**content["parity"]),
        }
    )


def _digest(content: dict[str, Any]) -> str:
    text = json.dumps(content, sort_keys=True, ensure_ascii=True, separators=(",", ":"))
    return hashlib.sha256(text.encode("ascii")).hexdigest()
