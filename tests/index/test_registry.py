import asyncio
import dataclasses
from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np
import pytest

from fixtures.store import (
    MODEL,
    OpenRegistry,
    best_actor,
    make_scorer,
    new_actor,
    new_watchlist,
    template,
    voice,
)
from shengdun.index.errors import (
    ActorExists,
    ActorNotFound,
    IdempotencyConflict,
    InvalidRecord,
    LastVoiceprint,
    ModelMismatch,
    RevisionConflict,
    VoiceprintNotFound,
    WatchlistExists,
    WatchlistNotEmpty,
    WatchlistNotFound,
)
from shengdun.index.keys import KeyRing
from shengdun.index.registry import Registry
from shengdun.index.store import Store
from shengdun.index.watchlists import Actor, ActorChanges, Template, WatchlistChanges

OTHER_MODEL = "other-voice@ba9876543210"


async def enrol(registry: Registry, seed: int, *watchlist_ids: str, name: str = "甲") -> Actor:
    return await registry.register_actor(
        new_actor(name, *watchlist_ids), [template(seed)], principal="tester"
    )


async def test_a_registered_actor_is_found_at_once(registry: Registry) -> None:
    """Searchable when the call returns, under the list's new version, with a runner-up."""
    first, second = await enrol(registry, 1), await enrol(registry, 2)
    result = registry.snapshot.search("agents", voice(1), net_speech_s=10.0, at=datetime.now(UTC))
    assert [each.actor_id for each in result.candidates] == [first.actor_id, second.actor_id]
    assert result.candidates[0].llr > 9.0
    assert result.candidates[0].voiceprint_id == first.voiceprints[0].voiceprint_id
    assert result.candidates[1].llr < 0
    assert (result.size_actors, result.unscored_actors) == (2, 0)
    assert result.version == "agents@4"
    assert result.model_id == MODEL
    assert result.profile_id.startswith("test@")
    assert result.actor_ids == (first.actor_id, second.actor_id)


async def test_what_was_registered_can_be_read(registry: Registry) -> None:
    """All fields come back as they were given, with revision 1 and the voiceprints' quality."""
    given = dataclasses.replace(
        new_actor("李四"), expires_at=datetime.now(UTC) + timedelta(days=1), network_id="net-1"
    )
    voiceprint = template(3, net_speech_s=7.5)
    actor = await registry.register_actor(given, [voiceprint], principal="tester")
    assert actor == await registry.get_actor(actor.actor_id)
    for field in dataclasses.fields(given):
        if field.name != "actor_id":
            assert getattr(actor, field.name) == getattr(given, field.name)
    assert actor.revision == 1
    assert actor.voiceprints == (voiceprint.info,)


async def test_a_reopened_registry_is_the_same(
    registry: Registry, open_registry: OpenRegistry
) -> None:
    """What is loaded from the store equals what was built change by change, to the bit."""
    actors = [await enrol(registry, seed) for seed in range(5)]
    await registry.add_voiceprints(actors[0].actor_id, [template(50)], principal="tester")
    await registry.erase_actor(actors[4].actor_id, reason="", principal="tester")
    reopened = await open_registry()
    assert reopened.snapshot.watchlists == registry.snapshot.watchlists
    assert reopened.snapshot.head == registry.snapshot.head
    at = datetime.now(UTC)
    for snapshot_actor in registry.snapshot.actor_ids:
        assert reopened.snapshot.actor(snapshot_actor) == registry.snapshot.actor(snapshot_actor)
    results = [
        each.snapshot.search("agents", voice(50), net_speech_s=4.0, at=at)
        for each in (registry, reopened)
    ]
    assert results[0].candidates == results[1].candidates
    assert results[0].version == results[1].version
    assert np.array_equal(results[0].actor_llrs, results[1].actor_llrs)


async def test_watchlists_are_created_changed_and_listed(registry: Registry) -> None:
    """Revisions count up, and other fields stay."""
    created = await registry.create_watchlist(new_watchlist("b-list"), principal="tester")
    changed = await registry.update_watchlist(
        "b-list", WatchlistChanges(owner="合规部"), expected_revision=1, principal="tester"
    )
    assert changed == dataclasses.replace(
        created, owner="合规部", revision=2, updated_at=changed.updated_at
    )
    assert await registry.get_watchlist("b-list") == changed
    assert [each.watchlist_id for each in await registry.list_watchlists()] == ["agents", "b-list"]


