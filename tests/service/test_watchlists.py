"""WatchlistService over a real port: watchlists, actors, pages, erasure, and who is told what."""

from datetime import UTC, datetime, timedelta
from itertools import product

import grpc
import pytest
from google.protobuf.field_mask_pb2 import FieldMask
from google.protobuf.timestamp_pb2 import Timestamp
from google.rpc.error_details_pb2 import ErrorInfo
from google.rpc.status_pb2 import Status

from fixtures.enrolling import LIST, Stub
from fixtures.store import voice
from shengdun.enrollment.assessment import VoiceTools
from shengdun.index.registry import Registry
from shengdun.index.watchlists import ErasureReceipt, NewActor, NewWatchlist, Template
from shengdun.v1 import watchlist_pb2 as pb

Code = grpc.StatusCode


def reason_of(error: grpc.aio.AioRpcError) -> str:
    """The machine-readable reason of a refusal."""
    status = Status.FromString(dict(error.trailing_metadata())["grpc-status-details-bin"])
    info = ErrorInfo()
    assert status.details[0].Unpack(info)
    return str(info.reason)


def receipt_of(wire: pb.ErasureReceipt) -> ErasureReceipt:
    """A receipt as the server signed it, from nothing but what a client is given."""
    return ErasureReceipt(
        receipt_id=wire.receipt_id,
        actor_id=wire.actor_id,
        reason=wire.reason,
        principal=wire.principal,
        erased_at=wire.erase_time.ToDatetime(UTC),
        voiceprints_erased=wire.voiceprints_erased,
        journal_sequence=wire.journal_sequence,
        journal_hash=wire.journal_hash,
        signature=wire.signature,
    )


async def registered(agents: Registry, tools: VoiceTools, count: int) -> list[str]:
    """So many actors with imagined voices, on the list."""
    ids = []
    for seed in range(count):
        template = Template.new(
            voice(seed, tools.model.dimension), model_id=tools.model.model_id, net_speech_s=9.0
        )
        new = NewActor(
            display_name=f"actor {seed}", watchlist_ids=frozenset({LIST}), actor_id=f"act_{seed:03}"
        )
        ids.append((await agents.register_actor(new, [template], principal="tester")).actor_id)
    return ids


async def test_a_watchlist_lives(keeping: Stub, voice_tools: VoiceTools) -> None:
    """It is made, read, listed, changed and deleted; what the server sets is set by the server."""
    stated = pb.Watchlist(
        watchlist_id="gang", name="团伙", purpose="fraud", owner="risk", legal_basis="PIPL 13",
        model_id="ignored", revision=77, actor_count=5,
    )  # fmt: skip
    made = (await keeping.CreateWatchlist(pb.CreateWatchlistRequest(watchlist=stated))).watchlist
    assert made.model_id == voice_tools.model.model_id
    assert made.revision == 1
    assert made.actor_count == 0
    assert not made.needs_reenrollment
    assert made.create_time.ToDatetime(UTC) > datetime.now(UTC) - timedelta(minutes=5)

    read = await keeping.GetWatchlist(pb.GetWatchlistRequest(watchlist_id="gang"))
    assert read.watchlist == made
    listed = await keeping.ListWatchlists(pb.ListWatchlistsRequest())
    assert [one.watchlist_id for one in listed.watchlists] == [LIST, "gang"]

    changes = pb.Watchlist(watchlist_id="gang", owner="compliance", name="unmasked", revision=1)
    changed = await keeping.UpdateWatchlist(
        pb.UpdateWatchlistRequest(watchlist=changes, update_mask=FieldMask(paths=["owner"]))
    )
    assert (changed.watchlist.owner, changed.watchlist.name) == ("compliance", "团伙")
    assert changed.watchlist.revision == 2

    await keeping.DeleteWatchlist(pb.DeleteWatchlistRequest(watchlist_id="gang"))
    with pytest.raises(grpc.aio.AioRpcError) as gone:
        await keeping.GetWatchlist(pb.GetWatchlistRequest(watchlist_id="gang"))
    assert gone.value.code() is Code.NOT_FOUND
    assert reason_of(gone.value) == "WATCHLIST_NOT_FOUND"


