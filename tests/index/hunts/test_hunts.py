"""Hunts over a real archive: started, watched, cancelled, resumed, and gone with what is erased."""

import asyncio
import threading
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np
import pytest

from fixtures.archive import NOON, call
from fixtures.store import MODEL, new_actor, template, until, voice
from shengdun.index.archive.archive import CallArchive
from shengdun.index.archive.blocks import CallBlock
from shengdun.index.archive.rows import CallQuery
from shengdun.index.archive.signatures import signature_of
from shengdun.index.errors import ActorNotFound, InvalidRecord, ScriptNotFound
from shengdun.index.hunts.errors import HuntEnded, HuntNotFound, HuntRunning, NothingToHunt
from shengdun.index.hunts.hunt import Hunt, HuntRequest, HuntState, Quarry
from shengdun.index.hunts.hunts import Hunts
from shengdun.index.hunts.shelf import HuntShelf
from shengdun.index.hunts.subject import WantedVoice
from shengdun.index.registry import Registry
from shengdun.index.scripts.script import NewScript, ScriptKind

SCRIPT = (
    "您好我要投诉你们的暴力催收行为根据相关监管规定你们无权联系我的家人和单位"
    "我已经保留了全部录音证据并将向银保监会实名举报"
)
SMALL_TALK = "今天天气不错啊我想问问还款的日子"
DAYS = 4


@pytest.fixture
async def agent(registry: Registry) -> str:
    """An actor whose voice is on calls 5, 105, 205 and 305."""
    actor = await registry.register_actor(
        new_actor("甲", actor_id="act-a"), [template(5)], principal="t"
    )
    return actor.actor_id


@pytest.fixture
async def filled(archive: CallArchive) -> CallArchive:
    """Four days of ten calls; on each day one is by the agent and one follows the script."""
    for day in range(DAYS):
        for number in range(10):
            found = call(
                100 * day + number,
                voiceprint=voice(5) if number == 5 else voice(1000 * day + number),
                started_at=NOON + timedelta(days=day, seconds=number),
                ended_at=NOON + timedelta(days=day, seconds=number + 60),
                signature=signature_of(SCRIPT if number == 7 else SMALL_TALK)[0],
            )
            await archive.add(found)
    await archive.flush()
    return archive


@asynccontextmanager
async def opened(archive: CallArchive, registry: Registry, place: Path) -> AsyncIterator[Hunts]:
    async with Hunts(archive, registry, place / "hunts", model_id=MODEL) as hunts:
        yield hunts


@pytest.fixture
async def hunts(filled: CallArchive, registry: Registry, tmp_path: Path) -> AsyncIterator[Hunts]:
    async with opened(filled, registry, tmp_path) as one:
        yield one


def after(actor_id: str = "act-a", **changes: object) -> HuntRequest:
    """A request for an actor."""
    fields: dict[str, object] = {"quarry": Quarry.ACTOR, "subject": actor_id, "least": 5.0}
    return HuntRequest(**fields | changes)  # type: ignore[arg-type]


async def ended(hunts: Hunts, hunt: Hunt) -> Hunt:
    """A hunt when it is over."""
    async for last in hunts.watch(hunt.hunt_id):
        hunt = last
    return hunt


def ids(hunt: Hunt) -> list[str]:
    return sorted(hit.call_id for hit in hunt.hits.best)


def calls(*numbers: int) -> list[str]:
    return sorted(f"pbx/{number}@branch" for number in numbers)


async def test_every_call_of_an_actor_is_found(hunts: Hunts, agent: str) -> None:
    """And the hunt says how far it was, and under which profile."""
    hunt = await hunts.start(after(agent), started_by="ann")
    assert hunt.state is HuntState.RUNNING
    last = await ended(hunts, hunt)
    assert last.state is HuntState.DONE
    assert ids(last) == calls(5, 105, 205, 305)
    assert last.read == last.of == 10 * DAYS
    assert last.profile_id
    assert not last.problems
    assert [one.hunt_id for one in await hunts.list()] == [hunt.hunt_id]


