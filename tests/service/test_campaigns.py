"""Campaigns over a real port: from the first letter to a known script."""

import json
from collections.abc import AsyncIterator

import grpc
import pytest

from fixtures.command_line import Served, assert_one_error_line
from fixtures.scripts import ORDINARY, PRIVATE
from fixtures.text_service import DISCLOSURE, HARDSHIP, INSURANCE, TUITION, told
from shengdun.service.client import (
    ClientError,
    FlagType,
    PromotedScript,
    ScriptKind,
    ShengdunClient,
)


@pytest.fixture
async def client(text_served: Served) -> AsyncIterator[ShengdunClient]:
    """A client of the server."""
    async with ShengdunClient.connect(text_served.address) as connected:
        yield connected


async def test_a_campaign_from_first_to_last(client: ShengdunClient) -> None:
    """From the second customer on it is told; it is listed, shown, made a script, and the next text matches that."""
    letters = [told(f"{HARDSHIP}我的电话{PRIVATE}。", number) for number in range(4)]
    first = await client.screen_text(letters[0], customer_reference="ann")
    assert first.script_campaign is None
    again = await client.screen_text(letters[0], customer_reference="ann")
    assert again.script_campaign is None
    second = (
        await client.screen_text(letters[1], customer_reference="bob", line="collections")
    ).script_campaign
    outcome = await client.screen_text(letters[2], customer_reference="cem")
    third = outcome.script_campaign
    assert [
        (flag.script_campaign, flag.script_match)
        for flag in outcome.flags
        if flag.type is FlagType.SCRIPT_CAMPAIGN
    ] == [(third, None)]
    assert second is not None
    assert third is not None
    assert second.llr > 4.0
    assert (second.members, second.customers) == (2, 2)
    assert third.campaign_id == second.campaign_id
    assert (third.members, third.customers) == (3, 3)
    assert third.first_seen_at == second.first_seen_at < second.last_seen_at < third.last_seen_at
    assert any("靠跑零工勉强糊口" in passage.text for passage in third.passages)
    assert all(passage.customers >= 2 for passage in third.passages)

    listed = await client.list_campaigns(line="collections")
    assert third.campaign_id in [campaign.campaign_id for campaign in listed.campaigns]
    assert listed.found == len(listed.campaigns)
    assert listed.texts_remembered >= 3
    assert not (await client.list_campaigns(least_customers=4)).campaigns

    campaign = await client.get_campaign(third.campaign_id)
    assert (campaign.customers, campaign.lines) == (3, ("collections", "default"))
    assert sum(campaign.new_customers_by_day.values()) == 3
    assert campaign.growth_per_day == 3.0
    assert [text.line for text in campaign.texts] == ["default", "collections", "default"]
    pseudonyms = {text.customer_pseudonym for text in campaign.texts}
    assert len(pseudonyms) == 3
    assert not pseudonyms & {"ann", "bob", "cem"}
    assert campaign.customers_compared == 3

    promoted = await client.promote_campaign(
        campaign.campaign_id, PromotedScript(title="失业分期话术", network_id="蓝海")
    )
    assert (promoted.kind, promoted.searched) == (ScriptKind.TEMPLATE, True)
    assert promoted.campaign == campaign.campaign_id
    assert promoted.source == f"campaign {campaign.campaign_id}"
    assert promoted.text is not None
    assert "把本金拆成最长期数" in promoted.text
    assert PRIVATE not in promoted.text
    fourth = await client.screen_text(letters[3], customer_reference="dan")
    flag, of_campaign = fourth.flags
    assert flag.type is FlagType.SCRIPT_MATCH
    assert (of_campaign.type, of_campaign.llr > 4.0) == (FlagType.SCRIPT_CAMPAIGN, True)
    assert flag.script_match is not None
    assert flag.script_match.script_id == promoted.script_id
    assert fourth.script_campaign is not None
    assert fourth.script_campaign.customers == 4
    await client.erase_script(promoted.script_id, reason="test")


