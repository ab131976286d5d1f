"""The hunts of a machine: started, watched, cancelled, resumed, and gone with whom they were after."""

import asyncio
from collections.abc import AsyncIterator, Callable, Collection, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from dataclasses import replace
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import Final, Self, TypeVar

from shengdun.index.archive.archive import CallArchive
from shengdun.index.archive.following import Listener
from shengdun.index.errors import ActorNotFound, IndexRoomError, InvalidRecord, ScriptNotFound
from shengdun.index.hunts.erasures import Erasures, HuntErasures, no_longer_archived
from shengdun.index.hunts.errors import (
    HuntEnded,
    HuntNotFound,
    HuntRunning,
    NothingToHunt,
    TooManyHunts,
)
from shengdun.index.hunts.hits import Hits
from shengdun.index.hunts.hunt import Hunt, HuntRequest, HuntState, Quarry
from shengdun.index.hunts.matching import Matcher, VoiceMatcher, WordsMatcher
from shengdun.index.hunts.running import HuntRun
from shengdun.index.hunts.shelf import HuntShelf
from shengdun.index.hunts.subject import WantedVoice, WantedWords
from shengdun.index.hunts.traces import hunts_after, hunts_naming
from shengdun.index.identifiers import make_id
from shengdun.index.priority import step_back
from shengdun.index.registry import Registry
from shengdun.index.traces import Traces

T = TypeVar("T")
_AT_ONCE: Final = 4
_SWEEP_S: Final = 1.0
_LOOK_S: Final = 0.25
_RESUMABLE: Final = (HuntState.CANCELLED, HuntState.INTERRUPTED)


