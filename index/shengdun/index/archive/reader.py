"""Reading a machine's archive from a process that changes nothing in it, beside the server or while that is stopped."""

import asyncio
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import asynccontextmanager, suppress
from pathlib import Path

from shengdun.index.archive.blocks import CallBlock
from shengdun.index.archive.errors import NoArchive
from shengdun.index.archive.following import Follower
from shengdun.index.archive.keeping import PartitionKeeper
from shengdun.index.archive.rows import CallQuery
from shengdun.index.archive.scanning import BLOCK_COLUMNS, Scan
from shengdun.index.archive.stream import ArchiveStream
from shengdun.index.errors import IndexRoomError
from shengdun.index.keys import KeyRing
from shengdun.index.store import Store


class ArchiveReader:
    """An archive to be read; ``open`` makes one.

    Attributes:
        problems: what couldn't be read so far, by partition.
    """

    def __init__(self, keeper: PartitionKeeper, follower: Follower, keys: KeyRing) -> None:
        self.problems: dict[str, str] = {}
        self._keeper = keeper
        self._follower = follower
        self._keys = keys

    @classmethod
    @asynccontextmanager
    async def open(
        cls, store: Store, keys: KeyRing, directory: Path
    ) -> AsyncIterator["ArchiveReader"]:
        """Read an archive until this is left; an erasure waits for what is being read, as for any process.

        Args:
            store: a connected store; whoever connected it closes it afterwards.
            keys: of this installation.
            directory: of the archive, on this machine.

        Raises:
            NoArchive: there is none.
            StoreTampered: its manifest was altered.
            StoreUnavailable: the store doesn't answer, or the directory can't be used.
        """
        if not await asyncio.to_thread(directory.is_dir):
            raise NoArchive.at(directory)
        stream = ArchiveStream(store, keys)
        keeper = PartitionKeeper(directory, stream, keys)
        await keeper.reload()
        follower = Follower(stream, keeper, keys)
        await follower.start()
        following = asyncio.create_task(follower.run(), name="follow-archive")
        try:
            yield cls(keeper, follower, keys)
        finally:
            following.cancel()
            await asyncio.gather(following, return_exceptions=True)
            with suppress(IndexRoomError):
                await stream.leave(follower.process)

    def scan(
        self, query: CallQuery, *, columns: Sequence[str] = BLOCK_COLUMNS
    ) -> Iterator[CallBlock]:
        """Everything that matches, by day, to be gone through on another thread; voiceprints are read when asked for.

        Args:
            query: what is asked for.
            columns: to read before a block is given, so that nothing in them can fail any more.
        """
        scan = Scan(
            self._keeper,
            self._follower,
            self._keys,
            query,
            columns=columns,
            voiceprints=False,
            problems=self.problems,
        )
        return scan.blocks()
