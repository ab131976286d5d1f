"""The recent window, searched by voice."""

from dataclasses import replace
from datetime import timedelta

import numpy as np
from numpy.typing import NDArray

from fixtures.unknown_voices import BEGINS, DIMENSION, EVIDENCE, made_call
from shengdun.index.scoring import unit_rows
from shengdun.index.voices.columns import CallColumns, microseconds, moment, text_hash
from shengdun.index.voices.recent import KEPT_ROWS, PART_ROWS, RecentCalls

CODER = EVIDENCE.coder


def made_columns(count: int, *, seed: int) -> CallColumns:
    rng = np.random.default_rng(seed)
    return CODER.columns_of(
        ids=[f"{seed}-{row}" for row in range(count)],
        voiceprints=unit_rows(rng.standard_normal((count, DIMENSION)).astype(np.float32)),
        customers=[f"customer-{row}" for row in range(count)],
        numbers=[""] * count,
        lines=["complaints"] * count,
        started_us=microseconds(BEGINS) + np.arange(count, dtype=np.int64),
        net_speech_s=np.full(count, 5.0, np.float32),
        snr_db=np.full(count, np.nan, np.float32),
    )


def test_a_long_window_gives_what_comparing_with_every_call_gives() -> None:
    """Of the nearest calls at least 99 % are found through sketches, over parts of several sizes."""
    recent = RecentCalls(CODER)
    batches = [made_columns(rows, seed=rows) for rows in (9_000, 5_000, 300, 4_200)]
    for batch in batches:
        recent.add_columns(batch)
    everything = CallColumns.concatenate(batches)
    vectors = CODER.decode(everything.codes)
    found = 0
    for row in range(0, 18_000, 900):
        query = vectors[row]
        exact = everything.id_hashes[np.argsort(-(vectors @ query), kind="stable")[:20]]
        found += len(np.intersect1d(recent.nearest(query, 20).keys, exact))
    assert found >= 0.99 * 20 * 20


def near_to(voice: NDArray[np.float32], cosine: float, *, seed: int) -> NDArray[np.float32]:
    """A voiceprint of unit length at a cosine to another."""
    away = np.random.default_rng(seed).standard_normal(len(voice))
    away -= (away @ voice) * voice
    away *= np.sqrt(1.0 - cosine**2) / np.linalg.norm(away)
    return (cosine * voice + away).astype(np.float32)


def test_who_was_heard_little_further_is_found_by_what_was_scanned() -> None:
    """Of the nearest calls at least 99 % are still found, with those that came since and without those that went."""
    recent = RecentCalls(CODER)
    batches = [made_columns(rows, seed=rows) for rows in (9_000, 5_000, 300)]
    for batch in batches:
        recent.add_columns(batch)
    voices = CODER.decode(batches[0].codes[:9_000:600])
    scans = [
        recent.nearest(near_to(voice, 0.992, seed=n), 20).scan for n, voice in enumerate(voices)
    ]
    recent.add_columns(made_columns(200, seed=7))
    gone = batches[1].ids[:4_000:3].tolist()
    recent.remove([call_id.decode() for call_id in gone])
    everything = CallColumns.concatenate(list(recent.parts()))
    vectors, found = CODER.decode(everything.codes), 0
    for voice, scan in zip(voices, scans, strict=True):
        exact = everything.id_hashes[np.argsort(-(vectors @ voice), kind="stable")[:20]]
        found += len(np.intersect1d(recent.nearest(voice, 20, known=scan).keys, exact))
    assert found >= 0.99 * 20 * len(voices)


def test_what_was_scanned_is_not_scanned_again() -> None:
    """Rows that weren't near at first aren't looked at for nearly the same voice, and are for another."""
    recent = RecentCalls(CODER)
    columns = made_columns(9_000, seed=1)
    recent.add_columns(columns)
    voice = CODER.decode(columns.codes[17:18])[0]
    scan = recent.nearest(voice, 20).scan
    assert len(scan.rows) == KEPT_ROWS
    nothing = replace(scan, parts=scan.parts[:1], rows=scan.rows[:1], cosines=scan.cosines[:1])
    assert len(recent.nearest(voice, 20, known=nothing).keys) == 1
    recent.add_columns(made_columns(50, seed=2))
    assert len(recent.nearest(voice, 20, known=nothing).keys) == 20
    other = near_to(voice, 0.95, seed=3)
    again = recent.nearest(other, 20, known=nothing)
    assert again.keys.tolist() == recent.nearest(other, 20).keys.tolist()
    assert again.keys[0] == columns.id_hashes[17]


