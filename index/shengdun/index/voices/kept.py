"""The sealed file of how calls were put together into voices, one a voice model, so that a start need not do it again.

It has call ids and nothing else of calls. It can always be made anew, so a file that can't be read, or can't be written
without what was erased, is done without.
"""

import json
from base64 import b64decode, b64encode
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

import numpy as np
from numpy.typing import NDArray

from shengdun.index.durable_files import ASIDE, remove_left_aside, replace_file
from shengdun.index.errors import IndexRoomError
from shengdun.index.keys import KeyRing
from shengdun.index.traces import Traces
from shengdun.index.voices.columns import Hashes, Numbers, microseconds, text_hash

_SUFFIX: Final = ".clusters"
_EPOCH: Final = datetime.fromtimestamp(0, UTC)


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class KeptVoices:
    """What the file has.

    Attributes:
        through: calls that ended until then are in it as they were put together.
        state: as ``VoiceClusters.state`` gave it.
        held: hashes of all calls that were in the window, in order; None of an earlier file, which doesn't tell.
        problem: why there is none that can be used; empty if there is, or none was ever written.
    """

    through: datetime = _EPOCH
    state: dict[str, tuple[str, ...]] = field(default_factory=dict)
    held: Hashes | None = None
    problem: str = ""

    def has(self, call_ids: Sequence[str], ended_us: Numbers) -> NDArray[np.bool_]:
        """Which calls are in it as they were put together; not by when they ended, as calls of the past come late."""
        if self.held is None:
            known: NDArray[np.bool_] = ended_us <= microseconds(self.through)
            return known
        asked = np.array([text_hash(call_id) for call_id in call_ids], np.uint64)
        if not len(self.held):
            return np.zeros(len(asked), np.bool_)
        at = np.minimum(np.searchsorted(self.held, asked), len(self.held) - 1)
        found: NDArray[np.bool_] = self.held[at] == asked
        return found


class VoicesFile:
    """The file of one voice model. Its methods block for the time of a file.

    Args:
        directory: for these files alone; made when something is written.
        model_id: the voice model.
        keys: seal it.
    """

    def __init__(self, directory: Path, model_id: str, keys: KeyRing) -> None:
        self._directory = directory
        self._model_id = model_id
        self._keys = keys
        self._path = directory / f"{model_id}{_SUFFIX}"

    def read(self) -> KeptVoices:
        """What it has."""
        try:
            return _opened(self._path, self._model_id, self._keys)
        except FileNotFoundError:
            return KeptVoices()
        except (OSError, IndexRoomError, ValueError, KeyError, TypeError) as error:
            return KeptVoices(problem=str(error))

    def write(self, state: dict[str, tuple[str, ...]], *, held: Hashes | None = None) -> None:
        """Replace it; if that can't be done, it is removed. Raises ``OSError``.

        Args:
            state: as ``VoiceClusters.state`` gives it.
            held: hashes of all calls of the window, in order; without them those count that have ended by now.
        """
        content: dict[str, object] = {"through": datetime.now(UTC).isoformat(), "clusters": state}
        if held is not None:
            content["held"] = b64encode(held.tobytes()).decode()
        sealed = self._keys.seal(json.dumps(content).encode(), _place(self._model_id))
        self._directory.mkdir(mode=0o700, parents=True, exist_ok=True)
        try:
            replace_file(self._path, sealed)
        except OSError:
            # What is in it may have been erased since.
            self._path.unlink(missing_ok=True)
            raise

    def remove_others(self) -> None:
        """Remove those of other voice models, of which nobody takes out what is erased, and what was left half-way."""
        remove_left_aside(self._directory)
        for path in self._directory.glob(f"*{_SUFFIX}"):
            if path != self._path:
                path.unlink(missing_ok=True)


def files_naming(directory: Path, keys: KeyRing, receipt_names: Callable[[str], bool]) -> Traces:
    """The files, of any voice model and also left half-way, that have calls which are to be gone; blocks.

    Args:
        directory: of the files; needn't be there.
        keys: open them.
        receipt_names: whether a call, by its id, is to be gone.
    """
    found: list[str] = []
    problems: list[str] = []
    for pattern in (f"*{_SUFFIX}", ASIDE):
        for path in sorted(directory.glob(pattern)):
            model_id = path.name.removeprefix(".").partition(_SUFFIX)[0]
            try:
                kept = _opened(path, model_id, keys)
            except FileNotFoundError:
                continue
            except (OSError, IndexRoomError, ValueError, KeyError, TypeError):
                problems.append(f"the file of voices {path.name} can't be opened")
                continue
            calls = sum(receipt_names(one) for calls in kept.state.values() for one in calls)
            if calls:
                found.append(f"the file of voices {path.name} has {calls} of the calls")
    return Traces(found=tuple(found), problems=tuple(problems))


def _opened(path: Path, model_id: str, keys: KeyRing) -> KeptVoices:
    content = json.loads(keys.unseal(path.read_bytes(), _place(model_id)))
    state = {name: tuple(calls) for name, calls in content["clusters"].items()}
    held = content.get("held")
    return KeptVoices(
        through=datetime.fromisoformat(content["through"]),
        state=state,
        held=None if held is None else np.frombuffer(b64decode(held), np.uint64),
    )


def _place(model_id: str) -> bytes:
    return f"voices/{model_id}".encode()
