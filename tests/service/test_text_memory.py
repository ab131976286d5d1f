"""The memory of screened texts: its bounds, and the wording that makes no campaign."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from fixtures.text_service import DISCLOSURE, HARDSHIP, INSURANCE, TUITION, told
from shengdun.index.campaigns.exclusions import default_exclusions
from shengdun.service.background import BackgroundLane
from shengdun.service.common_wording import read_common
from shengdun.service.decision import FollowedCampaign
from shengdun.service.errors import CampaignUnknown, SettingsInvalid
from shengdun.service.settings import TextSettings
from shengdun.service.text_memory import TextMemory


@pytest.fixture
async def lane() -> AsyncIterator[BackgroundLane]:
    """A thread to work on."""
    async with BackgroundLane(workers=1) as running:
        yield running


def memory_of(lane: BackgroundLane, *, texts: int = 1000) -> TextMemory:
    """A memory for so many texts, whose pseudonyms are readable."""
    return TextMemory(
        TextSettings(campaign_texts=texts), "p-{}".format, default_exclusions(), lane.run
    )


async def told_by(memory: TextMemory, text: str, customer: str) -> FollowedCampaign | None:
    """Remember a customer's text."""
    return await memory.remember(text, customer_reference=customer, line="default")


async def test_customers_are_pseudonyms(lane: BackgroundLane) -> None:
    """And a customer's own texts make no campaign."""
    memory = memory_of(lane)
    assert await told_by(memory, told(HARDSHIP, 0), "ann") is None
    assert await told_by(memory, told(HARDSHIP, 1), "ann") is None
    followed = await told_by(memory, told(HARDSHIP, 2), "bob")
    assert followed is not None
    assert {member.customer for member in followed.campaign.members} == {"p-ann", "p-bob"}
    assert followed.wording.customers == 2


async def test_the_oldest_are_forgotten(lane: BackgroundLane) -> None:
    """A campaign goes with its texts."""
    memory = memory_of(lane, texts=4)
    await told_by(memory, told(HARDSHIP, 0), "ann")
    followed = await told_by(memory, told(HARDSHIP, 1), "bob")
    assert followed is not None
    for number in range(4):
        await told_by(memory, told(INSURANCE, number), f"c{number}")
    found = await memory.campaigns(least_customers=2)
    assert found.texts == 4
    assert [campaign.customers for campaign in found.campaigns] == [4]
    with pytest.raises(CampaignUnknown):
        await memory.campaign(followed.campaign.campaign_id)


async def test_the_largest_comes_first(lane: BackgroundLane) -> None:
    """Of campaigns, by customers."""
    memory = memory_of(lane)
    for number in range(2):
        await told_by(memory, told(TUITION, number), f"t{number}")
    for number in range(3):
        await told_by(memory, told(INSURANCE, number), f"i{number}")
    found = await memory.campaigns(least_customers=2)
    assert [campaign.customers for campaign in found.campaigns] == [3, 2]
    assert not (await memory.campaigns(least_customers=2, line="elsewhere")).campaigns


async def test_a_memory_of_no_text_remembers_none(lane: BackgroundLane) -> None:
    """Which a site may want."""
    memory = memory_of(lane, texts=0)
    for number in range(3):
        assert await told_by(memory, told(HARDSHIP, number), f"c{number}") is None
    found = await memory.campaigns(least_customers=2)
    assert (found.campaigns, found.texts) == ((), 0)


def test_files_that_are_no_text_of_the_institution_are_named(tmp_path: Path) -> None:
    """All of them at once, with what to do."""
    good, short, missing = (tmp_path / name for name in ("good.txt", "short.txt", "missing.txt"))
    good.write_text(DISCLOSURE, encoding="utf-8")
    short.write_text("您好。", encoding="utf-8")
    with pytest.raises(SettingsInvalid) as refused:
        read_common([good, short, missing])
    message = refused.value.message
    assert message.startswith("text.common")
    assert f"{short} has fewer than" in message
    assert str(missing) in message
    assert str(good) not in message
    assert len(read_common([good]).hashes) > len(default_exclusions().hashes)
