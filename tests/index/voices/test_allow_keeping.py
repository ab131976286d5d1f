"""The allow-list in the store: kept, followed, resealed, forgotten, and never readable at rest."""

from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np
import pytest

from fixtures.store import MODEL, OpenRegistry, new_actor, template, until, voice
from shengdun.index.errors import InvalidRecord
from shengdun.index.keys import KeyRing
from shengdun.index.registry import Registry
from shengdun.index.store import Store
from shengdun.index.voices import allow_planning
from shengdun.index.voices.allowed import (
    Entry,
    Granted,
    OwnKind,
    OwnVoice,
    Relation,
    Representative,
)
from shengdun.index.voices.errors import AllowEntryExists, AllowEntryNotFound, AllowListFull

NOW = datetime.now(UTC)
GRANTED = Granted(reason="委托书 17", principal="li", at=NOW)


def lawyer(entry_id: str = "alw_1", customers: Sequence[str] = ("c1", "c2")) -> Representative:
    return Representative(
        entry_id=entry_id,
        relation=Relation.LAWYER,
        customers=frozenset(customers),
        granted=GRANTED,
    )


def collector(seed: int = 1, entry_id: str = "alw_own") -> OwnVoice:
    return OwnVoice(
        entry_id=entry_id,
        kind=OwnKind.COLLECTOR,
        model_id=MODEL,
        voiceprint=voice(seed),
        net_speech_s=20.0,
        granted=GRANTED,
    )


def contents(directory: Path) -> list[bytes]:
    return [path.read_bytes() for path in directory.rglob("*") if path.is_file()]


async def sealed(store: Store, entry_id: str) -> bytes:
    stored = await store.get(store.key(f"record/allow/{entry_id}"))
    assert stored is not None
    return stored


async def test_entries_are_the_same_in_every_process_and_after_a_start(
    registry: Registry, open_registry: OpenRegistry
) -> None:
    """Representatives and own voices, with everything that was said of them."""
    other = await open_registry()
    given: list[Entry] = [
        replace(lawyer(), numbers=frozenset({"n1"})),
        replace(collector(), granted=replace(GRANTED, until=NOW + timedelta(days=1))),
    ]
    for entry in given:
        await registry.allowed.add(entry, principal="li")
    await until(lambda: len(other.allowed.entries) == 2)
    for found in (registry, other, await open_registry()):
        assert await found.allowed.get("alw_1") == given[0]
        own = await found.allowed.get("alw_own")
        assert isinstance(own, OwnVoice)
        assert own.granted == given[1].granted
        assert np.allclose(own.voiceprint, voice(1), atol=1e-6)
    await other.allowed.remove("alw_1", reason="mandate ended", principal="li")
    assert [entry.entry_id for entry in other.allowed.entries] == ["alw_own"]
    await until(lambda: len(registry.allowed.entries) == 1)
    done = [(e.kind, e.subjects) for e in await registry.audit() if e.kind.startswith("allow.")]
    assert done == [
        ("allow.added", ("allow/alw_1",)),
        ("allow.added", ("allow/alw_own",)),
        ("allow.removed", ("allow/alw_1",)),
    ]


