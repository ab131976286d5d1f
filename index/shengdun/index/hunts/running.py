"""Running one hunt to its end, on a thread: day by day, written down after each, and told as it goes."""

import time
from collections.abc import Callable
from dataclasses import replace
from typing import Final

from shengdun.index.archive.archive import CallArchive
from shengdun.index.archive.blocks import CallBlock
from shengdun.index.errors import IndexRoomError
from shengdun.index.hunts.erasures import HuntErasures
from shengdun.index.hunts.hunt import Hunt, HuntState
from shengdun.index.hunts.matching import Matcher, Matches
from shengdun.index.hunts.searching import COLUMNS, ROWS_AT_ONCE, matches_of
from shengdun.index.hunts.shelf import HuntShelf

_TOLD_S: Final = 0.2
_KEPT_S: Final = 1.0


class HuntRun:
    """One run of a hunt, from where it stood.

    Args:
        hunt: as it stood.
        matcher: finds its calls.
        archive: the calls.
        shelf: where it is written down.
        erasures: what was erased since it began.
        tell: told how it stands, several times a second.
        workers: threads that read and score; this one waits for them.
    """

    def __init__(
        self,
        hunt: Hunt,
        matcher: Matcher,
        archive: CallArchive,
        shelf: HuntShelf,
        *,
        erasures: HuntErasures,
        tell: Callable[[Hunt], None],
        workers: int,
    ) -> None:
        self._settled = self._now = hunt
        self._matcher = matcher
        self._archive = archive
        self._shelf = shelf
        self._erasures = erasures
        self._tell = tell
        self._workers = workers
        self._told_s = self._kept_s = time.monotonic()

    def run(self) -> Hunt:
        """Go through what is left; returns how it ended. What the archive or the disk fails at interrupts it."""
        try:
            ended = self._through()
        except (IndexRoomError, OSError) as error:
            why = error.message if isinstance(error, IndexRoomError) else str(error.strerror)
            problems = (*self._settled.problems, why)
            ended = replace(self._settled, state=HuntState.INTERRUPTED, problems=problems)
        return self._put(ended)

    def _put(self, hunt: Hunt) -> Hunt:
        """Write the hunt down, unless it was deleted; without what was erased until now."""
        with self._shelf.guard:
            hunt = self._erasures.left_of(hunt)
            if self._shelf.has(hunt.hunt_id):
                self._shelf.put(hunt)
        return hunt

    def _through(self) -> Hunt:
        hunt = self._settled
        scanned = self._archive.scan(
            hunt.query,
            voiceprints=False,
            ahead=bool(hunt.model_id),
            block_rows=ROWS_AT_ONCE,
            signatures=not hunt.model_id,
            columns=COLUMNS,
        )
        matched = matches_of(
            scanned, self._matcher, workers=self._workers, damaged=self._archive.note
        )
        for block, matches in matched:
            if self._shelf.is_to_stop(hunt.hunt_id):
                return replace(self._settled, state=HuntState.CANCELLED)
            self._take(block, matches)
        done = replace(self._now, state=HuntState.DONE, settled_day=self._now.day)
        return replace(
            done, problems=tuple(dict.fromkeys((*done.problems, *self._archive.problems)))
        )

    def _take(self, block: CallBlock, matches: Matches) -> None:
        if self._now.day and block.day != self._now.day:
            # Only whole days are written down, so that a hunt which is resumed counts no call twice.
            self._settled = self._left_of(replace(self._now, settled_day=self._now.day))
            if time.monotonic() > self._kept_s + _KEPT_S:
                self._settled = self._put(self._settled)
                self._kept_s = time.monotonic()
        self._now = replace(
            self._now,
            day=block.day,
            settled_day=self._settled.settled_day,
            read=self._now.read + len(block),
            hits=self._now.hits.joined(block, matches),
        )
        if time.monotonic() > self._told_s + _TOLD_S:
            self._now = self._left_of(self._now)
            self._tell(self._now)
            self._told_s = time.monotonic()

    def _left_of(self, hunt: Hunt) -> Hunt:
        return self._erasures.left_of(hunt, self._settled)
