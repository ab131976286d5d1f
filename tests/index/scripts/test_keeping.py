"""Scripts are kept as actors are: durable, sealed, masked, followed by every process, gone when they are erased."""

import dataclasses
import hmac
import json
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from fixtures.checkpoints import is_from_checkpoint, opened, verified, write
from fixtures.scripts import COERCED, ORDINARY, PRIVATE, REFUND, found_in, new_script
from fixtures.store import OpenRegistry, new_actor, template, until
from shengdun.index.errors import (
    IdempotencyConflict,
    IndexRoomError,
    InvalidRecord,
    InvalidText,
    ScriptExists,
    ScriptNotFound,
    StoreTampered,
    TextTooLong,
)
from shengdun.index.keys import KeyRing
from shengdun.index.registry import Registry
from shengdun.index.scripts.matching import ScriptTooShort
from shengdun.index.scripts.script import LONGEST_TEXT
from shengdun.index.store import Store

SOON = timedelta(milliseconds=400)


def contents(directory: Path) -> list[bytes]:
    """Of all files below it."""
    return [file.read_bytes() for file in directory.rglob("*") if file.is_file()]


async def test_a_script_is_found_at_once_where_it_was_used(registry: Registry) -> None:
    """With the places in both texts, counted in code points of what was sent and of what is kept."""
    kept = await registry.scripts.add(new_script(), principal="tester")
    await registry.scripts.add(new_script(REFUND), principal="tester")
    text = f"𠮷😀客服您好。{COERCED[60:160]}谢谢。"
    best = registry.scripts.known.match(text)[0]
    assert (best.script, best.match.script_id) == (kept, kept.script_id)
    assert best.match.llr > 0
    assert 0 < best.match.script_share < 1
    longest = max(best.match.passages, key=lambda each: each.text_end - each.text_start)
    said = text[longest.text_start : longest.text_end]
    known = kept.text[longest.script_start : longest.script_end]
    assert said[:20] == known[:20]
    assert found_in(registry, ORDINARY) == []


async def test_what_was_registered_can_be_read_by_every_process(
    registry: Registry, open_registry: OpenRegistry
) -> None:
    """All fields come back as they were given, and are found as before, after a start from the store."""
    given = new_script(expires_at=datetime.now(UTC) + timedelta(days=1))
    kept = await registry.scripts.add(given, principal="tester")
    for field in dataclasses.fields(given):
        if field.name not in ("script_id", "text"):
            assert getattr(kept, field.name) == getattr(given, field.name)
    assert kept.script_id.startswith("scr_")
    reopened = await open_registry()
    assert await reopened.scripts.get(kept.script_id) == kept
    assert found_in(reopened, COERCED) == [kept.script_id]
    again, before = reopened.scripts.known.match(COERCED), registry.scripts.known.match(COERCED)
    assert [each.match for each in again] == [each.match for each in before]


async def test_additions_and_erasures_arrive_at_other_processes(
    registry: Registry, open_registry: OpenRegistry
) -> None:
    """In both directions, without a start."""
    other = await open_registry()
    kept = await registry.scripts.add(new_script(), principal="tester")
    await until(lambda: found_in(other, COERCED) == [kept.script_id])
    await other.scripts.erase(kept.script_id, reason="", principal="tester")
    assert found_in(other, COERCED) == []
    await until(lambda: not registry.snapshot.scripts)
    assert found_in(registry, COERCED) == []


async def test_nothing_of_a_script_is_readable_at_rest(
    registry: Registry, store: Store, tmp_path: Path
) -> None:
    """Not its text, nor what it is called; and what is personal in it is masked even for those with the key."""
    text = f"{COERCED}我的电话是{PRIVATE}。"
    kept = await registry.scripts.add(new_script(text), principal="tester")
    assert PRIVATE not in kept.text
    stored = await store.get(store.key(f"record/script/{kept.script_id}"))
    assert stored is not None
    at_rest = [stored, *contents(tmp_path)]
    assert len(at_rest) > 3
    for private in (PRIVATE, COERCED[:12], kept.title, "蓝海", "停息挂账"):
        assert not any(private.encode() in each for each in at_rest)


async def test_an_erased_script_is_gone_with_a_receipt(
    registry: Registry, open_registry: OpenRegistry, store: Store
) -> None:
    """From the searches, the store and the next start; the receipt proves it and can't be altered."""
    kept = await registry.scripts.add(new_script(), principal="tester")
    other = await registry.scripts.add(new_script(REFUND), principal="tester")
    receipt = await registry.scripts.erase(kept.script_id, reason="申诉成立", principal="admin")
    assert (receipt.script_id, receipt.actor_id, receipt.principal) == (kept.script_id, "", "admin")
    assert await registry.verify_receipt(receipt)
    for forged in (
        dataclasses.replace(receipt, script_id=other.script_id),
        dataclasses.replace(receipt, actor_id="act_1"),
        dataclasses.replace(receipt, reason="x"),
    ):
        assert not await registry.verify_receipt(forged)
    assert await store.get(store.key(f"record/script/{kept.script_id}")) is None
    with pytest.raises(ScriptNotFound, match=kept.script_id):
        await registry.scripts.get(kept.script_id)
    with pytest.raises(ScriptNotFound):
        await registry.scripts.erase(kept.script_id, reason="", principal="admin")
    reopened = await open_registry()
    assert list(reopened.snapshot.scripts) == [other.script_id]
    assert found_in(reopened, COERCED) == []
    entries = await registry.audit()
    assert [(each.kind, each.subjects) for each in entries[-3:]] == [
        ("script.added", (f"script/{kept.script_id}",)),
        ("script.added", (f"script/{other.script_id}",)),
        ("script.erased", (f"script/{kept.script_id}",)),
    ]


