import io
import pickle
import subprocess
import zipfile
from collections import OrderedDict
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from shengdun.fingerprint.voice.catalogue import CAMPPLUS
from shengdun.fingerprint.voice.checkpoint import read_state_dict
from shengdun.fingerprint.voice.errors import UnsafeCheckpoint
from shengdun.fingerprint.voice.model_store import ModelStore


def write_checkpoint(path: Path, content: bytes, storages: dict[str, bytes] | None = None) -> Path:
    """Writes a zip archive in the layout of ``torch.save``."""
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("archive/data.pkl", content)
        for key, data in (storages or {}).items():
            archive.writestr(f"archive/data/{key}", data)
    return path


def tensor_pickle(shape: str, stride: str, offset: int, count: int) -> bytes:
    """Writes the pickle of one tensor ``w`` in protocol 0, as text."""
    return (
        "(dVw\nctorch._utils\n_rebuild_tensor_v2\n"
        "((Vstorage\nctorch\nFloatStorage\nV0\nVcpu\n"
        f"I{count}\ntQI{offset}\n{shape}{stride}I00\nccollections\nOrderedDict\n)RtRs."
    ).encode()


def test_released_checkpoint_is_read(model_store: ModelStore) -> None:
    """The released CAM++ gives its tensors with their shapes and finite values."""
    state = read_state_dict(model_store.verify(CAMPPLUS.name))
    assert len(state) == 937
    assert state["xvector.dense.linear.weight"].shape == (192, 1024, 1)
    assert all(np.isfinite(tensor).all() for tensor in state.values())


def test_strides_and_offsets_are_followed(tmp_path: Path) -> None:
    """A transposed view into a storage comes out as that view."""
    values = np.arange(8, dtype=np.float32)
    content = tensor_pickle("(I2\nI3\nt", "(I1\nI2\nt", 1, 8)
    path = write_checkpoint(tmp_path / "model.pt", content, {"0": values.tobytes()})
    expected = np.array([[1, 3, 5], [2, 4, 6]], np.float32)
    assert np.array_equal(read_state_dict(path)["w"], expected)


@pytest.mark.parametrize(
    "content",
    [
        tensor_pickle("(I3\nI3\nt", "(I3\nI1\nt", 0, 8),
        tensor_pickle("(I2\nt", "(I1\nt", 7, 8),
        tensor_pickle("(I2\nt", "(I-1\nt", 0, 8),
        tensor_pickle("(I2\nt", "(I1\nt", -4, 8),
        tensor_pickle("(I2\nt", "(I1\nt", 0, 9),
    ],
    ids=["beyond", "offset", "backwards", "negative-offset", "size"],
)
def test_tensors_stay_within_their_storage(tmp_path: Path, content: bytes) -> None:
    """A tensor that would reach beyond its storage is refused, not read from other memory."""
    path = write_checkpoint(tmp_path / "model.pt", content, {"0": bytes(32)})
    with pytest.raises(UnsafeCheckpoint):
        read_state_dict(path)


class _Call:
    """Pickles as a call of a function."""

    def __init__(self, function: Callable[..., object], argument: object) -> None:
        self._call = (function, (argument,))

    def __reduce__(self) -> tuple[Callable[..., object], tuple[object]]:
        return self._call


@pytest.mark.parametrize(
    ("function", "named"),
    [(eval, "eval"), (subprocess.check_call, "check_call"), (io.FileIO, "FileIO")],
)
def test_nothing_in_a_checkpoint_is_run(
    tmp_path: Path, function: Callable[..., object], named: str
) -> None:
    """A checkpoint that wants a function called is refused by the function's name."""
    victim = tmp_path / "victim"
    victim.write_text("kept")
    argument = f"__import__('os').remove({str(victim)!r})" if function is eval else str(victim)
    content = pickle.dumps(OrderedDict(weight=_Call(function, argument)), protocol=2)
    path = write_checkpoint(tmp_path / "model.pt", content)
    with pytest.raises(UnsafeCheckpoint, match=named):
        read_state_dict(path)
    assert victim.read_text() == "kept"


@pytest.mark.parametrize(
    "content",
    [b"", b"not a pickle", pickle.dumps([1, 2]), pickle.dumps({"a": 1})],
    ids=["empty", "text", "list", "numbers"],
)
def test_what_is_no_state_dict_is_refused(tmp_path: Path, content: bytes) -> None:
    """Damaged pickles and pickles of something else are refused."""
    with pytest.raises(UnsafeCheckpoint):
        read_state_dict(write_checkpoint(tmp_path / "model.pt", content))


def test_what_is_no_archive_is_refused(tmp_path: Path) -> None:
    """A file that is no zip archive, or one without a pickle, is refused."""
    path = tmp_path / "model.pt"
    path.write_bytes(b"weights")
    with pytest.raises(UnsafeCheckpoint):
        read_state_dict(path)
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("readme", "no model")
    with pytest.raises(UnsafeCheckpoint):
        read_state_dict(path)
