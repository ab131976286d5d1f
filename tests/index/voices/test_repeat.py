"""REPEAT_VOICE: a voice that calls for several customers."""

from collections.abc import Sequence
from dataclasses import replace
from datetime import timedelta

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from fixtures.unknown_voices import BEGINS, DIMENSION, EVIDENCE, made_call, made_clusters
from shengdun.index.archive.rows import ArchivedCall
from shengdun.index.scoring import unit_rows
from shengdun.index.voices.allowed import (
    AllowList,
    Entry,
    Granted,
    OwnKind,
    OwnVoice,
    Relation,
    Representative,
)
from shengdun.index.voices.clusters import VoiceClusters
from shengdun.index.voices.columns import text_hash
from shengdun.index.voices.membership import at_least
from shengdun.index.voices.policy import VoicePolicy
from shengdun.index.voices.recent import KEPT_ROWS
from shengdun.index.voices.repeat import RepeatVoice, RepeatWatch
from shengdun.index.voices.scans import Scans

GRANTED = Granted(reason="power of attorney", principal="reviewer-1", at=BEGINS)


def allow(clusters: VoiceClusters, entries: Sequence[Entry]) -> None:
    """Have these entries count from now on."""
    allowed = AllowList(entries)
    clusters._allowed = lambda: allowed


def look(clusters: VoiceClusters, call: ArchivedCall) -> RepeatVoice | None:
    assert call.voiceprint is not None
    return RepeatWatch(clusters).look(
        call.voiceprint,
        net_speech_s=call.net_speech_s,
        snr_db=call.snr_db,
        customer=call.customer,
        number=call.number,
        at=call.started_at,
        exclude_call_id=call.call_id,
    )


def with_calls(calls: int, *, customers: int, **told: str) -> VoiceClusters:
    clusters = made_clusters()
    for voice in range(10, 40):
        clusters.take(made_call(voice, 0))
    for number in range(calls):
        customer = f"customer-{number % customers}"
        clusters.take(
            made_call(1, number, customer=customer, calling_number=told.get("number", ""))
        )
    return clusters


def test_the_third_customer_is_told() -> None:
    """A voice that has called for two others is told with its calls; after one other it isn't."""
    assert look(with_calls(1, customers=1), made_call(1, 8)) is None
    told = look(with_calls(2, customers=2), made_call(1, 8))
    assert told is not None
    assert told.probability > 0.95
    assert 3.0 < told.llr <= EVIDENCE.scorer.profile.coefficients.cap
    assert told.customers == 2
    assert [call.call_id for call in told.calls] == ["call-1-0", "call-1-1"]
    assert told.since == told.calls[0].started_at
    assert told.until == told.calls[1].started_at


def test_own_earlier_calls_do_not_count() -> None:
    """A customer who calls again and again is nobody's agent."""
    clusters = with_calls(5, customers=1)
    assert look(clusters, made_call(1, 8, customer="customer-0")) is None


def test_a_call_is_not_held_against_itself() -> None:
    """The call that is looked at is left out, if the window has it already."""
    clusters = with_calls(2, customers=2)
    assert look(clusters, made_call(1, 1, customer="customer-1")) is None


def test_a_lone_call_is_not_held_against_itself() -> None:
    """Nor is it when nothing else in the window is like it, or when a line tells the second customer already."""
    clusters = made_clusters(VoicePolicy(others=1))
    call = made_call(1, 0)
    clusters.take(call)
    candidates = clusters.candidates(
        clusters.evidence.calls(clusters.recent.coder.columns([call])),
        text_hash(call.customer),
        without=text_hash(call.call_id),
    )
    assert len(candidates) == 0
    assert look(clusters, call) is None
    assert look(clusters, made_call(1, 1)) is not None


def test_strangers_are_not_told() -> None:
    """A voice that hasn't called is told nothing."""
    assert look(with_calls(6, customers=6), made_call(99, 0)) is None


def test_representatives_are_let_pass() -> None:
    """The customers of one representative are one household, and calls from its number count for nobody."""
    for entry in (
        Representative(
            entry_id="r1",
            relation=Relation.LAWYER,
            customers=frozenset(f"customer-{n}" for n in range(4)),
            granted=GRANTED,
        ),
        Representative(
            entry_id="r2",
            relation=Relation.RELATIVE,
            numbers=frozenset({"office"}),
            granted=GRANTED,
        ),
    ):
        clusters = with_calls(4, customers=4, number="office")
        assert look(clusters, made_call(1, 8)) is not None
        allow(clusters, [entry])
        assert look(clusters, made_call(1, 8)) is None


