"""Fills the data directory of a server that isn't running: a journal entry an actor, as if each had been enrolled.

What is written is what a registry writes, through the planner, the journal and the embedded store; only its snapshot
isn't kept up to date meanwhile, which nothing here reads.
"""

import asyncio
from pathlib import Path
from typing import Final

import numpy as np
from benchmarks.search.voices import Voices

from shengdun.index.anchor import Anchor
from shengdun.index.embedded import EmbeddedStore
from shengdun.index.journal import Draft, Head, Journal, JournalEntry
from shengdun.index.ledger import Ledger
from shengdun.index.planning import Planner
from shengdun.index.reading import StoreReading
from shengdun.index.scoring import Scorer
from shengdun.index.store import Store, StoreSettings
from shengdun.index.watchlists import NewActor, NewWatchlist, Provenance, Template

WATCHLIST: Final = "agents"


async def fill(
    data_directory: Path, key_path: Path, scorer: Scorer, voices: Voices, *, per_actor: int
) -> int:
    """Enrol every voice, some to an actor; returns the number of actors."""
    async with EmbeddedStore(data_directory / "store") as embedded:
        store = await Store.connect(StoreSettings(url=embedded.url), guard=embedded)
        try:
            return await _fill(store, data_directory, key_path, scorer, voices, per_actor)
        finally:
            await store.close()


async def _fill(
    store: Store,
    data_directory: Path,
    key_path: Path,
    scorer: Scorer,
    voices: Voices,
    per_actor: int,
) -> int:
    reading = await StoreReading.of(store, data_directory=data_directory, key_path=key_path)
    ledger = await Ledger.of(reading, scorers=[scorer])
    planner = Planner(ledger.codec)
    listed = NewWatchlist(watchlist_id=WATCHLIST, name="agents", model_id=scorer.model_id)
    await ledger.commit(lambda now: planner.create_watchlist(now, listed, "benchmark"))
    await ledger.close()
    snapshot, head = ledger.snapshot, ledger.snapshot.head
    starts = range(0, len(voices.voiceprints), per_actor)
    for number, start in enumerate(starts):
        draft = planner.register_actor(
            snapshot,
            f"act_{number:08}",
            _actor(number),
            _templates(voices, range(start, start + per_actor), scorer.model_id),
            "benchmark",
        )
        head = await _commit(ledger.journal, head, draft)
    await asyncio.to_thread(Anchor(data_directory).advance, head)
    return len(starts)


async def _commit(journal: Journal, head: Head, draft: Draft) -> Head:
    entry = await journal.commit(head, draft)
    if not isinstance(entry, JournalEntry):
        raise TypeError("somebody else writes to this store")
    return entry.head


def _actor(number: int) -> NewActor:
    return NewActor(
        display_name=f"职业投诉代理人 {number}",
        watchlist_ids=frozenset({WATCHLIST}),
        aliases=(f"化名 {number}",),
        provenance=Provenance(
            source="complaints", case_reference=f"C-{number}", registered_by="benchmark"
        ),
        notes="多次代理不同客户投诉，话术一致。",
    )


def _templates(voices: Voices, rows: range, model_id: str) -> list[Template]:
    return [
        Template.new(
            voices.voiceprints[row],
            model_id=model_id,
            net_speech_s=float(voices.net_speech_s[row]),
            snr_db=None if np.isnan(voices.snr_db[row]) else float(voices.snr_db[row]),
            codec="pcm_mulaw",
            source=f"recording-{row}",
        )
        for row in rows
        if row < len(voices.voiceprints)
    ]