class Hunts:
    """All hunts; entered while the server runs. Each runs on a thread that steps back behind live calls.

    A hunt whose actor or script is erased is deleted, and hits on calls that are erased are taken out, in memory and on
    disk: at once in the process that is told, and before anything is shown in every other.

    Args:
        archive: the finished calls; whoever opened it closes it, afterwards.
        registry: of actors and scripts.
        directory: for hunts alone.
        model_id: the voice model that actors are hunted with.
        workers: threads that read and score calls for a hunt.
    """

    def __init__(
        self,
        archive: CallArchive,
        registry: Registry,
        directory: Path,
        *,
        model_id: str,
        workers: int = 1,
    ) -> None:
        self._archive = archive
        self._registry = registry
        self._shelf = HuntShelf(directory, registry.keys)
        self._model_id = model_id
        self._workers = workers
        self._threads = ThreadPoolExecutor(_AT_ONCE, "hunts", initializer=step_back)
        self._live: dict[str, Hunt] = {}
        self._tasks: dict[str, asyncio.Task[None]] = {}
        self._erasures = Erasures(archive)
        self._beginning = 0
        self._taking_out: set[asyncio.Future[None]] = set()
        self._is_swept = False
        self._news = asyncio.Condition()
        self._sweeping: asyncio.Task[None] | None = None

    async def __aenter__(self) -> Self:
        self._archive.follow(
            Listener(erased=self._on_erased, missed=self._on_missed, busy=self._is_busy)
        )
        self._sweeping = asyncio.create_task(self._sweep_for_ever(), name="hunts")
        return self

    async def __aexit__(self, *_: object) -> None:
        if self._sweeping is not None:
            self._sweeping.cancel()
        for hunt_id in list(self._tasks):
            self._shelf.ask_to_stop(hunt_id)
        await asyncio.gather(
            *self._tasks.values(), *filter(None, [self._sweeping]), return_exceptions=True
        )
        self._threads.shutdown()

    async def start(
        self, request: HuntRequest, *, started_by: str, voice: WantedVoice | None = None
    ) -> Hunt:
        """Begin a hunt.

        Args:
            request: what is hunted.
            started_by: who asks for it.
            voice: of the recording, where one is hunted.

        Raises:
            ActorNotFound: there is no such actor, or it was erased.
            ScriptNotFound: there is no such script.
            InvalidRecord: the actor has no voiceprint of the model, or no call can reach the least score.
            TextTooShort: the script says too little.
            NothingToHunt: no archived call is in the time and of the line.
            TooManyHunts: as many are running as may.
        """
        model_id = "" if request.quarry is Quarry.SCRIPT else self._model_id
        hunt = Hunt(
            hunt_id=make_id("hunt"),
            request=request,
            started_by=started_by,
            started_at=datetime.now(UTC),
            state=HuntState.RUNNING,
            model_id=model_id,
            voice=voice,
            hits=Hits(limit=request.limit),
        )
        with self._noting_erasures() as erasures:
            return await self._begin(hunt, erasures)

    async def resume(self, hunt_id: str) -> Hunt:
        """Go on with a hunt that was cancelled or interrupted, after the last day that it went through whole.

        Raises:
            HuntNotFound: there is none.
            HuntRunning: it is running.
            HuntEnded: it went through everything.
        """
        with self._noting_erasures() as erasures:
            hunt = await self.get(hunt_id)
            if hunt.state is HuntState.RUNNING:
                raise HuntRunning.of(hunt_id)
            if hunt.state not in _RESUMABLE:
                raise HuntEnded.of(hunt_id)
            again = replace(hunt, state=HuntState.RUNNING, day=hunt.settled_day)
            return await self._begin(again, erasures)

    async def cancel(self, hunt_id: str) -> Hunt:
        """Have a hunt end where it is; it can be resumed.

        Raises:
            HuntNotFound: there is none.
            HuntEnded: it isn't running.
        """
        hunt = await self.get(hunt_id)
        if hunt.state is not HuntState.RUNNING:
            raise HuntEnded.of(hunt_id)
        self._shelf.ask_to_stop(hunt_id)
        async for last in self.watch(hunt_id):
            hunt = last
        return hunt

    async def get(self, hunt_id: str) -> Hunt:
        """How a hunt stands, with hits on calls that are still archived.

        Raises:
            HuntNotFound: there is none, or whom it was after was erased.
        """
        hunt = self._live.get(hunt_id)
        if hunt is None:
            hunt = await asyncio.to_thread(self._shelf.get, hunt_id)
        if not self._is_known(hunt):
            await asyncio.to_thread(self._shelf.remove, hunt_id)
            raise HuntNotFound.of(hunt_id)
        return await asyncio.to_thread(self._archived_only, hunt)

    async def list(self) -> Sequence[Hunt]:
        """All hunts, the latest first; their hits aren't looked up, so only their number is to be told."""
        await asyncio.to_thread(self._sweep)
        hunts = await asyncio.to_thread(self._shelf.all)
        return [self._live.get(hunt.hunt_id, hunt) for hunt in hunts if self._is_known(hunt)]

    async def watch(self, hunt_id: str) -> AsyncIterator[Hunt]:
        """How a hunt stands, now and whenever it is further, to its end.

        Raises:
            HuntNotFound: there is none, or whom it is after was erased meanwhile.
        """
        shown: Hunt | None = None
        while True:
            hunt = self._live.get(hunt_id)
            if hunt is None or not self._is_known(hunt):
                hunt = await self.get(hunt_id)
            if hunt != shown:
                shown = hunt
                yield hunt
            if hunt.state is not HuntState.RUNNING:
                return
            async with self._news:
                with suppress(TimeoutError):
                    await asyncio.wait_for(self._news.wait(), _LOOK_S)

    async def forget(self, quarry: Quarry, subject: str) -> None:
        """Delete the hunts for an actor or a script that was erased."""
        await asyncio.to_thread(self._forget, quarry, subject)

    def traces(self, receipt_names: Callable[[str], bool]) -> Traces:
        """The hunts that name calls which are to be gone, in memory and in files; blocks.

        Args:
            receipt_names: whether a call, by its id, is one of these.
        """
        return hunts_naming(self._shelf, tuple(self._live.values()), receipt_names)

    def traces_of(self, quarry: Quarry, subject: str) -> Traces:
        """The hunts for an actor or a script that is to be gone, in memory and in files; blocks."""
        return hunts_after(self._shelf, tuple(self._live.values()), quarry, subject)

    async def _begin(self, hunt: Hunt, erasures: HuntErasures) -> Hunt:
        if len(self._tasks) >= _AT_ONCE:
            raise TooManyHunts(
                f"{_AT_ONCE} hunts are running on this machine; wait for one to end, or cancel one."
            )
        matcher, profile_id = await asyncio.to_thread(self._matcher, hunt)
        calls = await asyncio.to_thread(self._archive.extent, hunt.query)
        if not calls and not hunt.settled_day:
            raise NothingToHunt(self._why_nothing())
        hunt = replace(hunt, of=hunt.read + calls, profile_id=profile_id)
        hunt = await asyncio.to_thread(erasures.left_of, hunt)
        await asyncio.to_thread(self._shelf.put, hunt)
        self._live[hunt.hunt_id] = hunt
        task = asyncio.create_task(self._run(hunt, matcher, erasures), name=hunt.hunt_id)
        self._tasks[hunt.hunt_id] = task
        return hunt

    async def _run(self, hunt: Hunt, matcher: Matcher, erasures: HuntErasures) -> None:
        loop = asyncio.get_running_loop()
        run = HuntRun(
            hunt,
            matcher,
            self._archive,
            self._shelf,
            erasures=erasures,
            tell=lambda now: _call(loop, self._tell, now),
            workers=self._workers,
        )

        def locked() -> Hunt:
            with self._shelf.running(hunt.hunt_id):
                return run.run()

        try:
            await loop.run_in_executor(self._threads, locked)
        finally:
            self._live.pop(hunt.hunt_id, None)
            self._tasks.pop(hunt.hunt_id, None)
            self._forget_erasures()
            async with self._news:
                self._news.notify_all()

    def _tell(self, hunt: Hunt) -> None:
        if hunt.hunt_id in self._live:
            # It was told before what has been erased since.
            self._live[hunt.hunt_id] = self._erasures.told(hunt)

    @contextmanager
    def _noting_erasures(self) -> Iterator[HuntErasures]:
        """Note what is erased while a hunt begins: it may have hits already."""
        self._beginning += 1
        try:
            yield self._erasures.begin()
        finally:
            self._beginning -= 1
            self._forget_erasures()

    def _forget_erasures(self) -> None:
        if not self._tasks and not self._beginning:
            self._erasures.forget()

    def _matcher(self, hunt: Hunt) -> tuple[Matcher, str]:
        request, snapshot = hunt.request, self._registry.snapshot
        if request.quarry is Quarry.SCRIPT:
            script = snapshot.script_holding(request.subject).script
            return WordsMatcher(WantedWords.of_text(script.text), request.least), ""
        scorer = snapshot.scorer(None, hunt.model_id)
        voice = hunt.voice
        if request.quarry is Quarry.ACTOR:
            voice = WantedVoice.of_actor(snapshot.holding(request.subject), hunt.model_id)
        if voice is None:
            raise InvalidRecord("A recording is hunted by its voice; send the recording.")
        return VoiceMatcher(scorer, voice, request.least), scorer.profile_id

    def _why_nothing(self) -> str:
        health = self._archive.health
        if not health.calls + health.tail:
            return "No calls are archived yet, so there is nothing to hunt through."
        return (
            "No archived call is in that time and of that line, with what is compared: calls are kept only as long as "
            "their line's retention says. Ask for another time or line."
        )

    def _is_known(self, hunt: Hunt) -> bool:
        """Whether whom the hunt is after is still registered."""
        snapshot, request = self._registry.snapshot, hunt.request
        try:
            if request.quarry is Quarry.ACTOR:
                snapshot.holding(request.subject)
            elif request.quarry is Quarry.SCRIPT:
                snapshot.script_holding(request.subject)
        except (ActorNotFound, ScriptNotFound):
            return False
        return True

    def _archived_only(self, hunt: Hunt) -> Hunt:
        """Without hits on calls that are gone, erased or past their retention; also on disk."""
        gone = no_longer_archived(self._archive, hunt.hits.best)
        kept = hunt.without(gone)
        if gone and hunt.state is not HuntState.RUNNING:
            with self._shelf.guard:
                if self._shelf.has(kept.hunt_id):
                    self._shelf.put(kept)
        return kept

    def _on_erased(self, call_ids: Sequence[str]) -> None:
        self._note(call_ids)
        self._take_aside(partial(self._take_out, frozenset(call_ids)))

    def _on_missed(self) -> None:
        self._erasures.miss()
        loop, hits = (
            asyncio.get_running_loop(),
            [h for one in self._live.values() for h in one.hits.best],
        )

        def look() -> None:
            gone = self._erasures.gone(hits)
            _call(loop, self._note, gone)
            self._take_out_missed()

        self._take_aside(look)

    def _note(self, call_ids: Collection[str]) -> None:
        """Note what was erased for the hunts that go on, and take it out of what they show."""
        if self._tasks or self._beginning:
            self._erasures.add(call_ids)
        for hunt_id, hunt in self._live.items():
            self._live[hunt_id] = self._erasures.told(hunt)

    def _take_aside(self, work: Callable[[], None]) -> None:
        """Have files gone through on a thread; until that is done they may name what was erased."""
        taking = asyncio.get_running_loop().run_in_executor(None, work)
        self._taking_out.add(taking)
        taking.add_done_callback(self._taking_out.discard)

    def _is_busy(self) -> bool:
        """Whether a file may still name a call that was erased."""
        return bool(self._taking_out) or not self._is_swept

    def _take_out(self, call_ids: frozenset[str]) -> None:
        self._shelf.remove_left_aside()
        with self._shelf.guard:
            for hunt in self._shelf.all():
                left = hunt.without(call_ids)
                if left is not hunt and left.hits != hunt.hits and self._shelf.has(hunt.hunt_id):
                    self._shelf.put(left)

    def _take_out_missed(self) -> None:
        """Take out what was erased while no process of this machine heard of it."""
        for hunt in self._shelf.all():
            if hunt.state is not HuntState.RUNNING:
                self._archived_only(hunt)

    def _forget(self, quarry: Quarry, subject: str) -> None:
        for hunt in self._shelf.all():
            if hunt.request.quarry is quarry and hunt.request.subject == subject:
                self._shelf.remove(hunt.hunt_id)

    def _sweep(self) -> None:
        for hunt in self._shelf.all():
            if not self._is_known(hunt):
                self._shelf.remove(hunt.hunt_id)

    async def _sweep_for_ever(self) -> None:
        swept = -1
        with suppress(
            IndexRoomError, OSError
        ):  # whoever looks at such a hunt is told why it can't be
            await asyncio.to_thread(self._take_out_missed)
        self._is_swept = True
        while True:
            changes = self._registry.snapshot.journal_sequence
            if changes != swept:
                with suppress(IndexRoomError, OSError):
                    await asyncio.to_thread(self._sweep)
                    swept = changes
            await asyncio.sleep(_SWEEP_S)


def _call(loop: asyncio.AbstractEventLoop, tell: Callable[[T], None], of: T) -> None:
    with suppress(RuntimeError):  # the loop is closed: nobody listens any more
        loop.call_soon_threadsafe(tell, of)