async def test_time_and_line_narrow_a_hunt(hunts: Hunts, agent: str) -> None:
    """Since, until and line."""
    since = NOON + timedelta(days=1, hours=1)
    last = await ended(hunts, await hunts.start(after(agent, since=since), started_by="ann"))
    assert ids(last) == calls(205, 305)
    until_then = after(agent, until=since, line="complaints")
    assert ids(await ended(hunts, await hunts.start(until_then, started_by="ann"))) == calls(5, 105)
    with pytest.raises(NothingToHunt, match="retention"):
        await hunts.start(after(agent, until=NOON - timedelta(days=900)), started_by="ann")
    with pytest.raises(InvalidRecord, match="end after"):
        after(agent, since=since, until=since)


async def test_a_recordings_voice_is_hunted(hunts: Hunts) -> None:
    """By its voiceprint, which is kept as long as the hunt."""
    wanted = WantedVoice(
        model_id=MODEL,
        voiceprints=voice(5)[np.newaxis],
        net_speech_s=np.array([20.0]),
        snr_db=np.array([np.nan]),
    )
    request = HuntRequest(quarry=Quarry.RECORDING, subject="a.wav", least=5.0)
    last = await ended(hunts, await hunts.start(request, started_by="ann", voice=wanted))
    assert ids(last) == calls(5, 105, 205, 305)
    assert last.voice is not None
    assert np.array_equal(last.voice.voiceprints, wanted.voiceprints)


async def test_a_script_is_hunted(hunts: Hunts, registry: Registry) -> None:
    """By what calls contain of it."""
    script = await registry.scripts.add(
        NewScript(text=SCRIPT, title="投诉", kind=ScriptKind.TRANSCRIPT), principal="t"
    )
    request = HuntRequest(quarry=Quarry.SCRIPT, subject=script.script_id, least=0.5)
    last = await ended(hunts, await hunts.start(request, started_by="ann"))
    assert ids(last) == calls(7, 107, 207, 307)
    assert last.hits.best[0].score == pytest.approx(1.0)
    await registry.scripts.erase(script.script_id, reason="asked", principal="t")
    assert await hunts.list() == []


async def test_unknown_subjects_are_refused(hunts: Hunts, agent: str) -> None:
    """Before anything is looked through, and nothing is kept of it."""
    with pytest.raises(ActorNotFound):
        await hunts.start(after("nobody"), started_by="ann")
    with pytest.raises(ScriptNotFound):
        await hunts.start(
            HuntRequest(quarry=Quarry.SCRIPT, subject="none", least=0.5), started_by="ann"
        )
    with pytest.raises(HuntNotFound):
        await hunts.get("hunt_none")
    assert await hunts.list() == []


async def test_an_empty_archive_has_nothing_to_hunt(
    archive: CallArchive, registry: Registry, agent: str, tmp_path: Path
) -> None:
    """Which is said."""
    async with opened(archive, registry, tmp_path) as hunts:
        with pytest.raises(NothingToHunt, match="yet"):
            await hunts.start(after(agent), started_by="ann")


