"""What a row of the archive is made of, and what happens to rows while the store can't be reached."""

import os
import signal
from collections.abc import Callable
from datetime import timedelta
from typing import TypeVar

import numpy as np

from fixtures.archive import NOON, ids
from fixtures.scripts import COERCED
from fixtures.store import until
from shengdun.fingerprint.voice.quality import AudioQuality
from shengdun.index.archive.archive import CallArchive
from shengdun.index.archive.signatures import signature_of
from shengdun.index.embedded import EmbeddedStore
from shengdun.service.archiving import Archiving, Ended, number_pseudonym
from shengdun.service.convert.calls import CallRequest
from shengdun.service.decision import Decision, Risk, State
from shengdun.service.finished import FinishedCall

T = TypeVar("T")


async def at_once(work: Callable[[], T]) -> T:
    """A lane that nobody else uses."""
    return work()


def ended(number: int) -> Ended:
    """A call that has ended without speech."""
    nothing = AudioQuality(
        duration_s=0.0,
        level_dbfs=-90.0,
        snr_db=None,
        band_snr_db=None,
        clipped_share=0.0,
        speech_share=0.0,
        silent_share=1.0,
        tonal_share=0.0,
        dtmf_share=0.0,
        findings=(),
    )
    decision = Decision(
        decision_id="d",
        call_id=f"c-{number}",
        sequence=1,
        state=State.NOT_ENOUGH_SPEECH,
        risk=Risk(),
        net_speech=timedelta(),
        audio_quality=nothing,
        several_voices=False,
        recommended_action="continue",
        latency=timedelta(),
        line="default",
        policy_id="p",
        model_id="m",
        calibration_profile_id="c",
        decided_at=NOON,
        audio_position=timedelta(),
        answered_position=timedelta(),
    )
    request = CallRequest(
        call_id=decision.call_id, line="", watchlist_ids=(), customer_reference="Wang"
    )
    finished = FinishedCall(decision=decision, heard=None, words=COERCED)
    # A clock that was set back during the call must not lose it.
    return Ended(
        request=request,
        finished=finished,
        started_at=NOON,
        ended_at=NOON - timedelta(hours=1),
        codec="PCMU",
    )


async def test_rows_wait_for_a_store_that_is_gone(
    archive: CallArchive, embedded_store: EmbeddedStore
) -> None:
    """In order, and so many and no more; what doesn't fit is counted."""
    assert embedded_store.pid
    os.kill(embedded_store.pid, signal.SIGSTOP)
    archiving = Archiving(archive, archive._keys.pseudonym, at_once, most_waiting=3)
    async with archiving:
        for number in range(5):
            archiving.take(ended(number))
        assert (archiving.standing.waiting, archiving.standing.lost) == (3, 2)
        os.kill(embedded_store.pid, signal.SIGKILL)
        await until(lambda: archiving.standing.waiting == 0)
    assert ids(archive) == ["c-0", "c-1", "c-2"]
    row = archive.get("c-0")
    assert row.customer == archive._keys.pseudonym("Wang")
    assert row.ended_at == row.started_at
    assert archiving.standing.lost == 2


async def test_rows_are_added_before_a_stop(archive: CallArchive) -> None:
    """Whoever ends the service waits for them."""
    async with Archiving(archive, archive._keys.pseudonym, at_once) as archiving:
        for number in range(20):
            archiving.take(ended(number))
    assert len(ids(archive)) == 20


def test_a_number_has_one_pseudonym() -> None:
    """However it is written; and none has none."""
    assert number_pseudonym("+86 10 1234-5678", str) == number_pseudonym("+861012345678", str)
    assert number_pseudonym("", str) == ""


def test_a_signature_is_the_scripts_probes() -> None:
    """Whatever the punctuation; no words have none."""
    assert np.array_equal(signature_of(COERCED)[0], signature_of(COERCED.replace("，", " "))[0])
    assert signature_of("，。")[1] == 0