async def test_the_errors_of_watchlists(registry: Registry) -> None:
    """Taken ids, unknown ids, and revisions that have passed."""
    with pytest.raises(WatchlistExists, match="agents"):
        await registry.create_watchlist(new_watchlist(), principal="tester")
    with pytest.raises(WatchlistNotFound, match="nowhere"):
        await registry.get_watchlist("nowhere")
    with pytest.raises(WatchlistNotFound):
        await enrol(registry, 1, "agents", "nowhere")
    with pytest.raises(WatchlistNotFound):
        registry.snapshot.search("nowhere", voice(1), net_speech_s=1, at=datetime.now(UTC))
    with pytest.raises(RevisionConflict, match="revision 1, not 9") as conflict:
        await registry.update_watchlist(
            "agents", WatchlistChanges(name="x"), expected_revision=9, principal="tester"
        )
    assert conflict.value.current_revision == 1


async def test_a_failed_change_leaves_no_trace(registry: Registry) -> None:
    """Neither record nor journal entry nor version."""
    head = registry.snapshot.head
    with pytest.raises(WatchlistNotFound):
        await enrol(registry, 1, "agents", "nowhere")
    assert registry.snapshot.head == head
    assert not registry.snapshot.actor_ids
    assert len(await registry.audit()) == head.sequence


async def test_an_idempotency_key_makes_a_request_once(registry: Registry) -> None:
    """The same request gives the same actor, though ids and times of its templates differ."""
    new = new_actor("王五", "agents")
    first = await registry.register_actor(
        new, [template(1)], principal="tester", idempotency_key="k-1"
    )
    again = await registry.register_actor(
        new, [template(1)], principal="tester", idempotency_key="k-1"
    )
    assert again == first
    assert registry.snapshot.actor_ids == (first.actor_id,)
    more = [template(2)]
    await registry.add_voiceprints(first.actor_id, more, principal="tester", idempotency_key="k-2")
    added = await registry.add_voiceprints(
        first.actor_id, [template(2)], principal="tester", idempotency_key="k-2"
    )
    assert len(added.voiceprints) == 2


async def test_an_idempotency_key_is_bound_to_its_request(registry: Registry) -> None:
    """Another request under the same key conflicts; another principal's key is another key."""
    await registry.register_actor(
        new_actor("甲"), [template(1)], principal="tester", idempotency_key="k"
    )
    with pytest.raises(IdempotencyConflict):
        await registry.register_actor(
            new_actor("甲"), [template(2)], principal="tester", idempotency_key="k"
        )
    await registry.register_actor(
        new_actor("甲"), [template(2)], principal="other", idempotency_key="k"
    )
    assert len(registry.snapshot.actor_ids) == 2


async def test_the_same_request_many_times_at_once_is_made_once(
    registry: Registry, open_registry: OpenRegistry
) -> None:
    """Also when two processes get it at the same moment, with an id of the caller's choosing."""
    other = await open_registry()
    new = new_actor("甲", actor_id="crm-77")
    made = await asyncio.gather(
        *(
            each.register_actor(new, [template(1)], principal="tester", idempotency_key="k")
            for each in (registry, other) * 4
        )
    )
    assert len(set(made)) == 1
    assert registry.snapshot.actor_ids == ("crm-77",)


async def test_actor_ids_may_be_given_once(registry: Registry) -> None:
    """A taken id is a typed conflict."""
    new = new_actor("甲", actor_id="crm-1")
    await registry.register_actor(new, [template(1)], principal="tester")
    with pytest.raises(ActorExists, match="crm-1"):
        await registry.register_actor(new, [template(2)], principal="tester")


async def test_models_are_not_mixed(registry: Registry) -> None:
    """Neither at registration nor when adding; nor in a search, unless it is for the model in use."""
    await registry.create_watchlist(
        new_watchlist("other", model_id=OTHER_MODEL), principal="tester"
    )
    foreign = template(2, model_id=OTHER_MODEL)
    with pytest.raises(ModelMismatch, match=f"{MODEL}.*{OTHER_MODEL}.*re-enrol"):
        await registry.register_actor(new_actor("甲"), [foreign], principal="tester")
    actor = await enrol(registry, 1)
    with pytest.raises(ModelMismatch):
        await registry.add_voiceprints(actor.actor_id, [foreign], principal="tester")
    await registry.register_actor(new_actor("乙", "other"), [foreign], principal="tester")
    with pytest.raises(ModelMismatch):
        registry.snapshot.search("other", voice(2), net_speech_s=3, at=datetime.now(UTC))
    page = await registry.list_actors("other")
    assert page.total == 1


