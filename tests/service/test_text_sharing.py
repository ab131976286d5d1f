"""All processes remember the same texts, also after a start; what is forgotten is forgotten by all of them."""

from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from datetime import UTC, datetime

import pytest

from fixtures.scripts import COERCED, PRIVATE
from fixtures.store import until
from shengdun.index.campaigns.exclusions import default_exclusions
from shengdun.index.campaigns.sharing import SharedText, SharedTexts
from shengdun.index.registry import Registry
from shengdun.index.store import Script, Store
from shengdun.service.background import BackgroundLane
from shengdun.service.settings import TextSettings
from shengdun.service.text_memory import TextMemory
from shengdun.service.text_sharing import TextSharing

EVERYTHING = Script(
    "return {redis.call('HVALS', KEYS[1]), redis.call('XRANGE', KEYS[2], '-', '+')}"
)
Process = Callable[[], AbstractAsyncContextManager[tuple[TextMemory, TextSharing]]]


@pytest.fixture
def process(store: Store, registry: Registry) -> Process:
    """Opens the memory of one process."""

    @asynccontextmanager
    async def open_one() -> AsyncIterator[tuple[TextMemory, TextSharing]]:
        settings = TextSettings()
        async with BackgroundLane(workers=1) as lane:
            memory = TextMemory(settings, registry.keys.pseudonym, default_exclusions(), lane.run)
            shared = SharedTexts(store, registry.keys, most=100)
            async with TextSharing(memory, shared, lane.run) as sharing:
                yield memory, sharing

    return open_one


async def texts_of(memory: TextMemory) -> int:
    return (await memory.campaigns(least_customers=2)).texts


async def test_a_campaign_is_seen_by_every_process(process: Process) -> None:
    """Whichever customer's letter came to which of them; its id is the same everywhere."""
    async with process() as (one, first), process() as (other, following):
        assert await one.remember(COERCED, customer_reference="c1", line="complaints") is None
        await until(lambda: following.heard == 1)
        followed = await other.remember(COERCED, customer_reference="c2", line="complaints")
        assert followed is not None
        assert followed.campaign.customers == 2
        campaign_id = followed.campaign.campaign_id

        await until(lambda: first.heard == 2)
        found = await one.campaigns(least_customers=2)
        assert [each.campaign_id for each in found.campaigns] == [campaign_id]


async def test_texts_survive_a_restart(process: Process) -> None:
    """With their customers and their times; a repeat of one is still one."""
    async with process() as (before, sharing):
        await before.remember(COERCED, customer_reference="c1", line="complaints")
        await before.remember(COERCED, customer_reference="c2", line="complaints")
        [campaign] = (await before.campaigns(least_customers=2)).campaigns
        await until(lambda: sharing.heard == 2)
    async with process() as (after, sharing):
        await until(lambda: sharing.heard == 2)
        [again] = (await after.campaigns(least_customers=2)).campaigns
        assert again == campaign
        await after.remember(COERCED, customer_reference="c1", line="complaints")
        assert await texts_of(after) == 2


async def test_a_forgotten_customer_is_forgotten_everywhere(
    process: Process, registry: Registry
) -> None:
    """By processes that run, and by those that start later."""
    async with process() as (one, first), process() as (other, second):
        await one.remember(COERCED, customer_reference="c1", line="complaints")
        await one.remember(COERCED, customer_reference="c2", line="complaints")
        await until(lambda: first.heard == second.heard == 2)
        erased = await second.forget_customer(registry.keys.pseudonym("c1"))
        assert (erased.count, await first.left(erased)) == (1, 0)
        await until(lambda: first.heard == 3)
        assert [await texts_of(memory) for memory in (one, other)] == [1, 1]
    async with process() as (late, sharing):
        await until(lambda: sharing.heard == 3)
        assert await texts_of(late) == 1


async def test_a_customer_is_forgotten_by_a_process_that_has_not_caught_up(
    process: Process, store: Store, registry: Registry
) -> None:
    """What is in the store goes, whether or not this process has seen it, and so does what waits to be put there."""
    customer = registry.keys.pseudonym("c1")
    async with process() as (one, sharing):
        for number in range(3):
            await one.remember(f"{COERCED}{number}", customer_reference="c1", line="complaints")
        await one.remember(COERCED, customer_reference="c2", line="complaints")
        await until(lambda: sharing.heard == 4)
    shared = SharedTexts(store, registry.keys, most=100)
    async with BackgroundLane(workers=1) as lane:
        memory = TextMemory(TextSettings(), registry.keys.pseudonym, default_exclusions(), lane.run)
        late = TextSharing(memory, shared, lane.run)
        memory.tell(late._put_out)
        await memory.remember(COERCED, customer_reference="c1", line="complaints")
        erased = await late.forget_customer(customer)
        assert (erased.count, erased.through) == (4, 5)
        assert await texts_of(memory) == 0
    left = [content for _, content in await shared.read(after=0, limit=10) if content is not None]
    assert [each.customer for each in left] == [registry.keys.pseudonym("c2"), customer]


async def test_the_oldest_make_room(store: Store, registry: Registry) -> None:
    """The store has no more than was asked for, and what it lets go of is gone."""
    shared = SharedTexts(store, registry.keys, most=3)
    for number in range(5):
        await shared.add(
            SharedText(
                text_id=f"t{number}",
                customer="c",
                line="l",
                seen_at=datetime.now(UTC),
                masked=f"第{number}封信",
            )
        )
    kept = await shared.read(after=0, limit=10)
    assert [number for number, _ in kept] == [3, 4, 5]
    assert all(content is not None for _, content in kept)


async def test_nothing_readable_is_in_the_store(
    process: Process, store: Store, registry: Registry
) -> None:
    """Neither words nor customers, and particulars not even sealed."""
    async with process() as (memory, sharing):
        await memory.remember(
            f"{COERCED}我的电话是{PRIVATE}", customer_reference="6222020200112233445", line="l"
        )
        await until(lambda: sharing.heard == 1)
    shared = SharedTexts(store, registry.keys, most=10)
    [(_, content)] = await shared.read(after=0, limit=10)
    assert isinstance(content, SharedText)
    assert content.customer == registry.keys.pseudonym("6222020200112233445")
    assert PRIVATE not in content.masked
    rows = await store.evaluate(
        EVERYTHING, [store.key("texts/rows"), store.key("texts/stream")], []
    )
    written = repr(rows).encode() + b"".join(rows[0])
    for secret in (
        PRIVATE,
        COERCED[:20],
        content.masked[:20],
        content.customer,
        "6222020200112233445",
    ):
        assert secret.encode() not in written
