"""Makes an ONNX file of an ECAPA-TDNN that SpeechBrain loads, and accepts it only if both give the same voiceprints.

Needs the extra ``shengdun[ecapa]``, which is imported here and nowhere else, and only when something is converted.
The source has the layout of ``speechbrain/spkrec-ecapa-voxceleb``.
"""

import copy
import hashlib
import importlib
import logging
import re
import tempfile
import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray
from onnx import ModelProto, compose

from shengdun.fingerprint.voice.converted import ECAPA_TDNN, ConversionRecord, Parity, is_name
from shengdun.fingerprint.voice.demo_recordings import DemoRecording
from shengdun.fingerprint.voice.ecapa import FEATURES, INPUT, OUTPUT, Ecapa
from shengdun.fingerprint.voice.errors import ConversionFailed
from shengdun.fingerprint.voice.golden import LEAST_COSINE, golden_signal
from shengdun.fingerprint.voice.recordings import decode_recording
from shengdun.fingerprint.voice.samples import MODEL_RATE_HZ, Samples
from shengdun.fingerprint.voice.wheels import sha256_of

SETTINGS_FILE: Final = "hyperparams.yaml"
CHECKPOINT_FILE: Final = "embedding_model.ckpt"
FILES: Final = (
    SETTINGS_FILE,
    CHECKPOINT_FILE,
    "mean_var_norm_emb.ckpt",
    "classifier.ckpt",
    "label_encoder.txt",
)
"""What a model in the hub's layout consists of."""