async def test_voiceprints_are_added_and_removed(registry: Registry) -> None:
    """Each is searchable, or gone, when the call returns; the last one stays."""
    actor = await enrol(registry, 1)
    actor = await registry.add_voiceprints(
        actor.actor_id, [template(2)], principal="tester", expected_revision=1
    )
    assert actor.revision == 2
    assert best_actor(registry, 1) == best_actor(registry, 2) == actor.actor_id
    actor = await registry.remove_voiceprint(
        actor.actor_id, actor.voiceprints[0].voiceprint_id, principal="tester"
    )
    assert best_actor(registry, 1) is None
    assert best_actor(registry, 2) == actor.actor_id
    with pytest.raises(LastVoiceprint):
        await registry.remove_voiceprint(
            actor.actor_id, actor.voiceprints[0].voiceprint_id, principal="tester"
        )
    with pytest.raises(VoiceprintNotFound):
        await registry.remove_voiceprint(actor.actor_id, "vp_none", principal="tester")
    with pytest.raises(InvalidRecord):
        await registry.add_voiceprints(actor.actor_id, [], principal="tester")


async def test_an_actor_moves_between_watchlists(registry: Registry) -> None:
    """Found on exactly the lists that it's on; only those lists get a new version."""
    for name in ("b-list", "c-list"):
        await registry.create_watchlist(new_watchlist(name), principal="tester")
    actor = await enrol(registry, 1, "agents", "b-list")
    untouched = registry.snapshot.watchlist_version("c-list")
    await registry.update_actor(
        actor.actor_id,
        ActorChanges(watchlist_ids=frozenset({"b-list"}), display_name="新名"),
        expected_revision=1,
        principal="tester",
    )
    assert best_actor(registry, 1, "agents") is None
    assert best_actor(registry, 1, "b-list") == actor.actor_id
    assert registry.snapshot.watchlist_version("c-list") == untouched
    assert registry.snapshot.watchlist_version("agents").endswith(
        f"@{registry.snapshot.journal_sequence}"
    )
    with pytest.raises(RevisionConflict):
        await registry.update_actor(
            actor.actor_id, ActorChanges(notes=""), expected_revision=1, principal="tester"
        )


async def test_an_expired_actor_is_not_found_by_the_clock(registry: Registry) -> None:
    """From the moment of its expiry, without any change or restart; a later expiry brings it back."""
    expires_at = datetime.now(UTC) + timedelta(hours=1)
    actor = await registry.register_actor(
        new_actor("甲", expires_at=expires_at), [template(1)], principal="tester"
    )
    await enrol(registry, 2)

    def found(at: datetime) -> tuple[str, ...]:
        return registry.snapshot.search("agents", voice(1), net_speech_s=5, at=at).actor_ids

    assert actor.actor_id in found(expires_at - timedelta(microseconds=1))
    assert actor.actor_id not in found(expires_at)
    later = ActorChanges(expires_at=expires_at + timedelta(hours=1))
    await registry.update_actor(actor.actor_id, later, expected_revision=1, principal="tester")
    assert actor.actor_id in found(expires_at)
    never = ActorChanges(expires_at=None)
    await registry.update_actor(actor.actor_id, never, expected_revision=2, principal="tester")
    assert actor.actor_id in found(expires_at + timedelta(days=10000))


async def test_an_actor_cannot_be_registered_expired(registry: Registry) -> None:
    """It would never be found."""
    past = datetime.now(UTC) - timedelta(seconds=1)
    with pytest.raises(InvalidRecord, match="past"):
        await registry.register_actor(
            new_actor("甲", expires_at=past), [template(1)], principal="tester"
        )


