"""What a start reads and verifies before it has to know what is searched with, so that models are loaded meanwhile."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from shengdun.index.anchor import Anchor
from shengdun.index.checkpoints import Checkpoint, Checkpointing, Checkpoints
from shengdun.index.errors import StoreTampered
from shengdun.index.journal import RECORD_PREFIX, START, Draft, Journal, JournalEntry
from shengdun.index.keys import KeyRing
from shengdun.index.loading import Batch, read_all, read_since
from shengdun.index.memory import undisturbed
from shengdun.index.store import Store


@dataclass(slots=True, kw_only=True, eq=False)
class StoreReading:
    """A store that was read.

    Attributes:
        store: the store.
        keys: of this installation.
        anchor: of this machine.
        checkpoints: of this machine.
    """

    store: Store
    keys: KeyRing
    anchor: Anchor
    checkpoints: Checkpoints
    _read: tuple[Checkpoint | None, Batch] | None

    @classmethod
    async def of(
        cls,
        store: Store,
        *,
        data_directory: Path,
        key_path: Path,
        checkpointing: Checkpointing | None = None,
    ) -> "StoreReading":
        """Read and verify a store, or begin a new one.

        Args:
            store: a connected store.
            data_directory: this machine's own; holds the anchor of the journal, and the checkpoint.
            key_path: the master keys' file; made when the store is new.
            checkpointing: to read no more of the journal than follows the checkpoint, if there is one. The rest is
                then still to be verified.

        Raises:
            KeyMissing: the store has content and there is no key file.
            KeyWrong: the store was written with other keys.
            StoreTampered: the store is not what was acknowledged; names the first bad thing.
        """
        anchor = Anchor(data_directory)
        keys = await _open_keys(store, anchor, key_path)
        checkpoints = Checkpoints(store, keys, data_directory, checkpointing)
        with undisturbed():
            checkpoint, batch = await _read_since_checkpoint(store, keys, anchor, checkpoints)
            if batch is None:
                batch = await _read_all(store, keys, anchor)
        return cls(
            store=store,
            keys=keys,
            anchor=anchor,
            checkpoints=checkpoints,
            _read=(checkpoint, batch),
        )

    def hand_over(self) -> tuple[Checkpoint | None, Batch]:
        """What was read, once: it takes much memory and isn't kept here.

        Returns:
            The checkpoint that the batch goes on from, None if that has everything; journal entries and all records.
        """
        read, self._read = self._read, None
        assert read is not None
        return read

    async def whole(self) -> Batch:
        """Read all of it, without the checkpoint. Raises as ``of`` does."""
        return await _read_all(self.store, self.keys, self.anchor)


async def _read_since_checkpoint(
    store: Store, keys: KeyRing, anchor: Anchor, checkpoints: Checkpoints
) -> tuple[Checkpoint | None, Batch | None]:
    anchored = anchor.read()
    checkpoint = await checkpoints.read() if anchored is not None else None
    if checkpoint is None or anchored is None:
        return None, None
    head, digests = checkpoint.header.head, checkpoint.content.digests
    try:
        batch = await read_since(store, Journal(store, keys), anchored, head, digests)
    except StoreTampered as error:
        # Read without it, the store says itself what is wrong with it.
        checkpoints.not_used(error.message)
        return None, None
    return checkpoint, batch


async def _read_all(store: Store, keys: KeyRing, anchor: Anchor) -> Batch:
    anchored = anchor.read()
    batch = await read_all(store, Journal(store, keys), anchored or START)
    # Another process of this machine may have begun the store between the two readings.
    is_missing = anchored is None and store.embedded and anchor.read() is None
    if is_missing and len(batch.entries) > 1:
        raise StoreTampered.of(f"file {anchor.path.name}", "is missing")
    return Batch(entries=_latest(batch.entries), records=batch.records)


def _latest(entries: Sequence[JournalEntry]) -> tuple[JournalEntry, ...]:
    """The last one, and the last of each list: a snapshot says no more of entries, and all take 0.4 KB a voiceprint."""
    of_lists = {entry.watchlists: entry for entry in entries}
    last = {entry.head.sequence: entry for entry in (*of_lists.values(), entries[-1])}
    return tuple(last[sequence] for sequence in sorted(last))


async def _open_keys(store: Store, anchor: Anchor, key_path: Path) -> KeyRing:
    if await Journal.exists(store):
        return KeyRing.load(key_path)
    problem = await _traces_of_another(store, anchor)
    if problem is not None:
        # Another process may have begun the store since; then these are its traces.
        if await Journal.exists(store):
            return KeyRing.load(key_path)
        raise problem
    keys = KeyRing.open(key_path)
    # Another process may have been faster; then its first entry is the one that is read.
    await Journal(store, keys).commit(START, Draft(kind="store.created", principal="system"))
    return keys


async def _traces_of_another(store: Store, anchor: Anchor) -> StoreTampered | None:
    """What speaks against a store without a journal being new."""
    anchored = anchor.read()
    if anchored is not None:
        return StoreTampered.of(
            "the journal", f"is empty, although entry {anchored.sequence} was acknowledged"
        )
    strangers = await store.scan(RECORD_PREFIX)
    if strangers:
        return StoreTampered.of(
            f"key {min(strangers).removeprefix(RECORD_PREFIX)}", "is unknown to the journal"
        )
    return None
