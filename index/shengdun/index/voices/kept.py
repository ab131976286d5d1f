"""The sealed file of how calls were put together into voices, one a voice model, so that a start need not do it again.

It has call ids and nothing else of calls. It can always be made anew, so a file that can't be read, or can't be written
without what was erased, is done without.
"""

import json
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

from shengdun.index.durable_files import ASIDE, remove_left_aside, replace_file
from shengdun.index.errors import IndexRoomError
from shengdun.index.keys import KeyRing
from shengdun.index.traces import Traces

_SUFFIX: Final = ".clusters"
_EPOCH: Final = datetime.fromtimestamp(0, UTC)


@dataclass(frozen=True, slots=True, kw_only=True)
class KeptVoices:
    """What the file has.

    Attributes:
        through: calls that ended until then are in it as they were put together.
        state: as ``VoiceClusters.state`` gave it.
        problem: why there is none that can be used; empty if there is, or none was ever written.
    """

    through: datetime = _EPOCH
    state: dict[str, tuple[str, ...]] = field(default_factory=dict)
    problem: str = ""


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

    def write(self, state: dict[str, tuple[str, ...]]) -> None:
        """Replace it; if that can't be done, it is removed. Raises ``OSError``."""
        content = {"through": datetime.now(UTC).isoformat(), "clusters": state}
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
    return KeptVoices(through=datetime.fromisoformat(content["through"]), state=state)


def _place(model_id: str) -> bytes:
    return f"voices/{model_id}".encode()
