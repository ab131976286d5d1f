"""Letters that wait are compared together, and each says what it would by itself."""

import asyncio
from collections.abc import Callable
from math import inf
from typing import TypeVar

import pytest

from fixtures.hearing import Lane
from fixtures.scripts import COERCED, ORDINARY, REFUND, new_script
from shengdun.index.errors import InvalidText, TextTooShort
from shengdun.index.registry import Registry
from shengdun.index.scripts.known import FoundScript, KnownScripts
from shengdun.index.scripts.whole import MOST_CHARACTERS, MOST_TOGETHER
from shengdun.service.letters import Letters

T = TypeVar("T")


@pytest.fixture
async def known(registry: Registry) -> KnownScripts:
    """Two scripts."""
    for name, text in (("coerced", COERCED), ("refund", REFUND)):
        await registry.scripts.add(new_script(text, script_id=name), principal="tester")
    return registry.scripts.known


async def _asked(
    letters: Letters, text: str, *, limit: int = 10, above: float = 0.0
) -> "asyncio.Task[list[FoundScript]]":
    """A letter that waits."""
    task = asyncio.create_task(letters.match(text, limit=limit, above=above))
    await asyncio.sleep(0)
    return task


async def test_what_waits_is_compared_together(known: KnownScripts) -> None:
    """A letter by itself, then five at once; a bad one costs itself, and one that nobody waits for is left out."""
    lane = Lane()
    letters = Letters(known, lane, at_once=1)
    first = await _asked(letters, COERCED)
    texts = (COERCED + REFUND, ORDINARY, REFUND[:80], "短", "\x00")
    waiting = [await _asked(letters, text) for text in texts]
    one = await _asked(letters, COERCED + REFUND, limit=1)
    gone = await _asked(letters, REFUND)
    gone.cancel()
    lane.is_open.set()
    assert await first == known.match(COERCED, above=0.0)
    found = await asyncio.gather(*waiting, return_exceptions=True)
    assert found[:3] == [known.match(text, above=0.0) for text in texts[:3]]
    assert [type(each) for each in found[3:]] == [TextTooShort, InvalidText]
    assert await one == known.match(COERCED + REFUND, limit=1, above=0.0)
    assert lane.done == 2


async def test_no_letter_waits_for_more_than_are_best_compared_together(
    known: KnownScripts,
) -> None:
    """Very many make several pieces of work, very long ones one each, and so do other questions."""
    lane = Lane()
    letters = Letters(known, lane, at_once=1)
    lane.is_open.set()
    asked = [letters.match(ORDINARY, limit=1, above=0.0) for _ in range(MOST_TOGETHER + 2)]
    long = ORDINARY * (MOST_CHARACTERS // len(ORDINARY))
    asked += [letters.match(long, limit=1, above=0.0) for _ in range(2)]
    asked.append(letters.match(COERCED, limit=1, above=-inf))
    found = await asyncio.gather(*asked)
    assert [each[0].script.script_id for each in found if each] == ["coerced"]
    assert lane.done == 1 + 2 + 2 + 1


async def test_what_fails_is_told_to_all_who_wait(known: KnownScripts) -> None:
    """And the next letter is compared."""

    class Full(Exception):
        """There is no room."""

    lane = Lane()
    full = True

    async def run(work: Callable[[], T], /) -> T:
        if full:
            raise Full
        return await lane(work)

    letters = Letters(known, run, at_once=2)
    found = await asyncio.gather(
        *(letters.match(COERCED, limit=1, above=0.0) for _ in range(3)), return_exceptions=True
    )
    assert [type(each) for each in found] == [Full] * 3
    full = False
    lane.is_open.set()
    assert len(await letters.match(COERCED, limit=1, above=0.0)) == 1
