"""Reads PyTorch state dicts without PyTorch, and without running anything that is in them.

A checkpoint is a zip archive with a pickle that describes tensors and one member per storage
(``torch.save``'s zip format). A pickle can name any function and have it called, so this reader
knows a handful of names that tensors need and refuses every other before anything is called.
"""

import io
import pickle
import zipfile
import zlib
from collections import OrderedDict
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from shengdun.fingerprint.voice.errors import UnsafeCheckpoint

StateDict: TypeAlias = Mapping[str, NDArray[Any]]
"""Tensors by name."""

_STORAGE_TYPES = {
    "FloatStorage": np.dtype("<f4"),
    "DoubleStorage": np.dtype("<f8"),
    "HalfStorage": np.dtype("<f2"),
    "LongStorage": np.dtype("<i8"),
    "IntStorage": np.dtype("<i4"),
    "BoolStorage": np.dtype("?"),
}
_LARGEST_MEMBER_BYTES = 1 << 30
# What a damaged archive or pickle can raise: the pickle module promises no closed list.
_DAMAGE = (
    zipfile.BadZipFile,
    zlib.error,
    pickle.UnpicklingError,
    LookupError,
    TypeError,
    ValueError,
    AttributeError,
    ArithmeticError,
    EOFError,
    NotImplementedError,  # of zipfile, for a compression method that a damaged header names
)


def read_state_dict(path: Path, *, section: str | None = None) -> StateDict:
    """Reads the tensors of a checkpoint.

    Args:
        path: a file written by ``torch.save`` whose content is a dict of tensors.
        section: the key that the tensors are under, where the file holds more than them.

    Returns:
        The tensors as arrays, by name, in the file's order.

    Raises:
        UnsafeCheckpoint: the file is no such checkpoint, or names something that is no tensor.
    """
    try:
        with zipfile.ZipFile(path) as archive:
            content = _TensorReader(archive).load()
    except _DAMAGE as error:
        raise UnsafeCheckpoint(
            f"{path.name} is not a readable checkpoint of tensors. Install the model again."
        ) from error
    if section is not None and isinstance(content, dict):
        content = content.get(section)
    if not isinstance(content, dict) or not all(
        isinstance(value, np.ndarray) for value in content.values()
    ):
        raise UnsafeCheckpoint(f"{path.name} holds something other than named tensors.")
    return content


@dataclass(frozen=True, slots=True)
class _Storage:
    """A flat array, as the pickle refers to it."""

    values: NDArray[Any]


class _TensorReader(pickle.Unpickler):
    """An unpickler that can make dicts and arrays, and nothing else."""

    def __init__(self, archive: zipfile.ZipFile) -> None:
        member = next((name for name in archive.namelist() if name.endswith("/data.pkl")), "")
        super().__init__(io.BytesIO(archive.read(member)))
        self._archive = archive
        self._root = member.removesuffix("data.pkl")

    def find_class(self, module_name: str, global_name: str, /) -> Any:  # noqa: ANN401 (as in pickle)
        name = f"{module_name}.{global_name}"
        if name == "collections.OrderedDict":
            return OrderedDict
        if name == "torch._utils._rebuild_tensor_v2":
            return _rebuild_tensor
        if module_name == "torch" and global_name in _STORAGE_TYPES:
            return _STORAGE_TYPES[global_name]
        raise UnsafeCheckpoint(
            f"The checkpoint asks for {name!r}, which is no tensor. It was not read further; "
            "get the file from its publisher again."
        )

    def persistent_load(self, pid: Any, /) -> _Storage:  # noqa: ANN401 (as in pickle)
        kind, dtype, key, _device, count = pid
        if kind != "storage" or not isinstance(dtype, np.dtype):
            raise pickle.UnpicklingError("not a storage")
        info = self._archive.getinfo(f"{self._root}data/{key}")
        if info.file_size != count * dtype.itemsize or info.file_size > _LARGEST_MEMBER_BYTES:
            raise pickle.UnpicklingError("a storage has another size than announced")
        return _Storage(np.frombuffer(self._archive.read(info), dtype))


def _rebuild_tensor(
    storage: _Storage,
    offset: int,
    shape: tuple[int, ...],
    stride: tuple[int, ...],
    *_gradient_and_hooks: object,
) -> NDArray[Any]:
    if min((offset, *shape, *stride), default=0) < 0 or len(shape) != len(stride):
        raise pickle.UnpicklingError("a tensor has a negative offset, size or stride")
    values = storage.values[offset:]
    reach = 1 + sum((size - 1) * step for size, step in zip(shape, stride, strict=True))
    if 0 not in shape and reach > len(values):
        raise pickle.UnpicklingError("a tensor reaches beyond its storage")
    byte_steps = [step * values.itemsize for step in stride]
    view = np.lib.stride_tricks.as_strided(values, shape, byte_steps, writeable=False)
    return np.ascontiguousarray(view).reshape(shape)