async def test_the_bytes_of_an_erased_script_leave_the_disk(
    registry: Registry, store: Store, tmp_path: Path
) -> None:
    """Sealed as they are, and with them the only copy of its key."""
    kept = await registry.scripts.add(new_script(), principal="tester")
    sealed = await store.get(store.key(f"record/script/{kept.script_id}"))
    assert sealed is not None
    assert any(sealed[-48:] in each for each in contents(tmp_path))
    await registry.scripts.erase(kept.script_id, reason="", principal="tester")
    await registry.compacted()
    assert not any(sealed[-48:] in each for each in contents(tmp_path))


async def test_an_actors_receipt_is_signed_as_before_there_were_scripts(registry: Registry) -> None:
    """Receipts that were issued then stay valid."""
    actor = await registry.register_actor(new_actor("甲"), [template(1)], principal="t")
    receipt = await registry.erase_actor(actor.actor_id, reason="r", principal="t")
    fields = dataclasses.asdict(receipt)
    del fields["script_id"]
    fields |= {"signature": "", "erased_at": receipt.erased_at.isoformat(timespec="microseconds")}
    message = json.dumps(fields, sort_keys=True, ensure_ascii=False)
    signed = registry.keys.receipt_mac(b"receipt/" + message.encode()).hex()
    assert hmac.compare_digest(receipt.signature, signed)
    assert await registry.verify_receipt(receipt)


async def test_an_expired_script_is_kept_and_not_found(
    registry: Registry, open_registry: OpenRegistry
) -> None:
    """It leaves by itself, here and at the next start; registered again with more time it is back."""
    expires_at = datetime.now(UTC) + SOON
    new = new_script(script_id="scr_1", expires_at=expires_at)
    await registry.scripts.add(new, principal="tester")
    await until(lambda: found_in(registry, COERCED) == [])
    assert "scr_1" not in registry.scripts.known
    assert (await registry.scripts.get("scr_1")).expired(datetime.now(UTC))
    assert found_in(await open_registry(), COERCED) == []
    await registry.scripts.erase("scr_1", reason="", principal="tester")
    await registry.scripts.add(new_script(script_id="scr_1"), principal="tester")
    assert found_in(registry, COERCED) == ["scr_1"]


async def test_a_script_that_another_version_took_is_kept_and_not_searched_for(
    registry: Registry, open_registry: OpenRegistry
) -> None:
    """Were it too short for this version, nothing else would be lost, here or at the next start."""
    kept = await registry.scripts.add(new_script(), principal="t")
    short = dataclasses.replace(kept, script_id="short", text="投诉")
    planner = registry.scripts._planner
    await registry._changes.commit(lambda now: planner.add_script(now, short, "t"), "t")
    for each in (registry, await open_registry()):
        assert await each.scripts.get("short") == short
        assert "short" not in each.scripts.known
        assert found_in(each, COERCED) == [kept.script_id]


async def test_a_start_from_a_checkpoint_has_all_scripts(
    store: Store, tmp_path: Path, written: Path
) -> None:
    """Those that were there when it was written, those that came since, and none that was erased."""
    async with opened(store, tmp_path) as registry:
        for name, text in (("scr_1", COERCED), ("scr_2", REFUND)):
            await registry.scripts.add(new_script(text, script_id=name), principal="t")
        await write(registry)
        await registry.scripts.add(new_script(ORDINARY, script_id="scr_3"), principal="t")
    async with opened(store, tmp_path) as registry:
        assert is_from_checkpoint(registry)
        await verified(registry)
        assert sorted(registry.snapshot.scripts) == ["scr_1", "scr_2", "scr_3"]
        assert found_in(registry, REFUND) == ["scr_2"]
        assert found_in(registry, ORDINARY) == ["scr_3"]
        await registry.scripts.erase("scr_1", reason="", principal="t")
    async with opened(store, tmp_path) as registry:
        assert not is_from_checkpoint(registry)
        assert sorted(registry.snapshot.scripts) == ["scr_2", "scr_3"]
        assert found_in(registry, COERCED) == []


async def test_scripts_are_sealed_again_after_a_key_rotation(
    registry: Registry, open_registry: OpenRegistry, tmp_path: Path
) -> None:
    """Old records open with the new ring; resealed ones don't need the old key."""
    kept = await registry.scripts.add(new_script(), principal="tester")
    await registry.close()
    KeyRing.load(tmp_path / "keys" / "master.json").rotate()
    rotated = await open_registry()
    assert await rotated.scripts.get(kept.script_id) == kept
    assert await rotated.scripts.reseal(principal="admin") == 1
    assert await rotated.scripts.reseal(principal="admin") == 0
    again = await open_registry()
    assert again.snapshot.script_holding(kept.script_id).data_key.key_id == again.keys.active_key_id
    assert found_in(again, COERCED) == [kept.script_id]


