"""A checkpoint that is no good, or not this store's, is told and done without."""

import os
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from fixtures.checkpoints import (
    checkpoints,
    fill,
    is_from_checkpoint,
    opened,
    write,
)
from fixtures.store import (
    best_actor,
    make_scorer,
    new_actor,
    template,
    voice,
)
from shengdun.index.checkpoint_file import read_header
from shengdun.index.checkpoints import Checkpointing
from shengdun.index.embedded import EmbeddedStore
from shengdun.index.journal import CHECKPOINT_KEYS
from shengdun.index.reading import StoreReading
from shengdun.index.registry import Registry
from shengdun.index.scoring import Scorer
from shengdun.index.sketches import SketchForm
from shengdun.index.store import Store, StoreSettings


def truncate(file: Path) -> None:
    os.truncate(file, file.stat().st_size // 2)


def truncate_between_parts(file: Path) -> None:
    content = file.read_bytes()
    start = content.index(b"\n") + 1
    length = int.from_bytes(content[start : start + 8], "big")
    file.write_bytes(content[: start + 8 + length])


def flip_the_last_byte(file: Path) -> None:
    content = bytearray(file.read_bytes())
    content[-1] ^= 1
    file.write_bytes(content)


def claim_another_length(file: Path) -> None:
    content = bytearray(file.read_bytes())
    start = content.index(b"\n") + 1
    content[start : start + 8] = b"\xff" * 8
    file.write_bytes(content)


def claim_another_entry(file: Path) -> None:
    line, _, rest = file.read_bytes().partition(b"\n")
    sequence = f'"sequence": {read_header(file).sequence}'.encode()
    file.write_bytes(line.replace(sequence, b'"sequence": 3') + b"\n" + rest)


def be_of_another_version(file: Path) -> None:
    line, _, rest = file.read_bytes().partition(b"\n")
    file.write_bytes(line.replace(b'"format": 2', b'"format": 0') + b"\n" + rest)


def be_no_checkpoint(file: Path) -> None:
    file.write_bytes(b"\x00" * 100)


def be_a_directory(file: Path) -> None:
    file.unlink()
    file.mkdir()


@pytest.mark.parametrize(
    ("damage", "why"),
    [
        (truncate, "is missing, was altered or has another key"),
        (truncate_between_parts, "is missing, was altered or has another key"),
        (flip_the_last_byte, "is missing, was altered or has another key"),
        (claim_another_length, "is missing, was altered or has another key"),
        (claim_another_entry, "part 0 is missing, was altered or has another key"),
        (be_of_another_version, "another version of Shengdun wrote it"),
        (be_no_checkpoint, "its header is malformed"),
        (be_a_directory, "can't be read"),
        (Path.unlink, "there is none"),
    ],
)
async def test_a_file_that_is_no_good_is_told_and_done_without(
    store: Store, tmp_path: Path, written: Path, damage: Callable[[Path], None], why: str
) -> None:
    """The store is loaded as without a checkpoint, and one line says why."""
    damage(written)
    lines: list[str] = []
    async with opened(store, tmp_path, tell=lines.append) as registry:
        assert not is_from_checkpoint(registry)
        assert best_actor(registry, 7) == "a-07"
    (line,) = lines
    assert why in line


async def test_a_checkpoint_of_another_store_is_not_used(
    store: Store, tmp_path: Path, written: Path
) -> None:
    """Not even with the same master keys and its key copied over: its journal is another one."""
    async with EmbeddedStore(tmp_path / "elsewhere" / "store") as embedded:
        foreign = await Store.connect(StoreSettings(url=embedded.url), guard=embedded)
        async with opened(foreign, tmp_path, machine="elsewhere") as registry:
            await fill(registry)
            await registry.register_actor(new_actor("乙"), [template(900)], principal="t")
            file = await write(registry)
        keys = await foreign._client.hgetall(foreign.key(CHECKPOINT_KEYS))
        await foreign.close()
    shutil.copy(file, written)
    await store._client.hset(store.key(CHECKPOINT_KEYS), mapping=keys)
    async with opened(store, tmp_path) as registry:
        assert not is_from_checkpoint(registry)
        assert best_actor(registry, 900) is None
        assert not registry.health.distrusted


async def test_another_calibration_profile_is_not_served_old_vectors(
    store: Store, tmp_path: Path, written: Path
) -> None:
    """And one more in shadow means that its vectors are missing."""
    for scorers in ([make_scorer(shift=0.2)], [make_scorer(), make_scorer(name="b", shift=0.1)]):
        active, shadow = scorers[:1], scorers[1:]
        reading = await StoreReading.of(
            store,
            data_directory=tmp_path / "data",
            key_path=tmp_path / "keys" / "master.json",
            checkpointing=Checkpointing(least_actors=1),
        )
        registry = await Registry.of(reading, scorers=active, shadow=shadow)
        assert not is_from_checkpoint(registry)
        assert checkpoints(registry)._is_due(registry.snapshot)
        await registry.close()


async def test_vectors_that_would_be_computed_otherwise_are_not_served(
    store: Store, tmp_path: Path, written: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As after an upgrade that forgot to say so: some rows of each segment are tried."""
    project = Scorer.project

    def otherwise(self: Scorer, voiceprints: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
        return project(self, -voiceprints)

    monkeypatch.setattr(Scorer, "project", otherwise)
    lines: list[str] = []
    async with opened(store, tmp_path, tell=lines.append) as registry:
        assert not is_from_checkpoint(registry)
    (line,) = lines
    assert line.endswith("vectors are computed otherwise now")


def test_codes_of_another_number_of_rows_are_refused() -> None:
    """A sketch that was written down is taken as it is, and nothing else is."""
    form = SketchForm.of(32)
    rows = np.stack([voice(seed) for seed in range(40)])
    index = form.index(rows)
    codes = SketchForm.codes_of(index)
    again = form.index_of_codes(codes, 40)
    query = form.rotated(rows[:1])
    assert np.array_equal(again.search(query, 40)[1], index.search(query, 40)[1])
    with pytest.raises(ValueError, match="not the codes of 90 rows"):
        form.index_of_codes(codes, 90)
