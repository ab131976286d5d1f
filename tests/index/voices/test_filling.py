"""Filling the window from blocks of the archive gives what taking in each call gives."""

from dataclasses import replace

import numpy as np

from fixtures.unknown_voices import EVIDENCE, made_call, made_clusters
from shengdun.index.archive.blocks import CallBlock
from shengdun.index.archive.rows import ArchivedCall
from shengdun.index.archive.tables import CallTable
from shengdun.index.rotation import rotation_matrix
from shengdun.index.scoring import unit_rows
from shengdun.index.voices.clusters import VoiceClusters
from shengdun.index.voices.columns import CallColumns
from shengdun.index.voices.filling import Filling
from shengdun.index.voices.recent import PART_ROWS

DIMENSION = EVIDENCE.coder.dimension


def blocks_of(calls: list[ArchivedCall], rows: int) -> list[CallBlock]:
    """The calls as a scan of the archive gives them, with some in between that aren't asked for."""
    table = CallTable.of(list(enumerate(calls, 1)), rotation_matrix(b"0" * 32, DIMENSION))
    starts = range(0, len(calls), rows)
    return [
        CallBlock(table, np.arange(start, min(start + rows, len(calls))), "2026-03-01")
        for start in starts
    ]


def filled(blocks: list[CallBlock]) -> VoiceClusters:
    clusters = made_clusters()
    with Filling(clusters) as filling:
        for block in blocks:
            filling.take(block, np.arange(len(block)))
    return clusters


def everything(clusters: VoiceClusters) -> CallColumns:
    """All calls of a window, by their keys."""
    columns = CallColumns.concatenate(list(clusters.recent.parts()))
    return columns.take(np.argsort(columns.id_hashes))


def test_columns_give_what_calls_give() -> None:
    """Field by field, voiceprints within a step of 8 bits; calls with too little speech are left out by both."""
    calls = [
        replace(
            made_call(number, 0, net_speech_s=1.0 + number % 9, calling_number=f"139{number % 5}"),
            customer="" if number % 7 == 0 else f"客户-{number % 11}",
            snr_db=None if number % 3 else 0.5 * number,
            line="complaints" if number % 2 else "collections",
        )
        for number in range(300)
    ]
    blocks = blocks_of(calls, 64)
    slow = made_clusters()
    slow.fill([block.row(row) for block in blocks for row in range(len(block))])
    one, other = everything(slow), everything(filled(blocks))
    assert 0 < len(one) < len(calls)
    for name in CallColumns.__slots__:
        if name != "codes":
            np.testing.assert_array_equal(getattr(one, name), getattr(other, name), err_msg=name)
    assert np.abs(one.codes.astype(int) - other.codes.astype(int)).max() <= 1
    assert (one.codes != other.codes).mean() < 1e-3


def test_some_rows_of_a_block_are_taken_in() -> None:
    """And none of another voice model, or when none are asked for."""
    [block] = blocks_of([made_call(number, 0) for number in range(9)], 9)
    [other] = blocks_of([replace(made_call(9, 0), model_id="other@0")], 9)
    clusters = made_clusters()
    with Filling(clusters) as filling:
        filling.take(block, np.array([7, 2]))
        filling.take(block, np.zeros(0, np.int64))
        filling.take(other, np.arange(1))
    assert sorted(everything(clusters).ids.tolist()) == [b"call-2-0", b"call-7-0"]


def test_parts_are_filled_whole() -> None:
    """However small the blocks, so that each call is sketched once."""
    rng = np.random.default_rng(3)
    call = made_call(0, 0)
    rows = unit_rows(rng.standard_normal((PART_ROWS + 500, DIMENSION)).astype(np.float32))
    calls = [
        replace(call, call_id=f"call-{number}", voiceprint=row) for number, row in enumerate(rows)
    ]
    sizes = [len(part) for part in filled(blocks_of(calls, 8_192)).recent.parts()]
    assert sum(sizes) == len(calls)
    assert len(sizes) <= 2
