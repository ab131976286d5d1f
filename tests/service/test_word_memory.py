"""The words of calls that end, compared with those of other customers: in time, too late, and of calls cut short."""

import math
from collections.abc import AsyncIterator

import pytest

from fixtures.hearing import House, Lane, customer_labels
from fixtures.text_service import HARDSHIP, INSURANCE, told
from shengdun.index.scripts.known import KnownScripts
from shengdun.service.transcript import Segment
from shengdun.service.word_intake import WordIntake
from shengdun.service.word_memory import Recalled
from shengdun.service.words import WordsEvidence


@pytest.fixture
def lane() -> Lane:
    """An open lane."""
    lane = Lane()
    lane.is_open.set()
    return lane


@pytest.fixture
async def house(lane: Lane) -> AsyncIterator[House]:
    """What calls share."""
    house = House(lane)
    yield house
    house.close()


def call(house: House, words: str, customer: str) -> WordIntake:
    """A call of a customer in which this was said."""
    intake = house.intake(WordsEvidence(KnownScripts(), customer_labels()), customer=customer)
    for at in range(0, len(words), 20):
        intake.take(Segment(text=words[at : at + 20], is_final=at < 100))
    return intake


async def recalled(intake: WordIntake, *, by: float = math.inf) -> Recalled:
    """What comes of the end of a call."""
    taken = await intake.finish(by=by)
    assert taken is not None
    return taken.recalled


async def test_a_call_follows_what_other_customers_wrote_and_said(house: House) -> None:
    """From the second customer on, with what they share, under the line of the call."""
    await house.texts.remember(told(HARDSHIP, 0), customer_reference="ann", line="letters")
    followed = (await recalled(call(house, told(HARDSHIP, 1), "bob"))).campaign
    assert followed is not None
    assert (followed.llr > 4, followed.campaign.customers) == (True, 2)
    assert set(followed.campaign.lines) == {"letters", "default"}
    assert any(len(passage.text) > 40 for passage in followed.wording.passages)
    assert await recalled(call(house, told(INSURANCE, 1), "cat")) == Recalled()


async def test_a_customers_own_calls_make_no_campaign(house: House) -> None:
    """Nor do calls about nobody, of which nothing is remembered."""
    for customer, remembered in (("ann", 1), ("ann", 2), ("", 2)):
        assert await recalled(call(house, told(HARDSHIP, remembered), customer)) == Recalled()
        assert (await house.texts.campaigns(least_customers=1)).texts == remembered


async def test_a_call_that_says_nothing_is_not_remembered(house: House) -> None:
    """It would take the place of one that does."""
    assert await recalled(call(house, "喂，您好。", "ann")) == Recalled()
    assert (await house.texts.campaigns(least_customers=1)).texts == 0


async def test_what_takes_too_long_is_remembered_all_the_same(lane: Lane) -> None:
    """The decision doesn't wait for it and says so; the next call follows it."""
    busy = Lane()
    house = House(lane, memory_lane=busy)
    first = call(house, told(HARDSHIP, 0), "ann")
    assert await recalled(first, by=-math.inf) == Recalled(in_time=False)
    busy.is_open.set()
    assert (await recalled(call(house, told(HARDSHIP, 1), "bob"))).campaign is not None


async def test_a_call_that_is_cut_short_is_remembered(house: House) -> None:
    """Its partial words too, since they were said; and once, however often it is closed."""
    intake = call(house, told(HARDSHIP, 0), "ann")
    intake.close()
    intake.close()
    followed = (await recalled(call(house, told(HARDSHIP, 1), "bob"))).campaign
    assert followed is not None
    assert len(followed.campaign.members) == 2


async def test_what_fails_in_the_memory_is_no_reason_for_a_call_to(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It is logged, and the call has its decision."""

    def fail(*_: object, **__: object) -> None:
        raise MemoryError

    monkeypatch.setattr(house.texts, "see", fail)
    assert await recalled(call(house, told(HARDSHIP, 0), "ann")) == Recalled()