def test_an_entry_that_has_ended_does_not_count() -> None:
    """After its end a representative is treated as anybody."""
    ended = Granted(
        reason="guardian", principal="reviewer-1", at=BEGINS, until=BEGINS + timedelta(seconds=1)
    )
    clusters = with_calls(4, customers=4)
    allow(
        clusters,
        [
            Representative(
                entry_id="r1",
                relation=Relation.GUARDIAN,
                customers=frozenset(f"customer-{n}" for n in range(4)),
                granted=ended,
            )
        ],
    )
    assert look(clusters, made_call(1, 8)) is not None
    assert len(clusters.allowed.expire(BEGINS + timedelta(days=1))) == 0


def test_own_collectors_are_left_out() -> None:
    """A voice of the institution's own is neither told nor put into the window."""
    clusters = with_calls(4, customers=4)
    collector = made_call(1, 20).voiceprint
    assert collector is not None
    allow(
        clusters,
        [
            OwnVoice(
                entry_id="c1",
                kind=OwnKind.COLLECTOR,
                model_id=EVIDENCE.model_id,
                voiceprint=collector,
                net_speech_s=20.0,
                granted=GRANTED,
            )
        ],
    )
    before = len(clusters.recent)
    assert look(clusters, made_call(1, 8)) is None
    assert clusters.take(made_call(1, 8)) is None
    assert len(clusters.recent) == before


def test_many_calls_are_told_from_own_voices_as_one_by_one() -> None:
    """With entries that hold for some of them only; ``fill`` leaves out what ``take`` would."""
    ends = BEGINS + timedelta(hours=3)
    entries = []
    for voice in range(4):
        voiceprint = made_call(voice, 50).voiceprint
        assert voiceprint is not None
        entries.append(
            OwnVoice(
                entry_id=f"own-{voice}",
                kind=OwnKind.PROMPT,
                model_id=EVIDENCE.model_id,
                voiceprint=voiceprint,
                net_speech_s=9.0,
                granted=replace(GRANTED, until=ends if voice % 2 else None),
            )
        )
    calls = [made_call(voice, number) for voice in range(8) for number in range(3)]
    clusters = made_clusters()
    allow(clusters, entries)
    columns = clusters.recent.coder.columns(calls)
    voices = EVIDENCE.calls(columns)
    times = [call.started_at for call in calls]
    together = clusters.allowed.are_own(voices, EVIDENCE, times)
    alone = [
        clusters.allowed.is_own(voices.take(np.array([row])), EVIDENCE, at)
        for row, at in enumerate(times)
    ]
    assert together.tolist() == alone
    assert 0 < sum(alone) < 12
    assert clusters.fill(calls) == len(calls) - sum(alone)
    assert not clusters.has_left_out()
    allow(clusters, entries[1:])
    assert clusters.has_left_out()
    assert not clusters.has_left_out()


@given(st.lists(st.floats(0.0, 1.0), max_size=8), st.integers(0, 9))
def test_chances_of_independent_trials(chances: list[float], least: int) -> None:
    """``at_least`` agrees with the sum over all outcomes."""
    exact = 0.0
    for outcome in range(1 << len(chances)):
        hits = [bool(outcome >> place & 1) for place in range(len(chances))]
        if sum(hits) >= least:
            exact += float(
                np.prod([p if hit else 1.0 - p for p, hit in zip(chances, hits, strict=True)])
            )
    assert abs(at_least(least, chances) - exact) < 1e-9


def test_a_finished_call_is_looked_for_among_what_the_look_has_scanned() -> None:
    """Nothing is searched twice; but for what was forgotten meanwhile, which begins anew."""
    clusters = made_clusters()
    drawn = np.random.default_rng(5).standard_normal((4_200, DIMENSION)).astype(np.float32)
    others = [
        replace(made_call(9, row), voiceprint=voiceprint)
        for row, voiceprint in enumerate(unit_rows(drawn))
    ]
    clusters.fill([made_call(1, 0), *others])
    for number, is_forgotten in ((3, False), (4, True)):
        call = made_call(1, number)
        look(clusters, call)
        key = text_hash(call.call_id)
        scan = clusters._scans.of(key)
        assert scan is not None
        assert len(scan.rows) == KEPT_ROWS
        # As if nobody had been near.
        none = scan.rows[:0]
        clusters._scans.put(
            key, replace(scan, parts=none, rows=none, cosines=none.astype(np.float32))
        )
        if is_forgotten:
            clusters.remove(["call-9-17"])
        assert (clusters.take(call) is not None) == is_forgotten
        assert len(clusters._scans) == 0


def test_what_was_scanned_is_kept_for_few() -> None:
    """Of calls that never end the oldest go, and a call without an id is not kept at all."""
    clusters = made_clusters()
    clusters.take(made_call(1, 0))
    scan = clusters.recent.nearest(np.eye(DIMENSION, dtype=np.float32)[0], 5).scan
    scans = Scans()
    for key in range(1_000):
        scans.put(key, scan)
    assert len(scans) == 256
    assert scans.of(0) is None
    assert scans.of(743) is None
    assert scans.pop(744) is scan
    assert scans.pop(744) is None