def test_parts_are_put_together() -> None:
    """Many small additions end in few parts, and every call is still found by its key."""
    recent = RecentCalls(CODER)
    for seed in range(20):
        recent.add_columns(made_columns(4_200, seed=seed))
    sizes = [len(part) for part in recent.parts()]
    assert len(recent) == sum(sizes) == 84_000
    assert len(sizes) <= 12
    assert max(sizes) <= PART_ROWS
    assert recent.rows(np.array([text_hash("7-41")], np.uint64)).ids.tolist() == [b"7-41"]


def test_rounding_moves_a_cosine_little() -> None:
    """Voiceprints in 8 bits give cosines within 0.006 of the exact ones."""
    rows = unit_rows(np.random.default_rng(3).standard_normal((500, DIMENSION)).astype(np.float32))
    kept = CODER.decode(CODER.encode(rows))
    assert np.abs(kept @ kept.T - rows @ rows.T).max() < 0.006


def test_calls_come_once_and_go_for_good() -> None:
    """A call id counts once; what was removed or has expired is nowhere in the window."""
    recent = RecentCalls(CODER)
    calls = [made_call(voice, 0, at_s=60.0 * voice) for voice in range(8)]
    assert recent.add([*calls, calls[0]]) == 8
    assert recent.add(calls) == 0
    assert len(recent.remove(["call-3-0", "unknown"])) == 1
    assert len(recent.expire(BEGINS + timedelta(seconds=120))) == 2
    ids = {call_id for part in recent.parts() for call_id in part.ids.tolist()}
    assert ids == {f"call-{voice}-0".encode() for voice in (2, 4, 5, 6, 7)}


def test_an_empty_window_answers() -> None:
    """Nothing is near in a window without calls."""
    recent = RecentCalls(CODER)
    assert len(recent.nearest(np.eye(DIMENSION, dtype=np.float32)[0], 5).keys) == 0
    assert len(recent.rows(np.array([1], np.uint64))) == 0
    assert len(recent.of_customer(text_hash("nobody"))) == 0


def test_times_are_exact() -> None:
    """A time survives to the microsecond."""
    at = BEGINS + timedelta(microseconds=123_457)
    assert moment(microseconds(at)) == at


def test_memory_of_a_call_is_bounded() -> None:
    """With ids and pseudonyms of ordinary length a call takes at most 500 bytes at 192 dimensions."""
    recent = RecentCalls(CODER)
    recent.add_columns(made_columns(20_000, seed=1))
    assert recent.nbytes / len(recent) <= 500


def test_groups_of_calls_are_what_each_is_alone() -> None:
    """To the bit, also where the window lacks a call of a group, or all of it."""
    evidence = EVIDENCE
    recent = RecentCalls(evidence.coder)
    recent.add([made_call(voice, number) for voice in range(5) for number in range(9)])
    ids = [
        ["call-0-0", "call-0-1", "call-0-2"],
        ["call-3-8"],
        ["gone", "call-2-1", "gone-too", "call-1-4"],
        ["gone"],
        [f"call-{voice}-{number}" for voice in range(5) for number in range(5, 9)],
    ]
    keys = [np.array([text_hash(call_id) for call_id in group], np.uint64) for group in ids]
    together, alone = recent.rows_of(keys), [recent.rows(group) for group in keys]
    assert [len(rows) for rows in together] == [3, 1, 2, 0, 20]
    for one, other in zip(together, alone, strict=True):
        np.testing.assert_array_equal(one.id_hashes, other.id_hashes)
        np.testing.assert_array_equal(one.codes, other.codes)
    there = [rows for rows in together if len(rows)]
    for voice, rows in zip(evidence.voices(there), there, strict=True):
        expected = evidence.voice(rows)
        assert voice.calls.tolist() == expected.calls.tolist()
        np.testing.assert_array_equal(voice.gathered.sums, expected.gathered.sums)
        np.testing.assert_array_equal(voice.gathered.precisions, expected.gathered.precisions)
    assert recent.rows_of([]) == []
    assert evidence.voices([]) == []
