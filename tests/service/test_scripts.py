"""ScriptService and ScreenText over a real port: scripts from first to last, and texts with what shows their use."""

from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from pathlib import Path
from typing import TypeAlias

import grpc
import pytest
from google.rpc.error_details_pb2 import ErrorInfo
from google.rpc.status_pb2 import Status

from fixtures.command_line import Served
from fixtures.scripts import COERCED, ORDINARY, PRIVATE, new_script
from fixtures.store import until
from shengdun.index.campaigns.exclusions import default_exclusions
from shengdun.index.embedded import EmbeddedStore
from shengdun.index.registry import Registry
from shengdun.index.scripts.known import FoundScript
from shengdun.index.scripts.matching import Passage as IndexPassage
from shengdun.index.scripts.matching import ScriptIndex, View
from shengdun.index.scripts.script import Script as IndexScript
from shengdun.index.scripts.script import ScriptKind as IndexScriptKind
from shengdun.index.watchlists import ErasureReceipt
from shengdun.service.access import TokenFile
from shengdun.service.background import BackgroundLane
from shengdun.service.client import (
    ClientError,
    FlagType,
    NewScript,
    PassageView,
    Script,
    ScriptKind,
    ShengdunClient,
)
from shengdun.service.convert.scripts import match_message
from shengdun.service.convert.texts import screened_text_message
from shengdun.service.interceptors import AccessInterceptor, AnsweringInterceptor
from shengdun.service.scripts import ScriptServicer
from shengdun.service.settings import TextSettings
from shengdun.service.text_memory import TextMemory
from shengdun.service.text_screening import ScreenedText
from shengdun.service.texts import TextComparison
from shengdun.v1 import script_pb2 as pb
from shengdun.v1 import script_pb2_grpc
from shengdun.v1.decision_pb2 import PARTIAL_REASON_WATCHLISTS_STALE

Code = grpc.StatusCode
# Quoted: this class is there for type checkers alone.
Stub: TypeAlias = "script_pb2_grpc.ScriptServiceAsyncStub"
Ask: TypeAlias = grpc.aio.UnaryUnaryMultiCallable[bytes, bytes]
LETTER = pb.ScriptInfo(
    title="停息分期话术", kind=pb.SCRIPT_KIND_LETTER, network_id="蓝海", campaign="停息挂账",
    purpose="反诈", source="举报", case_reference="2026-17", legal_basis="PIPL 13",
)  # fmt: skip


@pytest.fixture
async def scripts(registry: Registry, tmp_path: Path) -> AsyncIterator[Stub]:
    """The script service on a real port, asked as the local principal."""
    access = AccessInterceptor(TokenFile(tmp_path / "tokens.json"), required=False)
    server = grpc.aio.server(interceptors=[AnsweringInterceptor(), access])
    async with BackgroundLane(workers=1) as lane:
        memory = TextMemory(TextSettings(), registry.keys.pseudonym, default_exclusions(), lane.run)
        servicer = ScriptServicer(registry, TextComparison(registry, lane.run), memory)
        script_pb2_grpc.add_ScriptServiceServicer_to_server(servicer, server)
        port = server.add_insecure_port("127.0.0.1:0")
        await server.start()
        async with grpc.aio.insecure_channel(f"127.0.0.1:{port}") as channel:
            yield script_pb2_grpc.ScriptServiceStub(channel)
        await server.stop(grace=None)


@pytest.fixture
async def client(served: Served) -> AsyncIterator[ShengdunClient]:
    """A client of the shared server."""
    async with ShengdunClient.connect(served.address) as connected:
        yield connected


@pytest.fixture
async def kept(client: ShengdunClient) -> AsyncIterator[Script]:
    """A script of the shared server, for one test."""
    new = NewScript(title="停息", kind=ScriptKind.CHAT, text=COERCED, campaign="停息挂账")
    script = await client.add_script(new)
    yield script
    await client.erase_script(script.script_id, reason="test")


def reason_of(error: grpc.aio.AioRpcError) -> str:
    """The machine-readable reason of a refusal."""
    status = Status.FromString(dict(error.trailing_metadata())["grpc-status-details-bin"])
    info = ErrorInfo()
    assert status.details[0].Unpack(info)
    return str(info.reason)


