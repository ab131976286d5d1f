"""Calls to calibrate by from the call archive: those whose windows were kept, and those that are labelled."""

import hashlib
import heapq
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from typing import Final

import numpy as np

from shengdun.index.accuracy.corpus import names_of
from shengdun.index.archive.blocks import CallBlock
from shengdun.index.archive.reader import ArchiveReader
from shengdun.index.archive.rows import ArchivedCall, CallQuery
from shengdun.index.archive.tables import WINDOW_SPEECH, WINDOWS
from shengdun.index.fitting.calls import SiteCall
from shengdun.index.fitting.recordings import CallsInvalid
from shengdun.index.fitting.site import MOST_CALLS

_COLUMNS: Final = ("call_id", "net_speech_s", "snr_db", WINDOWS, WINDOW_SPEECH)
_Ranked = tuple[bytes, str, SiteCall]


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class ArchivedSite:
    """What an archive has to calibrate by.

    Attributes:
        calls: at most ``MOST_CALLS``, drawn from all that have windows; then those that have a label and no windows.
        archived: calls with a voiceprint that match.
        drawn: how many of them have windows.
    """

    calls: tuple[SiteCall, ...]
    archived: int
    drawn: int


def read_archived_calls(
    reader: ArchiveReader,
    query: CallQuery,
    speakers: Mapping[str, str],
    *,
    without: frozenset[str] = frozenset(),
) -> ArchivedSite:
    """Read the calls; takes as long as a scan of the archive.

    Args:
        reader: of the archive.
        query: which calls; it names the voice model.
        speakers: who calls, by call id, where that is known.
        without: calls to leave out, by id, as those of confirmed agents.

    Raises:
        CallsInvalid: a label is of a call that isn't there, or no call matches that has windows.
    """
    # Which are taken is drawn by a hash of their ids: the same calls each time, and of all days alike.
    taken: list[_Ranked] = []
    labelled: list[SiteCall] = []
    found: set[str] = set()
    archived = drawn = 0
    for block in reader.scan(query, columns=_COLUMNS):
        archived += len(block)
        drawn += len(block.with_windows)
        fresh = [each for each in _with_windows(block, speakers) if each[1] not in without]
        taken = heapq.nsmallest(MOST_CALLS, [*taken, *fresh], key=lambda each: each[0])
        for number in _labelled(block, speakers.keys() - without):
            call = block.row(number)
            found.add(call.call_id)
            if call.windows is None:
                labelled.append(_whole(call, speakers[call.call_id]))
    _check(archived, drawn, sorted(speakers.keys() - found - without))
    return ArchivedSite(
        calls=(*(call for _, _, call in taken), *labelled), archived=archived, drawn=drawn
    )


def _check(archived: int, drawn: int, unknown: list[str]) -> None:
    if not archived:
        raise CallsInvalid(
            "No call in the archive matches and has a voiceprint of the voice model in use. Ask for another time or "
            "line, or wait until there are calls."
        )
    if not drawn:
        raise CallsInvalid(
            f"None of {archived} calls in the archive was drawn to calibrate by. `calibration_share` of [archive] says "
            "of how many calls the voiceprint of each window is kept from now on."
        )
    if unknown:
        raise CallsInvalid(
            f"The labels name calls that match nothing in the archive: {names_of(unknown)}. They were never archived, "
            "erased, or are past their retention; or they are of another time, line or voice model."
        )


def _with_windows(block: CallBlock, speakers: Mapping[str, str]) -> Iterator[_Ranked]:
    ids, snr_db = block.call_ids, block.snr_db
    for number in block.with_windows:
        windows = block.windows(number)
        assert windows is not None
        call_id = ids[number]
        call = SiteCall(
            name=call_id,
            windows=windows.voiceprints,
            net_speech_s=windows.net_speech_s,
            snr_db=None if np.isnan(snr_db[number]) else float(snr_db[number]),
            speaker=speakers.get(call_id),
        )
        yield hashlib.sha256(call_id.encode()).digest(), call_id, call


def _labelled(block: CallBlock, known: Collection[str]) -> list[int]:
    return [number for number, call_id in enumerate(block.call_ids) if call_id in known]


def _whole(call: ArchivedCall, speaker: str) -> SiteCall:
    assert call.voiceprint is not None
    return SiteCall(
        name=call.call_id,
        windows=call.voiceprint[None],
        net_speech_s=np.array([call.net_speech_s]),
        snr_db=call.snr_db,
        speaker=speaker,
        has_looks=False,
    )