async def test_a_cancelled_hunt_goes_on_where_it_was(
    filled: CallArchive,
    registry: Registry,
    agent: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """After the last whole day; every call is counted once."""
    async with opened(filled, registry, tmp_path) as hunts:
        scan, shelf = filled.scan, HuntShelf(tmp_path / "hunts", registry.keys)

        def stopping(query: CallQuery, **options: object) -> Iterator[CallBlock]:
            for number, block in enumerate(scan(query, **options)):  # type: ignore[arg-type]
                yield block
                if number == DAYS - 1:
                    for one in shelf.all():
                        shelf.ask_to_stop(one.hunt_id)

        monkeypatch.setattr(filled, "scan", stopping)
        # The block after which the hunt stops has been handed over when the next is asked for.
        hunt = await ended(hunts, await hunts.start(after(agent), started_by="ann"))
        monkeypatch.undo()
        assert hunt.state is HuntState.CANCELLED
        with pytest.raises(HuntEnded):
            await hunts.cancel(hunt.hunt_id)
        resumed = await ended(hunts, await hunts.resume(hunt.hunt_id))
        assert resumed.state is HuntState.DONE
        assert ids(resumed) == calls(5, 105, 205, 305)
        assert resumed.read == 10 * DAYS
        assert resumed.hits.found == DAYS
        with pytest.raises(HuntEnded):
            await hunts.resume(hunt.hunt_id)


async def test_a_hunt_goes_on_in_another_process(
    filled: CallArchive, registry: Registry, agent: str, tmp_path: Path
) -> None:
    """One whose process was killed is interrupted, and goes on after the days that it had been through."""
    shelf = HuntShelf(tmp_path / "hunts", registry.keys)
    async with opened(filled, registry, tmp_path) as hunts:
        done = await ended(hunts, await hunts.start(after(agent), started_by="ann"))
    first = [hit for hit in done.hits.best if hit.call_id in calls(5, 105)]
    left = replace(
        done,
        state=HuntState.RUNNING,
        settled_day="2026-11-21",
        read=20,
        hits=replace(done.hits, best=tuple(first), found=2),
    )
    shelf.put(left)
    async with opened(filled, registry, tmp_path) as hunts:
        found = await hunts.get(done.hunt_id)
        assert found.state is HuntState.INTERRUPTED
        last = await ended(hunts, await hunts.resume(done.hunt_id))
    assert ids(last) == calls(5, 105, 205, 305)
    assert last.read == 10 * DAYS


async def test_erased_calls_leave_hunts(
    hunts: Hunts, filled: CallArchive, registry: Registry, agent: str, tmp_path: Path
) -> None:
    """Those that are over, on disk as well."""
    hunt = await ended(hunts, await hunts.start(after(agent), started_by="ann"))
    await filled.erase(calls(105), reason="asked", principal="t")
    assert ids(await hunts.get(hunt.hunt_id)) == calls(5, 205, 305)
    shelf = HuntShelf(tmp_path / "hunts", registry.keys)
    await until(lambda: ids(shelf.get(hunt.hunt_id)) == calls(5, 205, 305))


async def test_an_erased_actors_hunts_are_gone(
    hunts: Hunts, registry: Registry, agent: str, tmp_path: Path
) -> None:
    """With what they had found."""
    hunt = await ended(hunts, await hunts.start(after(agent), started_by="ann"))
    await registry.erase_actor(agent, reason="asked", principal="t")
    await hunts.forget(Quarry.ACTOR, agent)
    assert not list((tmp_path / "hunts").glob("*.hunt"))
    with pytest.raises(HuntNotFound):
        await hunts.get(hunt.hunt_id)


async def test_hunts_are_sealed(hunts: Hunts, agent: str, tmp_path: Path) -> None:
    """No name or call can be read in their files."""
    await ended(hunts, await hunts.start(after(agent), started_by="ann"))
    (path,) = (tmp_path / "hunts").glob("*.hunt")
    content = path.read_bytes()
    assert agent.encode() not in content
    assert b"pbx" not in content
    assert path.stat().st_mode & 0o077 == 0


async def test_a_damaged_partition_is_named(
    hunts: Hunts, filled: CallArchive, agent: str, tmp_path: Path
) -> None:
    """And the rest is hunted through."""
    (path,) = (tmp_path / "data" / "archive" / "2026-11-21").glob("*.calls")
    content = bytearray(path.read_bytes())
    content[len(content) // 2 :] = bytes(len(content) - len(content) // 2)
    path.write_bytes(content)
    last = await ended(hunts, await hunts.start(after(agent), started_by="ann"))
    assert last.state is HuntState.DONE
    assert ids(last) == calls(5, 205, 305)
    assert any("2026-11-21" in problem for problem in last.problems)


async def test_a_hunt_knows_when_it_began(hunts: Hunts, agent: str) -> None:
    """In UTC, and by whom."""
    hunt = await hunts.start(after(agent), started_by="ann")
    assert hunt.started_by == "ann"
    assert abs(datetime.now(UTC) - hunt.started_at) < timedelta(minutes=5)
    await ended(hunts, hunt)


async def test_calls_that_are_erased_meanwhile_leave_a_running_hunt(
    hunts: Hunts,
    filled: CallArchive,
    registry: Registry,
    agent: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Although it had found them already; here the erasure comes when all but the last day was handed over."""
    scan, loop = filled.scan, asyncio.get_running_loop()

    def erasing(query: CallQuery, **options: object) -> Iterator[CallBlock]:
        for number, block in enumerate(scan(query, **options)):  # type: ignore[arg-type]
            yield block
            if number == DAYS - 2:
                erase = filled.erase(calls(5), reason="asked", principal="t")
                asyncio.run_coroutine_threadsafe(erase, loop).result(60)

    monkeypatch.setattr(filled, "scan", erasing)
    hunt = await hunts.start(after(agent), started_by="ann")
    shelf = HuntShelf(tmp_path / "hunts", registry.keys)
    await until(lambda: shelf.get(hunt.hunt_id).state is HuntState.DONE)
    monkeypatch.undo()
    assert ids(shelf.get(hunt.hunt_id)) == calls(105, 205, 305)
    assert ids(await ended(hunts, hunt)) == calls(105, 205, 305)


async def test_a_hunt_is_cancelled_from_another_process(
    filled: CallArchive,
    registry: Registry,
    agent: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """By a file beside it, while it runs; a second one of the same hunt is refused."""
    scan, going, go_on = filled.scan, threading.Event(), threading.Event()

    def waiting(query: CallQuery, **options: object) -> Iterator[CallBlock]:
        for block in scan(query, **options):  # type: ignore[arg-type]
            yield block
            going.set()
            assert go_on.wait(60)

    async with opened(filled, registry, tmp_path) as one, opened(filled, registry, tmp_path) as two:
        monkeypatch.setattr(filled, "scan", waiting)
        hunt = await one.start(after(agent), started_by="ann")
        await until(going.is_set)
        monkeypatch.undo()
        assert (await two.get(hunt.hunt_id)).state is HuntState.RUNNING
        with pytest.raises(HuntRunning):
            await two.resume(hunt.hunt_id)
        cancelling = asyncio.create_task(two.cancel(hunt.hunt_id))
        await until(lambda: bool(list((tmp_path / "hunts").glob("*.stop"))))
        go_on.set()
        assert (await cancelling).state is HuntState.CANCELLED
        assert not list((tmp_path / "hunts").glob("*.lock"))


async def cancelled_hunt(hunts: Hunts, shelf: HuntShelf) -> Hunt:
    """A hunt as it is left when it is cancelled after two of the four days."""
    done = await ended(hunts, await hunts.start(after(), started_by="ann"))
    found = tuple(hit for hit in done.hits.best if hit.call_id in calls(5, 105))
    left = replace(
        done,
        state=HuntState.CANCELLED,
        day="2026-11-21",
        settled_day="2026-11-21",
        read=20,
        hits=replace(done.hits, best=found, found=2),
    )
    shelf.put(left)
    return left


@pytest.mark.usefixtures("agent")
async def test_calls_erased_between_are_not_in_a_hunt_that_is_resumed(
    hunts: Hunts, filled: CallArchive, registry: Registry, tmp_path: Path
) -> None:
    """Neither those that it had found before it was cancelled, nor those that it hadn't come to."""
    shelf = HuntShelf(tmp_path / "hunts", registry.keys)
    hunt = await cancelled_hunt(hunts, shelf)
    receipt = await filled.erase(calls(5, 305), reason="asked", principal="t")
    assert receipt
    assert ids(await hunts.get(hunt.hunt_id)) == calls(105)
    told = [ids(now) async for now in hunts.watch((await hunts.resume(hunt.hunt_id)).hunt_id)]
    assert not {name for names in told for name in names} & set(calls(5, 305))
    assert told[-1] == calls(105, 205)
    assert ids(shelf.get(hunt.hunt_id)) == calls(105, 205)


@pytest.mark.usefixtures("agent")
async def test_calls_erased_while_a_hunt_is_being_resumed_are_not_in_it(
    hunts: Hunts,
    filled: CallArchive,
    registry: Registry,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """After it was read from disk with a hit on them, and before it runs: neither shown nor in its file."""
    shelf, loop = HuntShelf(tmp_path / "hunts", registry.keys), asyncio.get_running_loop()
    hunt = await cancelled_hunt(hunts, shelf)
    extent = filled.extent

    def erasing(query: CallQuery) -> int:
        erase = filled.erase(calls(5), reason="asked", principal="t")
        asyncio.run_coroutine_threadsafe(erase, loop).result(60)
        return extent(query)

    with monkeypatch.context() as patched:
        patched.setattr(filled, "extent", erasing)
        resumed = await hunts.resume(hunt.hunt_id)
    told = [ids(now) async for now in hunts.watch(resumed.hunt_id)]
    assert not {name for names in told for name in names} & set(calls(5))
    assert ids(shelf.get(hunt.hunt_id)) == calls(105, 205, 305)