async def test_a_watchlist_without_a_name_is_called_by_its_id(keeping: Stub) -> None:
    """Nobody has to say the same thing twice."""
    made = await keeping.CreateWatchlist(
        pb.CreateWatchlistRequest(watchlist=pb.Watchlist(watchlist_id="gang"))
    )
    assert made.watchlist.name == "gang"


async def test_creating_again_with_the_same_key_is_one_creation(keeping: Stub) -> None:
    """A repeat gives the first answer; without a key it is a conflict."""
    stated = pb.Watchlist(watchlist_id="gang", name="x")
    request = pb.CreateWatchlistRequest(watchlist=stated, idempotency_key="key-1")
    assert await keeping.CreateWatchlist(request) == await keeping.CreateWatchlist(request)
    request.idempotency_key = ""
    with pytest.raises(grpc.aio.AioRpcError) as refused:
        await keeping.CreateWatchlist(request)
    assert refused.value.code() is Code.ALREADY_EXISTS


async def test_a_list_of_another_model_says_so(keeping: Stub, agents: Registry) -> None:
    """It needs re-enrolment as long as somebody on it has no voiceprint of the server's model, and says of how many."""
    await agents.create_watchlist(
        NewWatchlist(watchlist_id="old", name="old", model_id="older@000000000000"),
        principal="tester",
    )
    read = await keeping.GetWatchlist(pb.GetWatchlistRequest(watchlist_id="old"))
    assert not read.watchlist.needs_reenrollment
    await agents.register_actor(
        NewActor(display_name="李四", watchlist_ids=frozenset({"old"})),
        [Template.new(voice(1, 4), model_id="older@000000000000", net_speech_s=9.0)],
        principal="tester",
    )
    read = await keeping.GetWatchlist(pb.GetWatchlistRequest(watchlist_id="old"))
    assert read.watchlist.needs_reenrollment
    assert read.watchlist.actors_without_voiceprint == 1


async def test_a_watchlist_with_actors_is_deleted_by_force_with_receipts(
    keeping: Stub, agents: Registry, voice_tools: VoiceTools
) -> None:
    """Without force nothing happens; with it every actor that was erased has a receipt."""
    ids = await registered(agents, voice_tools, 3)
    with pytest.raises(grpc.aio.AioRpcError) as refused:
        await keeping.DeleteWatchlist(pb.DeleteWatchlistRequest(watchlist_id=LIST))
    assert refused.value.code() is Code.FAILED_PRECONDITION
    assert len(agents.snapshot.actor_ids) == 3
    deleted = await keeping.DeleteWatchlist(
        pb.DeleteWatchlistRequest(watchlist_id=LIST, force=True)
    )
    assert sorted(receipt.actor_id for receipt in deleted.receipts) == ids
    assert not agents.snapshot.actor_ids


@pytest.mark.parametrize("watchlist_id", [LIST, ""])
async def test_actors_come_in_pages(
    keeping: Stub, agents: Registry, voice_tools: VoiceTools, watchlist_id: str
) -> None:
    """Every actor once, in the order of their ids, of one list or of all."""
    ids = await registered(agents, voice_tools, 7)
    seen: list[str] = []
    request = pb.ListActorsRequest(watchlist_id=watchlist_id, page_size=3)
    sizes = []
    while True:
        page = await keeping.ListActors(request)
        sizes.append(len(page.actors))
        seen += [actor.actor_id for actor in page.actors]
        if not page.next_page_token:
            break
        request.page_token = page.next_page_token
    assert seen == ids
    assert sizes == [3, 3, 1]