async def test_a_script_lives(scripts: Stub, registry: Registry) -> None:
    """It is registered, read masked, listed, found and erased; what the server sets is set by the server."""
    stated = pb.ScriptInfo(registered_by="somebody", text_length=9, searched=False)
    stated.MergeFrom(LETTER)
    stated.expire_time.FromDatetime(datetime.now(UTC) + timedelta(days=1))
    text = f"{COERCED}我的电话是{PRIVATE}。"
    made = (await scripts.AddScript(pb.AddScriptRequest(script=stated, text=text))).script
    assert made.script_id.startswith("scr_")
    assert (made.registered_by, made.searched) == ("local", True)
    assert (made.title, made.kind, made.campaign) == (LETTER.title, LETTER.kind, LETTER.campaign)
    assert (made.purpose, made.source, made.legal_basis) == ("反诈", "举报", "PIPL 13")
    assert made.expire_time == stated.expire_time

    read = await scripts.GetScript(pb.GetScriptRequest(script_id=made.script_id))
    assert read.script == made
    assert PRIVATE not in read.text
    assert made.text_length == len(read.text)
    listed = await scripts.ListScripts(pb.ListScriptsRequest(network_id="蓝海"))
    assert list(listed.scripts) == [made]
    assert not (await scripts.ListScripts(pb.ListScriptsRequest(campaign="x"))).scripts

    found = await scripts.MatchText(pb.MatchTextRequest(text=f"您好，{COERCED[30:150]}"))
    assert found.scripts_searched == 1
    assert [match.script_id for match in found.matches] == [made.script_id]
    assert found.matches[0].llr > 0

    request = pb.EraseScriptRequest(script_id=made.script_id, reason="申诉成立")
    receipt = (await scripts.EraseScript(request)).receipt
    assert await registry.verify_receipt(
        ErasureReceipt(
            receipt_id=receipt.receipt_id,
            actor_id=receipt.actor_id,
            script_id=receipt.script_id,
            reason=receipt.reason,
            principal=receipt.principal,
            erased_at=receipt.erase_time.ToDatetime(UTC),
            voiceprints_erased=receipt.voiceprints_erased,
            journal_sequence=receipt.journal_sequence,
            journal_hash=receipt.journal_hash,
            signature=receipt.signature,
        )
    )
    with pytest.raises(grpc.aio.AioRpcError) as gone:
        await scripts.GetScript(pb.GetScriptRequest(script_id=made.script_id))
    assert gone.value.code() is Code.NOT_FOUND
    assert reason_of(gone.value) == "SCRIPT_NOT_FOUND"
    assert not (await scripts.MatchText(pb.MatchTextRequest(text=COERCED))).matches


