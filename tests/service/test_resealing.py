"""A new master key is taken into use by a restart, and nobody has to ask for anything else."""

import asyncio
from pathlib import Path

from fixtures.allowing import new_allowed
from fixtures.scripts import COERCED, found_in, new_script
from fixtures.store import OpenRegistry, best_actor, new_actor, template, until
from shengdun.index.keys import KeyRing
from shengdun.index.registry import Registry
from shengdun.service.resealing import PRINCIPAL, Resealing


async def test_what_older_keys_protect_is_sealed_again(
    registry: Registry, open_registry: OpenRegistry, tmp_path: Path
) -> None:
    """Once, by whichever process comes first; what is known stays known."""
    actor = await registry.register_actor(new_actor("甲"), [template(1)], principal="tester")
    script = await registry.scripts.add(new_script(), principal="tester")
    entry = await registry.allowed.add(new_allowed(), principal="tester")
    await registry.close()
    KeyRing.load(tmp_path / "keys" / "master.json").rotate()
    one, other = await open_registry(), await open_registry()
    active = one.keys.active_key_id

    def is_done() -> bool:
        snapshot = other.snapshot
        sealed = (snapshot.holding(actor.actor_id), snapshot.script_holding(script.script_id))
        allowed = snapshot.allowed.holdings[entry.entry_id]
        return allowed.key_id == active and all(held.data_key.key_id == active for held in sealed)

    assert not is_done()
    async with Resealing(one), Resealing(other):
        await until(is_done)
        await asyncio.sleep(0.2)
    assert best_actor(other, 1) == actor.actor_id
    assert found_in(other, COERCED) == [script.script_id]
    assert await other.allowed.get(entry.entry_id) == entry
    done = [entry.kind for entry in await one.audit() if entry.principal == PRINCIPAL]
    assert sorted(set(done)) == ["actor.resealed", "allow.resealed", "script.resealed"]