async def test_made_up_page_tokens_are_refused(keeping: Stub, subtests: pytest.Subtests) -> None:
    """What can't be a token is an error and not a first page."""
    for token, watchlist_id in product(["/../", "x" * 1000, "x" * 5000, "{tag}"], [LIST, ""]):
        with subtests.test(token=token[:5], watchlist_id=watchlist_id):
            request = pb.ListActorsRequest(watchlist_id=watchlist_id, page_token=token)
            with pytest.raises(grpc.aio.AioRpcError) as refused:
                await keeping.ListActors(request)
            assert refused.value.code() is Code.INVALID_ARGUMENT
            assert "token" in (refused.value.details() or "")


async def test_every_look_at_a_person_is_journaled(
    keeping: Stub, agents: Registry, voice_tools: VoiceTools
) -> None:
    """Reading one actor and listing several each leave an entry with who looked at whom."""
    ids = await registered(agents, voice_tools, 2)
    before = agents.snapshot.journal_sequence
    await keeping.GetActor(pb.GetActorRequest(actor_id=ids[0]))
    await keeping.ListActors(pb.ListActorsRequest(watchlist_id=LIST))
    entries = await agents.audit(after=before)
    assert [entry.kind for entry in entries] == ["actor.looked_at"] * 2
    assert {entry.principal for entry in entries} == {"local"}
    assert entries[0].subjects == (f"actor/{ids[0]}",)
    assert set(entries[1].subjects) == {f"actor/{actor_id}" for actor_id in ids}


async def test_an_actor_is_changed_where_the_mask_says(
    keeping: Stub, agents: Registry, voice_tools: VoiceTools
) -> None:
    """Masked fields change, one part of the provenance leaves the others, and an expiry can be taken back."""
    [actor_id] = await registered(agents, voice_tools, 1)
    stated = pb.Actor(
        actor_id=actor_id, display_name="新名字", aliases=["a", "b"], source="police", case_reference="C-1",
        notes="unmasked", expire_time=Timestamp(seconds=4_000_000_000),
    )  # fmt: skip
    mask = FieldMask(paths=["display_name", "aliases", "source", "case_reference", "expire_time"])
    first = (await keeping.UpdateActor(pb.UpdateActorRequest(actor=stated, update_mask=mask))).actor
    assert (first.display_name, list(first.aliases), first.notes) == ("新名字", ["a", "b"], "")
    assert first.expire_time.seconds == 4_000_000_000

    bare = pb.Actor(actor_id=actor_id, legal_basis="consent", revision=first.revision)
    mask = FieldMask(paths=["legal_basis", "expire_time"])
    second = (await keeping.UpdateActor(pb.UpdateActorRequest(actor=bare, update_mask=mask))).actor
    assert (second.source, second.case_reference, second.legal_basis) == (
        "police",
        "C-1",
        "consent",
    )
    assert not second.HasField("expire_time")

    with pytest.raises(grpc.aio.AioRpcError) as stale:
        await keeping.UpdateActor(pb.UpdateActorRequest(actor=bare, update_mask=mask))
    assert stale.value.code() is Code.ABORTED
    assert reason_of(stale.value) == "REVISION_CONFLICT"


async def test_changes_that_make_no_sense_name_the_field(
    keeping: Stub, agents: Registry, voice_tools: VoiceTools, subtests: pytest.Subtests
) -> None:
    """Each is INVALID_ARGUMENT with the name of what is wrong."""
    [actor_id] = await registered(agents, voice_tools, 1)
    far_future = Timestamp(seconds=1 << 60)
    for actor, paths, says in (
        (pb.Actor(), [], "update_mask is empty"),
        (pb.Actor(), ["voiceprints"], "voiceprints"),
        (pb.Actor(), ["*"], "can't be changed"),
        (pb.Actor(), ["watchlist_ids"], "watchlist_ids is empty"),
        (pb.Actor(expire_time=far_future), ["expire_time"], "expire_time"),
    ):
        actor.actor_id = actor_id
        with subtests.test(says=says):
            request = pb.UpdateActorRequest(actor=actor, update_mask=FieldMask(paths=paths))
            with pytest.raises(grpc.aio.AioRpcError, match=says) as refused:
                await keeping.UpdateActor(request)
            assert refused.value.code() is Code.INVALID_ARGUMENT