async def test_a_repeat_with_the_same_key_is_one_script(registry: Registry) -> None:
    """It gives the first answer; with other content it is refused, and without a key there are two."""
    first = await registry.scripts.add(new_script(), principal="t", idempotency_key="key-1")
    assert await registry.scripts.add(new_script(), principal="t", idempotency_key="key-1") == first
    with pytest.raises(IdempotencyConflict):
        await registry.scripts.add(new_script(REFUND), principal="t", idempotency_key="key-1")
    second = await registry.scripts.add(new_script(), principal="t")
    assert set(found_in(registry, COERCED)) == {first.script_id, second.script_id}


async def test_an_altered_record_is_named(
    registry: Registry, open_registry: OpenRegistry, store: Store
) -> None:
    """One script in place of another, or a bit turned: the start is refused."""
    kept = await registry.scripts.add(new_script(script_id="scr_1"), principal="tester")
    key = store.key(f"record/script/{kept.script_id}")
    stored = await store.get(key)
    assert stored is not None
    await store._client.set(key, stored[:-1] + bytes([stored[-1] ^ 1]))
    with pytest.raises(StoreTampered, match="script/scr_1"):
        await open_registry()


async def test_scripts_come_in_pages(registry: Registry) -> None:
    """Every one once, in the order of their ids, of all or of one network or campaign."""
    for number in range(7):
        campaign = "甲" if number % 2 else "乙"
        network_id = "蓝海" if number < 3 else None
        new = new_script(script_id=f"s-{number}", campaign=campaign, network_id=network_id)
        await registry.scripts.add(new, principal="t")
    seen: list[str] = []
    token = ""
    while True:
        page = await registry.scripts.list(page_size=3, page_token=token)
        assert page.total == 7
        seen += [script.script_id for script in page.scripts]
        token = page.next_page_token
        if not token:
            break
    assert seen == [f"s-{number}" for number in range(7)]
    of_campaign = await registry.scripts.list(campaign="甲")
    assert [script.script_id for script in of_campaign.scripts] == ["s-1", "s-3", "s-5"]
    both = await registry.scripts.list(network_id="蓝海", campaign="甲")
    assert [script.script_id for script in both.scripts] == ["s-1"]
    with pytest.raises(InvalidRecord):
        await registry.scripts.list(page_token="../")


@pytest.mark.parametrize(
    ("changes", "error", "named"),
    [
        ({"text": ""}, InvalidText, "empty"),
        ({"text": " \n\u3000"}, InvalidText, "empty"),
        ({"text": "诉"}, ScriptTooShort, "characters"),
        ({"text": "。" * 500}, ScriptTooShort, "characters"),
        ({"text": "投" * (LONGEST_TEXT + 1)}, TextTooLong, "200,001"),
        ({"text": COERCED + "\x00"}, InvalidText, r"U\+0000"),
        ({"text": COERCED + "\x1b[2J"}, InvalidText, r"U\+001B"),
        ({"text": COERCED + "\ud800"}, InvalidText, r"U\+D800"),
        ({"text": f"甲乙\u202e{COERCED}"}, InvalidText, r"U\+202E.* at character 2"),
        ({"text": COERCED.encode("gb18030").decode(errors="replace")}, InvalidText, "encoding"),
        ({"title": " "}, InvalidRecord, "title"),
        ({"script_id": "../x"}, InvalidRecord, "Script id"),
        ({"network_id": "x" * 201}, InvalidRecord, "network"),
        ({"expires_at": datetime(2020, 1, 1, tzinfo=UTC)}, InvalidRecord, "expiry"),
        ({"script_id": "taken"}, ScriptExists, "taken"),
    ],
)
async def test_what_is_no_script_is_refused_and_leaves_no_trace(
    registry: Registry, changes: dict[str, object], error: type[IndexRoomError], named: str
) -> None:
    """With a word on what is wrong; neither record nor journal entry."""
    await registry.scripts.add(new_script(REFUND, script_id="taken"), principal="t")
    head = registry.snapshot.head
    with pytest.raises(error, match=named):
        await registry.scripts.add(
            dataclasses.replace(new_script(), **changes),  # type: ignore[arg-type]
            principal="t",
        )
    assert registry.snapshot.head == head
    assert len(registry.scripts.known) == 1


@pytest.mark.parametrize("harmless", ["\r\n", "\t", "\u200b", "\u202d139\u202c", "\ufeff", "\x0b"])
async def test_marks_that_come_with_letters_are_taken(registry: Registry, harmless: str) -> None:
    """Line ends of word processors, and what telephones put around numbers that are copied."""
    kept = await registry.scripts.add(new_script(COERCED + harmless), principal="t")
    assert found_in(registry, COERCED) == [kept.script_id]