async def test_actors_are_listed_in_pages(registry: Registry) -> None:
    """Every actor once, in the order of ids; expired ones on demand."""
    soon = datetime.now(UTC) + timedelta(hours=1)
    for seed in range(7):
        await registry.register_actor(
            new_actor("甲", actor_id=f"a-{seed}", expires_at=soon if seed % 2 else None),
            [template(seed)],
            principal="tester",
        )
    seen: list[str] = []
    token = ""
    while True:
        page = await registry.list_actors("agents", page_size=3, page_token=token)
        assert page.total == 7
        seen += [actor.actor_id for actor in page.actors]
        token = page.next_page_token
        if not token:
            break
    assert seen == [f"a-{seed}" for seed in range(7)]
    valid = registry.snapshot.list_actors("agents", at=soon, include_expired=False, page_size=3)
    assert [actor.actor_id for actor in valid.actors] == ["a-0", "a-2", "a-4"]
    assert (valid.total, valid.next_page_token) == (4, "a-4")
    with pytest.raises(InvalidRecord, match="token"):
        await registry.list_actors("agents", page_token="{}")


async def test_erasing_gives_a_receipt_that_can_be_checked(registry: Registry) -> None:
    """Gone when the call returns; the receipt is signed and names the journal entry."""
    actor = await enrol(registry, 1)
    receipt = await registry.erase_actor(actor.actor_id, reason="本人申请", principal="dpo")
    assert best_actor(registry, 1) is None
    with pytest.raises(ActorNotFound, match=actor.actor_id):
        await registry.get_actor(actor.actor_id)
    with pytest.raises(ActorNotFound):
        await registry.erase_actor(actor.actor_id, reason="", principal="dpo")
    assert (receipt.actor_id, receipt.voiceprints_erased, receipt.reason) == (
        actor.actor_id,
        1,
        "本人申请",
    )
    assert receipt.journal_sequence == registry.snapshot.journal_sequence
    assert await registry.verify_receipt(receipt)
    for forged in (
        {"actor_id": "act_other"},
        {"voiceprints_erased": 2},
        {"reason": "x"},
        {"journal_sequence": 1},
        {"signature": "00"},
        {"erased_at": receipt.erased_at + timedelta(seconds=1)},
    ):
        changed = dataclasses.replace(receipt, **forged)
        assert not await registry.verify_receipt(changed)


async def test_erased_bytes_leave_the_disk(
    registry: Registry, store: Store, tmp_path: Path
) -> None:
    """After compaction no file holds the sealed voiceprint any more; others' are still there."""
    erased, kept = await enrol(registry, 1), await enrol(registry, 2)

    async def stored(actor: Actor) -> bytes:
        name = f"record/voiceprint/{actor.actor_id}/{actor.voiceprints[0].voiceprint_id}"
        value = await store.get(store.key(name))
        assert value is not None
        return value

    def on_disk(value: bytes) -> bool:
        files = (tmp_path / "data" / "store" / "appendonlydir").iterdir()
        return any(value[20:80] in path.read_bytes() for path in files)

    await registry.compacted()
    erased_bytes, kept_bytes = await stored(erased), await stored(kept)
    await store.compact()
    await registry.add_voiceprints(erased.actor_id, [template(3)], principal="tester")
    await registry.erase_actor(erased.actor_id, reason="", principal="tester")
    await registry.compacted()
    assert not on_disk(erased_bytes)
    assert on_disk(kept_bytes)


async def test_a_watchlist_with_actors_is_deleted_by_force_alone(registry: Registry) -> None:
    """Actors on another list lose the membership, the others are erased with receipts."""
    await registry.create_watchlist(new_watchlist("b-list"), principal="tester")
    both, alone = await enrol(registry, 1, "agents", "b-list"), await enrol(registry, 2)
    with pytest.raises(WatchlistNotEmpty, match="2 actors"):
        await registry.delete_watchlist("agents", force=False, principal="tester")
    receipts = await registry.delete_watchlist("agents", force=True, principal="tester")
    assert [receipt.actor_id for receipt in receipts] == [alone.actor_id]
    assert await registry.verify_receipt(receipts[0])
    assert registry.snapshot.actor_ids == (both.actor_id,)
    assert registry.snapshot.actor(both.actor_id).watchlist_ids == {"b-list"}
    assert best_actor(registry, 1, "b-list") == both.actor_id
    with pytest.raises(WatchlistNotFound):
        await registry.get_watchlist("agents")
    assert await registry.delete_watchlist("b-list", force=True, principal="tester")
    assert await registry.list_watchlists() == ()
    assert not registry.snapshot.actor_ids