_PACKAGES: Final = ("torch", "torchaudio", "speechbrain", "onnxscript")
_OPSET: Final = 18
_STRETCHES: Final = 20
_SHORTEST_S: Final = 0.5
_LONGER_BY_S: Final = 0.6
_LONGEST_S: Final = 1800
_FRAMES_A_SECOND: Final = 100
_FEWEST_FRAMES: Final = _FRAMES_A_SECOND // 10 + 1
_MOST_FRAMES: Final = _FRAMES_A_SECOND * _LONGEST_S + 1
_HUB_NAME: Final = re.compile(r"[A-Za-z0-9][\w.-]*/[A-Za-z0-9][\w.-]*")
# References inside the file, and objects of SpeechBrain's own. HyperPyYAML would call anything else just as well.
_HARMLESS_TAG: Final = re.compile(
    r"!(ref|copy|new:speechbrain\.(dataio|lobes|nnet|processing|utils\.parameter_transfer)\.[\w.]+)"
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Conversion:
    """A converted model that passed.

    Attributes:
        record: what it is.
        graph: the ONNX file.
    """

    record: ConversionRecord
    graph: bytes


def require_packages() -> None:
    """Says what to install when the extra is missing.

    Raises:
        ConversionFailed: a package that conversion needs can't be imported.
    """
    for package in _PACKAGES:
        try:
            importlib.import_module(package)
        except (ImportError, OSError) as error:
            raise ConversionFailed(
                f"A conversion needs the extra `shengdun[ecapa]`, and {package} can't be imported: {error}. Install it "
                "into an environment of its own, `pip install 'shengdun[ecapa]'`; the server does not need it."
            ) from error


def parity_speech(recordings: Sequence[DemoRecording]) -> list[Samples]:
    """Picks 20 recordings and cuts them to as many lengths, from 0.5 to 11.9 s.

    Args:
        recordings: of different people.
    """
    longest = sorted(recordings, key=lambda item: (-item.duration_s, item.key))[:_STRETCHES]
    lengths_s = [_SHORTEST_S + _LONGER_BY_S * number for number in range(len(longest))]
    return [
        decode_recording(item.read()).samples[: round(length_s * MODEL_RATE_HZ)]
        for item, length_s in zip(reversed(longest), lengths_s, strict=True)
    ]


def convert(source: str, *, name: str, speech: Sequence[Samples]) -> Conversion:
    """Converts a model; takes a minute and about 2 GB of memory.

    Args:
        source: a directory in the hub's layout, or the name of a model on the hub, as ``owner/name``.
        name: what the model will be called.
        speech: stretches of real speech of different lengths, three at least, to compare voiceprints on.

    Raises:
        ConversionFailed: a package or a file is missing, the files are none of an ECAPA-TDNN for 16 kHz, or the ONNX
            file gives other voiceprints than SpeechBrain.
    """
    if not is_name(name):
        raise ConversionFailed(
            f"A model can't be called {name!r}. Use small letters, digits and hyphens."
        )
    require_packages()
    with tempfile.TemporaryDirectory(prefix="shengdun-convert-") as scratch, _quiet():
        directory = _collected(source, Path(scratch) / "hub")
        sources = {file: sha256_of(directory / file) for file in FILES}
        encoder = _load(directory, Path(scratch) / "loaded")
        graph = _export(encoder)
    golden = _reference(encoder, golden_signal())
    model_id = f"{name} being converted"
    converted = Ecapa(graph, model_id=model_id, dimension=len(golden))
    record = ConversionRecord(
        name=name,
        kind=ECAPA_TDNN,
        checkpoint_sha256=sources[CHECKPOINT_FILE],
        graph_sha256=hashlib.sha256(graph).hexdigest(),
        dimension=len(golden),
        golden=golden,
        sources=sources,
        versions={package: version(package) for package in (*_PACKAGES, "shengdun")},
        parity=_compare(encoder, converted, speech),
    )
    return Conversion(record=record, graph=graph)


def _collected(source: str, scratch: Path) -> Path:
    if Path(source).is_dir():
        directory = Path(source).resolve()
    elif _HUB_NAME.fullmatch(source):
        directory = _downloaded(source, scratch)
    else:
        raise ConversionFailed(f"There is no directory {source}.")
    missing = [file for file in FILES if not (directory / file).is_file()]
    if missing:
        raise ConversionFailed(
            f"{source} has not the layout of speechbrain/spkrec-ecapa-voxceleb: {', '.join(missing)} missing."
        )
    return directory


def _downloaded(name: str, scratch: Path) -> Path:
    hub = importlib.import_module("huggingface_hub")
    try:
        hub.snapshot_download(name, allow_patterns=list(FILES), local_dir=scratch)
    except Exception as error:  # the client of the hub promises no closed list
        raise ConversionFailed(
            f"There is no directory {name}, and the hub did not give a model of that name: {type(error).__name__}. "
            f"Without a network, fetch {', '.join(FILES)} elsewhere and give their directory."
        ) from error
    return scratch


def _load(directory: Path, scratch: Path) -> Any:  # noqa: ANN401 (no types published)
    content = (directory / SETTINGS_FILE).read_text("utf-8", "replace")
    _require_harmless(content)
    own_place = {"pretrained_path": str(directory)} if "pretrained_path" in _keys(content) else {}
    speaker = importlib.import_module("speechbrain.inference.speaker")
    try:
        encoder = speaker.EncoderClassifier.from_hparams(
            source=str(directory),
            savedir=str(scratch),
            overrides=own_place,
            run_opts={"device": "cpu"},
        ).eval()
        rate_hz = encoder.mods.compute_features.compute_STFT.sample_rate
        named = type(encoder.mods.embedding_model).__name__
    except Exception as error:  # anything can come out of files that nobody has checked
        raise ConversionFailed(
            f"SpeechBrain can't load {directory}: {type(error).__name__}: {error}. Fetch it again from its publisher."
        ) from error
    if (rate_hz, named) != (MODEL_RATE_HZ, "ECAPA_TDNN"):
        raise ConversionFailed(
            f"{directory} is {named} for {rate_hz} Hz; an ECAPA_TDNN for {MODEL_RATE_HZ} Hz is needed."
        )
    return encoder


def _require_harmless(content: str) -> None:
    strange = sorted({tag for tag in _tags(content) if not _HARMLESS_TAG.fullmatch(tag)})
    if strange:
        raise ConversionFailed(
            f"{SETTINGS_FILE} asks for more than SpeechBrain's own objects: {', '.join(strange)}. It was not loaded; "
            "get it from its publisher again."
        )


def _events(content: str) -> Iterator[Any]:
    yaml = importlib.import_module("ruamel.yaml")
    try:
        yield from yaml.YAML(typ="safe", pure=True).parse(content)
    except yaml.error.YAMLError as error:
        raise ConversionFailed(
            f"{SETTINGS_FILE} is no YAML: {error.__class__.__name__}."
        ) from error


def _tags(content: str) -> Iterator[str]:
    yield from (str(event.tag) for event in _events(content) if getattr(event, "tag", None))


def _keys(content: str) -> set[str]:
    return {str(getattr(event, "value", "")) for event in _events(content)}


def _export(encoder: Any) -> bytes:  # noqa: ANN401 (no types published)
    torch = importlib.import_module("torch")

    class Spectra(torch.nn.Module):  # type: ignore[misc, name-defined] # the base is known at run time only
        """The short-time Fourier transform as one convolution: ONNX Runtime takes ten times as long for its own."""

        def __init__(self, stft: Any) -> None:  # noqa: ANN401 (SpeechBrain's)
            super().__init__()
            bins = stft.n_fft // 2 + 1
            left = (stft.n_fft - stft.win_length) // 2
            right = stft.n_fft - stft.win_length - left
            window = torch.nn.functional.pad(stft.window.double(), (left, right))
            times = torch.arange(stft.n_fft, dtype=torch.float64)
            angles = torch.outer(torch.arange(bins), times) * (2 * torch.pi / stft.n_fft)
            kernels = torch.cat([torch.cos(angles), -torch.sin(angles)]) * window
            self.register_buffer("kernels", kernels.float()[:, None])
            self.bins, self.hop, self.margin = bins, stft.hop_length, stft.n_fft // 2
            self.pad_mode = stft.pad_mode

        def forward(self, samples: Any) -> Any:  # noqa: ANN401 (tensors)
            margins = (self.margin, self.margin)
            padded = torch.nn.functional.pad(samples[:, None], margins, mode=self.pad_mode)
            parts = torch.nn.functional.conv1d(padded, self.kernels, stride=self.hop)
            return parts.unflatten(1, (2, self.bins)).permute(0, 3, 2, 1)

    class Features(torch.nn.Module):  # type: ignore[misc, name-defined]
        def __init__(self) -> None:
            super().__init__()
            self.features = copy.copy(encoder.mods.compute_features)
            self.features._modules = dict(self.features._modules)  # noqa: SLF001 (so that the encoder keeps its own)
            self.features.compute_STFT = Spectra(self.features.compute_STFT)
            self.norm = encoder.mods.mean_var_norm

        def forward(self, samples: Any) -> Any:  # noqa: ANN401 (tensors)
            return self.norm(self.features(samples), torch.ones(1))

    class Network(torch.nn.Module):  # type: ignore[misc, name-defined]
        def __init__(self) -> None:
            super().__init__()
            self.network = encoder.mods.embedding_model

        def forward(self, features: Any) -> Any:  # noqa: ANN401 (tensors)
            # Without lengths every frame counts, as with the full length that `encode_batch` gives.
            return self.network(features).squeeze(1)

    samples = torch.zeros(1, 3 * MODEL_RATE_HZ)
    length = torch.export.Dim("n", min=MODEL_RATE_HZ // 10, max=MODEL_RATE_HZ * _LONGEST_S)
    frames = torch.export.Dim("frames", min=_FEWEST_FRAMES, max=_MOST_FRAMES)
    front = _exported(Features().eval(), samples, length, names=(INPUT, FEATURES))
    features = Features().eval()(samples)
    network = _exported(Network().eval(), features, frames, names=(FEATURES, OUTPUT))
    # Exported as one, the network would ask the samples how many frames there are, and couldn't be cut out of the file.
    whole = compose.merge_models(
        front,
        compose.add_prefix(network, "of_", rename_inputs=False, rename_outputs=False),
        io_map=[(FEATURES, FEATURES)],
        outputs=[OUTPUT, FEATURES],
    )
    for node in [*whole.graph.node, *(node for part in whole.functions for node in part.node)]:
        # Where in whose source each operation comes from, with the paths of this machine.
        del node.metadata_props[:]
    return bytes(whole.SerializeToString(deterministic=True))


def _exported(module: Any, given: Any, length: Any, *, names: tuple[str, str]) -> ModelProto:  # noqa: ANN401
    torch = importlib.import_module("torch")
    try:
        program = torch.onnx.export(
            module,
            (given,),
            dynamo=True,
            opset_version=_OPSET,
            input_names=[names[0]],
            output_names=[names[1]],
            dynamic_shapes=({1: length},),
            verbose=False,
        )
    except Exception as error:  # the exporter promises no closed list
        raise ConversionFailed(
            f"PyTorch {torch.__version__} can't export the network: {type(error).__name__}. Use the versions of "
            "requirements/ecapa.lock."
        ) from error
    return program.model_proto


def _reference(encoder: Any, samples: Samples) -> NDArray[np.float32]:  # noqa: ANN401 (no types published)
    """Has SpeechBrain itself embed one stretch; unit length, shape ``(dimension,)``."""
    torch = importlib.import_module("torch")
    with torch.no_grad():
        embedding = encoder.encode_batch(torch.from_numpy(samples)[None])[0, 0].numpy()
    return np.asarray(embedding / np.linalg.norm(embedding), np.float32)


def _compare(encoder: Any, converted: Ecapa, speech: Sequence[Samples]) -> Parity:  # noqa: ANN401
    expected = np.stack([_reference(encoder, samples) for samples in speech])
    found = converted.embed(speech)
    mean = expected.mean(axis=0)
    lengths_s = [len(samples) / MODEL_RATE_HZ for samples in speech]
    parity = Parity(
        least_cosine=_least_cosine(expected, found),
        # A network that says nearly the same of everyone would agree however wrong its front end is.
        least_centred_cosine=_least_cosine(expected - mean, found - mean),
        stretches=len(speech),
        shortest_s=min(lengths_s),
        longest_s=max(lengths_s),
    )
    if not min(parity.least_cosine, parity.least_centred_cosine) >= LEAST_COSINE:
        raise ConversionFailed(
            f"The ONNX file gives other voiceprints than SpeechBrain: cosine {parity.least_cosine:.6f}, "
            f"{parity.least_centred_cosine:.6f} without their mean; at least {LEAST_COSINE} is right. It was not kept; "
            "use the versions of requirements/ecapa.lock."
        )
    return parity


def _least_cosine(rows: NDArray[np.float32], others: NDArray[np.float32]) -> float:
    products = np.sum(rows.astype(np.float64) * others, axis=1)
    with np.errstate(invalid="ignore"):
        return float(
            (products / np.linalg.norm(rows, axis=1) / np.linalg.norm(others, axis=1)).min()
        )


@contextmanager
def _quiet() -> Iterator[None]:
    """Keeps back what the packages warn and log about themselves."""
    loggers = [logging.getLogger(one) for one in ("torch.onnx", "speechbrain")]
    levels = [logger.level for logger in loggers]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        for logger in loggers:
            logger.setLevel(logging.ERROR)
        try:
            yield
        finally:
            for logger, level in zip(loggers, levels, strict=True):
                logger.setLevel(level)
