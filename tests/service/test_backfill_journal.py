"""The journal of a backfill, whatever became of its file."""

from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import pytest

from shengdun.enrollment.call_list_rows import CallProblem
from shengdun.enrollment.call_lists import CallList, ListedCall
from shengdun.service.backfill.journal import Journal
from shengdun.service.backfill.results import CallOutcome, CallResult
from shengdun.service.backfill.run import Backfill, Take, Totals
from shengdun.service.cli.backfill_progress import in_words
from shengdun.service.errors import BackfillImpossible


def call(row: int) -> ListedCall:
    return ListedCall(
        row=row,
        name=f"{row}.wav",
        path=Path(f"/calls/{row}.wav"),
        size=1000,
        changed_ns=row,
        started_at=datetime(2026, 11, 3, row, tzinfo=UTC),
        customer="4711",
    )


def archived(one: ListedCall) -> CallResult:
    return CallResult(
        row=one.row,
        path=one.name,
        outcome=CallOutcome.ARCHIVED,
        call_id=f"id-{one.row}",
        probability=0.5,
        duration_s=60.0,
    )


class Sink(list[CallResult]):
    """Results in memory."""

    write = list.append


def run(
    file: Path, *calls: ListedCall, problems: tuple[CallProblem, ...] = ()
) -> tuple[Sink, list[int]]:
    """One run to the end; gives its results, and the rows that were sent."""
    sink, sent = Sink(), []

    def send(calls: Sequence[ListedCall], take: Take) -> None:
        for one in calls:
            sent.append(one.row)
            take(one, archived(one))

    with Journal(file) as journal:
        Backfill(CallList(calls=calls, problems=problems), journal, sink).run(send)
    return sink, sent


def test_what_is_in_is_not_sent_again(tmp_path: Path) -> None:
    """Unless the file changed; what a list says otherwise than before is told."""
    file = tmp_path / "j"
    first, sent = run(file, call(1), call(2))
    assert sent == [1, 2]
    again, sent = run(file, call(1), call(2), call(3))
    assert sent == [3]
    assert again[:2] == first
    changed, sent = run(file, replace(call(1), changed_ns=9), replace(call(2), customer="4712"))
    assert sent == [1]
    assert [result.message != "" for result in changed] == [True, False]


def test_a_line_that_was_cut_off_is_dropped(tmp_path: Path) -> None:
    """Only its own call is sent again, and the journal goes on behind the last whole line."""
    file = tmp_path / "j"
    run(file, call(1), call(2))
    whole = file.read_bytes()
    for cut in range(1, len(whole.splitlines(keepends=True)[-1])):
        file.write_bytes(whole[:-cut])
        assert run(file, call(1), call(2))[1] == [2]
        assert file.read_bytes() == whole


def test_it_is_for_its_owner_alone(tmp_path: Path) -> None:
    """Who was flagged is nobody else's business."""
    file = tmp_path / "j"
    run(file, call(1))
    assert file.stat().st_mode & 0o777 == 0o600
    assert b"4711" not in file.read_bytes()


def test_what_is_no_journal_is_left_alone(tmp_path: Path) -> None:
    file = tmp_path / "j"
    for content in (b"notes\n", b'{"journal": "another"}\n'):
        file.write_bytes(content)
        with pytest.raises(BackfillImpossible, match="--state"):
            run(file, call(1))
        assert file.read_bytes() == content


def test_progress_is_told_in_words() -> None:
    """With the speed and how long it still takes, by the bytes that are left."""
    totals = Totals(
        rows=40, before=0, outcomes={CallOutcome.ARCHIVED: 10}, size=4000, sent=1000, audio_s=3600.0
    )
    assert in_words(totals, elapsed_s=60.0) == (
        "10 of 40 calls, 1.0 h of audio at 60.0 times the speed of speech, 0:03:00 left"
    )
    assert in_words(replace(totals, sent=0), elapsed_s=0.0) == "10 of 40 calls"
    assert totals.not_in == 30