async def test_the_audit_log_tells_who_did_what(registry: Registry) -> None:
    """Changes and looks, in order, without gaps, by ids alone."""
    actor = await enrol(registry, 1, name="不可见的名字")
    await registry.record_event(
        principal="auditor-1", kind="actor.looked_at", subjects=[f"actor/{actor.actor_id}"]
    )
    await registry.erase_actor(actor.actor_id, reason="保密", principal="dpo")
    entries = await registry.audit()
    assert [(entry.sequence, entry.kind, entry.principal) for entry in entries] == [
        (1, "store.created", "system"),
        (2, "watchlist.created", "tester"),
        (3, "actor.registered", "tester"),
        (4, "actor.looked_at", "auditor-1"),
        (5, "actor.erased", "dpo"),
    ]
    assert entries[3].subjects == (f"actor/{actor.actor_id}",)
    assert await registry.audit(after=3, limit=1) == entries[3:4]
    assert await registry.audit(after=5) == ()


async def test_nothing_personal_is_stored_in_clear(registry: Registry, tmp_path: Path) -> None:
    """Names, notes, reasons and vectors are in no file of the data directory."""
    actor = await enrol(registry, 1, name="张三丰")
    await registry.erase_actor(
        (await enrol(registry, 2)).actor_id, reason="王某某要求", principal="t"
    )
    await registry.compacted()
    content = b"".join(
        path.read_bytes() for path in (tmp_path / "data").rglob("*") if path.is_file()
    )
    assert actor.actor_id.encode() in content
    for secret in ("张三丰", "备注", "王某某", "风控"):
        assert secret.encode() not in content
    assert voice(1).tobytes() not in content
    assert voice(1).tobytes()[:32] not in content


async def test_a_principal_is_required(registry: Registry) -> None:
    """Nothing is changed by nobody."""
    with pytest.raises(InvalidRecord, match="principal"):
        await registry.create_watchlist(new_watchlist("x"), principal=" ")


async def test_actors_are_sealed_again_after_a_key_rotation(
    registry: Registry, open_registry: OpenRegistry, store: Store, tmp_path: Path
) -> None:
    """Old records open with the new ring; resealed ones don't need the old key; results stay."""
    actors = [await enrol(registry, seed) for seed in range(3)]
    await registry.close()
    KeyRing.load(tmp_path / "keys" / "master.json").rotate()
    rotated = await open_registry()
    assert best_actor(rotated, 1) == actors[1].actor_id
    assert await rotated.reseal_actors(principal="admin") == 3
    assert await rotated.reseal_actors(principal="admin") == 0
    again = await open_registry()
    for seed, actor in enumerate(actors):
        assert best_actor(again, seed) == actor.actor_id
        assert again.snapshot.actor(actor.actor_id) == actor
        assert again.snapshot.holding(actor.actor_id).data_key.key_id == again.keys.active_key_id


async def test_voiceprints_come_back_as_they_were(
    registry: Registry, open_registry: OpenRegistry
) -> None:
    """Rotation and its undoing cost less than a float32 can show in a cosine."""
    actor = await enrol(registry, 9)
    stored = registry.snapshot.template(actor.actor_id, actor.voiceprints[0].voiceprint_id)
    assert isinstance(stored, Template)
    assert np.abs(stored.vector - voice(9)).max() < 1e-6
    reopened = await open_registry()
    loaded = reopened.snapshot.template(actor.actor_id, actor.voiceprints[0].voiceprint_id)
    assert loaded is not None
    assert np.array_equal(loaded.vector, stored.vector)


def test_a_scorer_fits_the_fixtures() -> None:
    """The fixtures' scorer and templates are of one model."""
    assert make_scorer().model_id == template(1).info.model_id


async def test_a_receipt_with_a_foreign_signature_is_not_ours(registry: Registry) -> None:
    """Whatever stands in the signature's place, the answer is no and not an error."""
    actor = await registry.register_actor(new_actor("甲"), [template(1)], principal="t")
    receipt = await registry.erase_actor(actor.actor_id, reason="", principal="t")
    for signature in ("", "签名", receipt.signature.upper()):
        assert not await registry.verify_receipt(dataclasses.replace(receipt, signature=signature))


async def test_an_expiry_without_a_time_zone_is_refused(registry: Registry) -> None:
    """As a malformed record, and not as a defect of ours."""
    with pytest.raises(InvalidRecord, match="time zone"):
        await registry.register_actor(
            new_actor("甲", expires_at=datetime(2050, 1, 1)),  # noqa: DTZ001 - what is refused
            [template(1)],
            principal="t",
        )