async def test_the_last_voiceprint_stays(
    keeping: Stub, agents: Registry, voice_tools: VoiceTools
) -> None:
    """An actor that can't be found is erased, not emptied."""
    [actor_id] = await registered(agents, voice_tools, 1)
    [info] = agents.snapshot.actor(actor_id).voiceprints
    request = pb.RemoveVoiceprintRequest(actor_id=actor_id, voiceprint_id=info.voiceprint_id)
    with pytest.raises(grpc.aio.AioRpcError) as refused:
        await keeping.RemoveVoiceprint(request)
    assert reason_of(refused.value) == "LAST_VOICEPRINT"
    request.voiceprint_id = "vp_unknown"
    with pytest.raises(grpc.aio.AioRpcError) as unknown:
        await keeping.RemoveVoiceprint(request)
    assert unknown.value.code() is Code.NOT_FOUND


async def test_erasing_gives_a_receipt_and_leaves_nothing(
    keeping: Stub, agents: Registry, voice_tools: VoiceTools
) -> None:
    """The actor is gone from reading, listing and searching, and the receipt has all that was signed."""
    actor_id, other = await registered(agents, voice_tools, 2)
    answer = await keeping.EraseActor(
        pb.EraseActorRequest(actor_id=actor_id, reason="appeal upheld")
    )
    assert answer.receipt.actor_id == actor_id
    assert answer.receipt.voiceprints_erased == 1
    assert answer.receipt.reason == "appeal upheld"
    assert await agents.verify_receipt(receipt_of(answer.receipt))
    answer.receipt.reason = "another"
    assert not await agents.verify_receipt(receipt_of(answer.receipt))
    [entry] = await agents.audit(after=answer.receipt.journal_sequence - 1, limit=1)
    assert entry.hash == answer.receipt.journal_hash
    listed = await keeping.ListActors(pb.ListActorsRequest())
    assert [actor.actor_id for actor in listed.actors] == [other]
    found = agents.snapshot.search(
        LIST, voice(0, voice_tools.model.dimension), net_speech_s=9.0, at=datetime.now(UTC)
    )
    assert found.actor_ids == (other,)
    for _ in range(2):
        with pytest.raises(grpc.aio.AioRpcError) as gone:
            await keeping.EraseActor(pb.EraseActorRequest(actor_id=actor_id))
        assert gone.value.code() is Code.NOT_FOUND


async def test_malformed_requests_are_invalid_arguments(
    keeping: Stub, subtests: pytest.Subtests
) -> None:
    """Ids, keys and texts that can't be are refused before anything is looked up."""
    spaced = pb.CreateWatchlistRequest(
        watchlist=pb.Watchlist(watchlist_id="a"), idempotency_key="a b"
    )
    for call, request in (
        (keeping.GetActor, pb.GetActorRequest(actor_id="{x}")),
        (keeping.GetActor, pb.GetActorRequest()),
        (keeping.GetWatchlist, pb.GetWatchlistRequest(watchlist_id="Not A Slug")),
        (keeping.CreateWatchlist, pb.CreateWatchlistRequest()),
        (keeping.CreateWatchlist, spaced),
        (keeping.EraseActor, pb.EraseActorRequest(actor_id="a", reason="x" * 501)),
    ):
        with subtests.test(request=str(request)[:80]):
            with pytest.raises(grpc.aio.AioRpcError) as refused:
                await call(request)  # type: ignore[arg-type]
            assert refused.value.code() is Code.INVALID_ARGUMENT