async def test_what_cannot_be_added_is_refused_with_a_reason(
    registry: Registry, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An id that is taken, the same again, an end in the past, and one too many."""
    await registry.allowed.add(lawyer(), principal="li")
    await registry.allowed.add(collector(), principal="li")
    for entry, says in (
        (lawyer(customers=("c9",)), "choose another id"),
        (lawyer("alw_2"), "'alw_1' of the allow-list says the same"),
        (collector(entry_id="alw_3"), "'alw_own' of the allow-list says the same"),
    ):
        with pytest.raises(AllowEntryExists, match=says):
            await registry.allowed.add(entry, principal="li")
    past = replace(GRANTED, at=NOW - timedelta(days=2), until=NOW - timedelta(days=1))
    with pytest.raises(InvalidRecord, match="lies in the past"):
        await registry.allowed.add(replace(lawyer("alw_4"), granted=past), principal="li")
    with pytest.raises(AllowEntryNotFound, match="alw_9"):
        await registry.allowed.remove("alw_9", reason="", principal="li")
    monkeypatch.setattr(allow_planning, "MOST_NAMED", 3)
    with pytest.raises(AllowListFull, match="name 4 customers"):
        await registry.allowed.add(lawyer("alw_5", ("c3", "c4")), principal="li")
    monkeypatch.setattr(allow_planning, "MOST_ENTRIES", 2)
    with pytest.raises(AllowListFull, match="2 entries"):
        await registry.allowed.add(collector(2, "alw_6"), principal="li")
    assert len(registry.allowed.entries) == 2


async def test_a_page_goes_on_where_the_last_ended(registry: Registry) -> None:
    for number in range(5):
        await registry.allowed.add(lawyer(f"alw_{number}", (f"c{number}",)), principal="li")
    first = await registry.allowed.list(page_size=3)
    assert ([e.entry_id for e in first.entries], first.total) == (["alw_0", "alw_1", "alw_2"], 5)
    last = await registry.allowed.list(page_size=3, page_token=first.next_page_token)
    assert ([e.entry_id for e in last.entries], last.next_page_token) == (["alw_3", "alw_4"], "")


async def test_a_forgotten_customer_is_in_no_entry_and_in_no_file(
    registry: Registry, open_registry: OpenRegistry, store: Store, tmp_path: Path
) -> None:
    """Entries that name others too stay; what was sealed with the customer leaves the disk."""
    gone = registry.keys.pseudonym("6222 0001")
    await registry.allowed.add(lawyer("alw_both", (gone, "c2")), principal="li")
    await registry.allowed.add(lawyer("alw_only", (gone,)), principal="li")
    await registry.allowed.add(lawyer("alw_other", ("c3",)), principal="li")
    before = [await sealed(store, entry_id) for entry_id in ("alw_both", "alw_only")]
    assert all(any(one[-32:] in each for each in contents(tmp_path)) for one in before)
    assert await registry.allowed.forget_customer(gone, principal="eraser") == 2
    assert await registry.allowed.forget_customer(gone, principal="eraser") == 0
    await registry.compacted()
    for found in (registry, await open_registry()):
        customers = {
            entry.entry_id: entry.customers
            for entry in found.allowed.entries
            if isinstance(entry, Representative)
        }
        assert customers == {"alw_both": frozenset({"c2"}), "alw_other": frozenset({"c3"})}
    at_rest = contents(tmp_path)
    assert not any(one[-32:] in each for one in before for each in at_rest)
    assert not any(gone.encode() in each for each in at_rest)


async def test_nothing_of_an_entry_is_readable_at_rest(registry: Registry, tmp_path: Path) -> None:
    await registry.allowed.add(lawyer(customers=("pseudonym-of-wang",)), principal="li")
    await registry.allowed.add(collector(), principal="li")
    at_rest = contents(tmp_path)
    rotated = registry.keys.rotation(registry.keys.active_key_id, len(voice(1))) @ voice(1)
    for private in (
        b"pseudonym-of-wang",
        GRANTED.reason.encode(),
        voice(1).tobytes(),
        rotated.astype("<f4").tobytes(),
    ):
        assert not any(private in each for each in at_rest)


async def test_a_new_master_key_seals_entries_again(
    registry: Registry, open_registry: OpenRegistry, tmp_path: Path
) -> None:
    """Once; what counts stays, also that of which the voiceprint is rotated otherwise now."""
    await registry.allowed.add(lawyer(), principal="li")
    await registry.allowed.add(collector(), principal="li")
    await registry.close()
    KeyRing.load(tmp_path / "keys" / "master.json").rotate()
    again = await open_registry()
    assert await again.allowed.reseal(principal="resealing") == 2
    assert await again.allowed.reseal(principal="resealing") == 0
    holdings = again.snapshot.allowed.holdings.values()
    assert {held.key_id for held in holdings} == {again.keys.active_key_id}
    own = await (await open_registry()).allowed.get("alw_own")
    assert isinstance(own, OwnVoice)
    assert np.allclose(own.voiceprint, voice(1), atol=1e-6)


async def test_entries_stand_beside_actors(registry: Registry, open_registry: OpenRegistry) -> None:
    """Neither disturbs the other when they come and go."""
    await registry.allowed.add(lawyer(), principal="li")
    actor = await registry.register_actor(new_actor("甲"), [template(1)], principal="t")
    await registry.erase_actor(actor.actor_id, reason="", principal="t")
    assert [e.entry_id for e in (await open_registry()).allowed.entries] == ["alw_1"]