async def test_a_text_of_nobody_is_not_remembered(client: ShengdunClient) -> None:
    """Whether its wording is another customer's can't be told then."""
    before = (await client.list_campaigns()).texts_remembered
    for number in range(3):
        assert (await client.screen_text(told(TUITION, number))).script_campaign is None
    assert (await client.list_campaigns()).texts_remembered == before


async def test_what_is_refused_is_not_remembered(client: ShengdunClient) -> None:
    """Neither a text that says nothing, nor one of a line that there isn't."""
    before = (await client.list_campaigns()).texts_remembered
    for text, line in (("诉", "default"), ("", "default"), (ORDINARY, "nowhere")):
        with pytest.raises(ClientError):
            await client.screen_text(text, line=line, customer_reference="eve")
    assert (await client.list_campaigns()).texts_remembered == before


async def test_what_the_institution_prints_makes_no_campaign(client: ShengdunClient) -> None:
    """Customers who quote it have only that in common."""
    for number in range(4):
        screened = await client.screen_text(
            told(DISCLOSURE, number), customer_reference=f"quotes-{number}"
        )
        assert screened.script_campaign is None


async def test_an_unknown_campaign(client: ShengdunClient) -> None:
    """Is not found, by whatever asks for it; what is no id is refused."""
    for ask in (
        client.get_campaign("cmp_0"),
        client.promote_campaign("cmp_0", PromotedScript(title="x")),
    ):
        with pytest.raises(ClientError) as refused:
            await ask
        assert refused.value.status is grpc.StatusCode.NOT_FOUND
        assert refused.value.reason == "CAMPAIGN_NOT_FOUND"
    with pytest.raises(ClientError) as malformed:
        await client.get_campaign("a/b")
    assert malformed.value.reason == "INVALID_RECORD"


async def test_the_command_line(text_served: Served, client: ShengdunClient) -> None:
    """Lists, shows and promotes."""
    for number in range(3):
        screened = await client.screen_text(
            told(INSURANCE, number), customer_reference=f"insured-{number}"
        )
    assert screened.script_campaign is not None
    campaign_id = screened.script_campaign.campaign_id
    assert campaign_id in text_served.run("campaign", "list").stdout
    rows = text_served.run("campaign", "list", "--json", "--customers", "3").stdout.splitlines()
    assert campaign_id in [json.loads(row)["campaign_id"] for row in rows]
    none = text_served.run("campaign", "list", "--customers", "99")
    assert (none.returncode, none.stdout) == (0, "")
    shown = text_served.run("campaign", "show", campaign_id)
    assert "3 of 3  " in shown.stdout
    assert "保费必须一分不少打回原账户" in shown.stdout
    assert (
        json.loads(text_served.run("campaign", "show", campaign_id, "--json").stdout)["members"]
        == 3
    )
    promoted = text_served.run(
        "campaign", "promote", campaign_id, "--title", "退保话术", "--name", "退保", "--json"
    )
    assert promoted.returncode == 0, promoted.stderr
    script = json.loads(promoted.stdout)
    assert (script["title"], script["campaign"]) == ("退保话术", "退保")
    await client.erase_script(script["script_id"], reason="test")
    gone = text_served.run("campaign", "show", "cmp_gone")
    assert gone.returncode == 1
    assert_one_error_line(gone, "cmp_gone", "shengdun campaign list")


async def test_nothing_of_a_remembered_text_is_on_disk(
    text_served: Served, client: ShengdunClient
) -> None:
    """Neither its wording nor whom it is about."""
    customer = "customer-who-wrote-once"
    await client.screen_text(told(TUITION, 0), customer_reference=customer)
    files = [path for path in text_served.data_dir.rglob("*") if path.is_file()]
    assert files
    for file in files:
        content = file.read_bytes()
        assert customer.encode() not in content
        assert "人脸识别".encode() not in content