async def test_a_script_that_is_nearly_there_is_taken_and_told_of(
    scripts: Stub, registry: Registry
) -> None:
    """With what it has in common with each, the most alike first; and whose scripts were shown is journaled."""
    for script_id, text in (("old", COERCED), ("half", COERCED[: len(COERCED) // 2])):
        asked = pb.AddScriptRequest(script=LETTER, text=text)
        asked.script.script_id = script_id
        answer = await scripts.AddScript(asked)
        assert not answer.near_duplicates
    text = f"{COERCED.replace('，', ' ')}请尽快答复我"
    asked = pb.AddScriptRequest(script=LETTER, text=text, idempotency_key="k")
    answer = await scripts.AddScript(asked)
    [near] = answer.near_duplicates
    assert (near.script_id, near.title, near.campaign) == ("old", LETTER.title, LETTER.campaign)
    assert near.share > near.share_of_new > 0.9
    looks = [entry for entry in await registry.audit() if entry.kind == "script.looked_at"]
    assert looks[-1].subjects == ("script/old",)
    assert await scripts.AddScript(asked) == answer

    asked = pb.AddScriptRequest(script=LETTER, text=COERCED)
    again = (await scripts.AddScript(asked)).near_duplicates
    assert [each.script_id for each in again] == ["old", answer.script.script_id]


async def test_every_look_at_a_script_is_journaled(scripts: Stub, registry: Registry) -> None:
    """When it is shown, listed, and found in a text; ids only."""
    asked = pb.AddScriptRequest(script=LETTER, text=COERCED)
    asked.script.script_id = "scr_1"
    await scripts.AddScript(asked)
    await scripts.GetScript(pb.GetScriptRequest(script_id="scr_1"))
    await scripts.ListScripts(pb.ListScriptsRequest())
    await scripts.MatchText(pb.MatchTextRequest(text=COERCED))
    await scripts.MatchText(pb.MatchTextRequest(text=ORDINARY))
    entries = (await registry.audit())[-4:]
    assert [entry.kind for entry in entries] == ["script.added"] + ["script.looked_at"] * 3
    assert {entry.subjects for entry in entries} == {("script/scr_1",)}
    assert {entry.principal for entry in entries} == {"local"}


async def test_scripts_come_in_pages(scripts: Stub) -> None:
    """Every script once, in the order of their ids."""
    for number in range(5):
        asked = pb.AddScriptRequest(script=LETTER, text=COERCED)
        asked.script.script_id = f"s-{number}"
        await scripts.AddScript(asked)
    seen, token = [], ""
    while True:
        request = pb.ListScriptsRequest(page_size=2, page_token=token)
        page = await scripts.ListScripts(request)
        seen += [script.script_id for script in page.scripts]
        token = page.next_page_token
        if not token:
            break
    assert seen == [f"s-{number}" for number in range(5)]


async def test_a_page_fits_into_a_message(scripts: Stub) -> None:
    """However much is said of each script; the page goes on after the last that fits."""
    for number in range(300):
        asked = pb.AddScriptRequest(script=LETTER, text=COERCED)
        asked.script.script_id, asked.script.purpose = f"s-{number:03}", "反" * 4000
        await scripts.AddScript(asked)
    page = await scripts.ListScripts(pb.ListScriptsRequest(page_size=1000))
    assert page.ByteSize() < 4 << 20
    assert 0 < len(page.scripts) < 300
    assert page.next_page_token == page.scripts[-1].script_id
    request = pb.ListScriptsRequest(page_size=1000, page_token=page.next_page_token)
    rest = await scripts.ListScripts(request)
    assert len(page.scripts) + len(rest.scripts) == 300
    assert not rest.next_page_token


@pytest.mark.parametrize(
    ("script", "text", "reason"),
    [
        (None, COERCED, "INVALID_REQUEST"),
        (pb.ScriptInfo(title="x"), COERCED, "INVALID_REQUEST"),
        (pb.ScriptInfo(title="x", kind=99), COERCED, "INVALID_REQUEST"),  # type: ignore[arg-type]
        (pb.ScriptInfo(kind=pb.SCRIPT_KIND_CHAT), COERCED, "INVALID_RECORD"),
        (pb.ScriptInfo(script_id="a/b", title="x", kind=pb.SCRIPT_KIND_CHAT), COERCED, "INVALID_RECORD"),
        (LETTER, "", "INVALID_TEXT"),
        (LETTER, "诉", "SCRIPT_TOO_SHORT"),
        (LETTER, "\x7fELF\x02\x01\x01\x00" * 40, "INVALID_TEXT"),
        (LETTER, f"\u202e{COERCED}", "INVALID_TEXT"),
        (LETTER, "投诉" * 350_000, "TEXT_TOO_LONG"),
    ],
)  # fmt: skip
async def test_what_is_no_script_is_refused(
    scripts: Stub, registry: Registry, script: pb.ScriptInfo | None, text: str, reason: str
) -> None:
    """By name, with a message for people, and nothing is kept."""
    head = registry.snapshot.head
    with pytest.raises(grpc.aio.AioRpcError) as refused:
        await scripts.AddScript(pb.AddScriptRequest(script=script, text=text))
    assert (refused.value.code(), reason_of(refused.value)) == (Code.INVALID_ARGUMENT, reason)
    assert len(refused.value.details() or "") > 20
    assert registry.snapshot.head == head


async def test_a_taken_id_and_a_repeat(scripts: Stub) -> None:
    """The same key gives the first answer; without one the id is taken."""
    asked = pb.AddScriptRequest(script=LETTER, text=COERCED, idempotency_key="key-1")
    asked.script.script_id = "scr_1"
    assert await scripts.AddScript(asked) == await scripts.AddScript(asked)
    asked.idempotency_key = ""
    with pytest.raises(grpc.aio.AioRpcError) as refused:
        await scripts.AddScript(asked)
    assert refused.value.code() is Code.ALREADY_EXISTS
    assert reason_of(refused.value) == "SCRIPT_EXISTS"


async def test_text_that_is_not_utf_8_is_refused(served: Served) -> None:
    """On the wire, where a client of another language may send anything."""
    asked = pb.MatchTextRequest(text=ORDINARY).SerializeToString()
    broken = asked.replace("你".encode(), b"\xe4\xbd\x2e")
    async with grpc.aio.insecure_channel(served.address) as channel:
        call: Ask = channel.unary_unary("/shengdun.v1.ScriptService/MatchText")
        with pytest.raises(grpc.aio.AioRpcError) as refused:
            await call(broken)
    assert refused.value.code() is Code.INVALID_ARGUMENT
    assert "UTF-8" in (refused.value.details() or "")


async def test_a_letter_is_flagged_with_what_shows_it(client: ShengdunClient, kept: Script) -> None:
    """LLR, script, share, and both sides of every passage, at places that count code points of both strings."""
    letter = f"𠮷😀尊敬的客服：\r\n{COERCED[60:170]}\n此致敬礼"
    screened = await client.screen_text(letter, line="default", customer_reference="c-1")
    assert (screened.line, screened.partial) == ("default", False)
    assert screened.scripts_searched > 0
    (flag,) = screened.flags
    assert (flag.type, flag.known_actor_voice) == (FlagType.SCRIPT_MATCH, None)
    match = flag.script_match
    assert match is not None
    assert (match.script_id, match.title, match.campaign) == (kept.script_id, "停息", "停息挂账")
    assert flag.llr == match.llr > 0
    assert 0.2 < match.script_share < 1
    assert 0.5 < match.text_share <= 1
    text = (await client.get_script(kept.script_id)).text
    assert text is not None
    for passage in match.passages:
        assert passage.text_excerpt == letter[passage.text_start : passage.text_end]
        assert passage.script_excerpt == text[passage.script_start : passage.script_end]
        assert passage.view is PassageView.CHARACTERS
    assert not (await client.screen_text(ORDINARY)).flags


async def test_texts_are_compared_while_the_store_is_away(
    registry: Registry, embedded_store: EmbeddedStore
) -> None:
    """With the scripts of the last snapshot, and a word on it."""
    kept = await registry.scripts.add(new_script(), principal="t")
    async with BackgroundLane(workers=1) as lane:
        texts = TextComparison(registry, lane.run)
        assert not (await texts.compare(ORDINARY, limit=10)).stale
        await embedded_store.stop()
        await until(lambda: registry.health.stale)
        compared = await texts.compare(COERCED, limit=10)
    assert (compared.stale, compared.searched) == (True, 1)
    assert compared.found[0].script == kept
    screened = ScreenedText(compared=compared, followed=None, labels=(), label_pack_ids=())
    message = screened_text_message(screened, COERCED, line="default")
    assert message.partial
    assert list(message.partial_reasons) == [PARTIAL_REASON_WATCHLISTS_STALE]


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("", "INVALID_TEXT"),
        ("\u3000\n", "INVALID_TEXT"),
        ("诉", "TEXT_TOO_SHORT"),
        ("，。！？" * 200, "TEXT_TOO_SHORT"),
        ("投诉银行" * 170_000, "TEXT_TOO_LONG"),
        ("投诉银行" * 400_000, "TEXT_TOO_LONG"),
        (f"{COERCED}\x00", "INVALID_TEXT"),
        (f"{COERCED}\x1b[2J", "INVALID_TEXT"),
        (f"{COERCED}\ud83d", "INVALID_TEXT"),
        (f"甲\u202e{COERCED}", "INVALID_TEXT"),
        (COERCED.encode("gb18030").decode(errors="replace"), "INVALID_TEXT"),
    ],
)
async def test_what_is_no_letter_is_refused(client: ShengdunClient, text: str, reason: str) -> None:
    """Each with a reason and a message; the server goes on."""
    for ask in (client.screen_text, client.match_text):
        with pytest.raises(ClientError) as refused:
            await ask(text)
        assert (refused.value.status, refused.value.reason) == (Code.INVALID_ARGUMENT, reason)
    assert (await client.match_text(ORDINARY)).matches == ()


async def test_a_text_names_a_line_that_there_is(client: ShengdunClient) -> None:
    """As a call does; and a customer reference has its limit."""
    with pytest.raises(ClientError, match="nowhere") as refused:
        await client.screen_text(ORDINARY, line="nowhere")
    assert refused.value.reason == "LINE_UNKNOWN"
    with pytest.raises(ClientError, match="customer_reference") as refused:
        await client.screen_text(ORDINARY, customer_reference="1" * 257)
    assert refused.value.reason == "INVALID_REQUEST"


def test_long_passages_are_cut_and_many_are_left_out() -> None:
    """An excerpt is for reading, and an answer has its limit; the places name all of a passage."""
    said = "".join(chr(0x4E00 + number) for number in range(2000))
    script = IndexScript(
        script_id="s",
        title="t",
        kind=IndexScriptKind.LETTER,
        text=said,
        created_at=datetime.now(UTC),
    )
    ends = [20 * (number + 1) for number in range(60)] + [1900]
    passages = tuple(
        IndexPassage(
            text_start=start, text_end=end, script_start=start, script_end=end, view=View.PINYIN
        )
        for start, end in pairwise([0, *ends])
    )
    index = ScriptIndex()
    index.add("s", COERCED)
    match = replace(index.match(COERCED)[0], passages=passages)
    message = match_message(FoundScript(script=script, match=match), said)
    assert len(message.passages) == 50
    last = message.passages[-1]
    assert (last.text_start, last.text_end, last.view) == (1200, 1900, pb.PASSAGE_VIEW_PINYIN)
    assert last.text_excerpt == last.script_excerpt == said[1200:1700]
    starts = [passage.text_start for passage in message.passages]
    assert starts == sorted(starts)
