"""Calls put together into voices as they arrive."""

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fixtures.unknown_voices import EVIDENCE, made_call, made_clusters, parts_of
from shengdun.index.archive.rows import ArchivedCall
from shengdun.index.scoring import unit_rows
from shengdun.index.voices.columns import sum_of
from shengdun.index.voices.errors import ClusterNotFound
from shengdun.index.voices.partition import Change
from shengdun.index.voices.policy import VoicePolicy

CALLS = tuple(made_call(voice, number) for voice in range(5) for number in range(voice + 1))
"""A voice with one call, one with two, and so on up to five."""
TRUTH = {
    frozenset(f"call-{voice}-{number}" for number in range(voice + 1)) for voice in range(1, 5)
}


def taken(calls: Sequence[ArchivedCall]) -> set[frozenset[str]]:
    clusters = made_clusters()
    for call in calls:
        clusters.take(call)
    return parts_of(clusters)


@settings(max_examples=15, deadline=None)
@given(st.permutations(CALLS))
def test_the_order_in_which_calls_come_does_not_matter(calls: list[ArchivedCall]) -> None:
    """Calls of voices that lie apart are put together the same way in any order."""
    assert taken(calls) == TRUTH


@settings(max_examples=15, deadline=None)
@given(st.sets(st.sampled_from(CALLS), min_size=1))
def test_removed_calls_leave_no_trace(gone: set[ArchivedCall]) -> None:
    """After a removal the clusters and their voiceprints are those of calls that never were."""
    clusters, fresh = made_clusters(), made_clusters()
    for call in CALLS:
        clusters.take(call)
    clusters.remove([call.call_id for call in gone])
    for call in CALLS:
        if call not in gone:
            fresh.take(call)
    assert parts_of(clusters) == parts_of(fresh)
    assert len(clusters.recent) == len(fresh.recent)
    left = {c.calls: c.voiceprint for c in clusters.clusters()}
    for cluster in fresh.clusters():
        np.testing.assert_allclose(left[cluster.calls], cluster.voiceprint, atol=1e-6)


def test_an_id_stays_while_its_voice_grows() -> None:
    """Every call of a voice from the second on is in the same cluster."""
    clusters = made_clusters()
    ids = [clusters.take(made_call(1, number)) for number in range(6)]
    assert ids[0] is None
    assert len(set(ids[1:])) == 1
    assert [event.change for event in clusters.events] == [Change.FOUNDED] + [Change.GREW] * 4
    assert clusters.cluster(str(ids[1])).calls == tuple(f"call-1-{n}" for n in range(6))


def test_a_call_that_comes_twice_counts_once() -> None:
    """A call that is there already changes nothing, and is told where it is."""
    clusters = made_clusters()
    for number in range(3):
        clusters.take(made_call(1, number))
    events = clusters.events
    again = clusters.take(made_call(1, 2))
    assert again == clusters.clusters()[0].cluster_id
    assert len(clusters.recent) == 3
    assert clusters.events == events


def test_short_calls_are_matched_and_change_nothing() -> None:
    """A call with little speech is told its voice, but neither founds nor moves one."""
    clusters = made_clusters()
    assert clusters.take(made_call(1, 9, net_speech_s=1.0)) is None
    for number in range(3):
        clusters.take(made_call(1, number))
    before = clusters.clusters()[0]
    assert clusters.take(made_call(1, 8, net_speech_s=1.0)) == before.cluster_id
    after = clusters.clusters()[0]
    assert after.calls == before.calls
    np.testing.assert_array_equal(after.voiceprint, before.voiceprint)


def test_calls_of_other_models_are_left_alone() -> None:
    """A voiceprint of another voice model is neither compared nor kept."""
    clusters = made_clusters()
    other = made_call(1, 0)
    object.__setattr__(other, "model_id", "other@000000000000")
    assert clusters.take(other) is None
    assert len(clusters.recent) == 0


def test_a_voice_is_the_more_suspicious_the_more_customers_it_calls_for() -> None:
    """Voices for many customers come first; one that always calls for the same customer isn't suspicious."""
    clusters = made_clusters()
    for number in range(6):
        clusters.take(made_call(1, number))
        clusters.take(made_call(2, number, customer="one and the same"))
    for number in range(4):
        clusters.take(made_call(3, number))
    found = clusters.clusters()
    assert [c.calls[0][:6] for c in found] == ["call-1", "call-3", "call-2"]
    assert found[0].probability > 0.99
    assert found[2].probability == 0.0
    assert len(clusters.clusters(customers=3)) == 2


def test_customers_on_one_number_are_one_household() -> None:
    """Customers who share a number count once, where a line takes so many of them for a household."""
    policy = VoicePolicy(household=3)
    clusters = made_clusters(policy)
    for number in range(3):
        clusters.take(made_call(1, number, calling_number="shared"))
        clusters.take(made_call(2, number, calling_number=f"own-{number}"))
    by_voice = {c.calls[0][:6]: c for c in clusters.clusters()}
    assert by_voice["call-1"].households == pytest.approx(1.0, abs=0.01)
    assert by_voice["call-2"].households == pytest.approx(3.0, abs=0.01)


def test_a_bridge_that_is_removed_splits_its_cluster() -> None:
    """What one call alone held together falls apart when it is erased, and the record says so."""
    clusters = made_clusters()
    for call in CALLS:
        clusters.take(call)
    [five] = [c for c in clusters.clusters() if len(c.calls) == 5]
    clusters.remove(["call-4-0", "call-4-1", "call-4-2"], reason="erased")
    assert clusters.cluster(five.cluster_id).calls == ("call-4-3", "call-4-4")
    clusters.remove(["call-4-3"], reason="erased")
    with pytest.raises(ClusterNotFound, match="left the window or were erased"):
        clusters.cluster(five.cluster_id)
    last = clusters.events[-1]
    assert (last.change, last.calls, last.reason) == (Change.ENDED, 0, "erased")


def test_clusters_are_taken_up_after_a_start() -> None:
    """A filled window and the kept state give the same clusters under the same ids."""
    clusters, started = made_clusters(), made_clusters()
    for call in CALLS:
        clusters.take(call)
    assert started.fill(CALLS) == len(CALLS)
    started.restore(clusters.state())
    assert {c.cluster_id: c.calls for c in started.clusters()} == {
        c.cluster_id: c.calls for c in clusters.clusters()
    }
    assert started.take(made_call(4, 7)) == clusters.take(made_call(4, 7))


def test_evidence_is_of_the_model() -> None:
    """A cluster says which voice model it is of."""
    clusters = made_clusters()
    for number in range(2):
        clusters.take(made_call(1, number))
    assert clusters.clusters()[0].model_id == EVIDENCE.model_id


def of_another_telephone(call: ArchivedCall) -> ArchivedCall:
    """The call as a telephone would send it that moves every voiceprint the same way."""
    assert call.voiceprint is not None
    way = np.random.default_rng(7).standard_normal(len(call.voiceprint))
    moved = call.voiceprint + 1.2 * unit_rows(way[np.newaxis, :])[0]
    return replace(call, voiceprint=unit_rows(moved[np.newaxis, :])[0])


def test_strangers_are_not_alike_for_their_telephone() -> None:
    """What all callers of a window share says nothing of who they are, and the calls that came first learn it too."""
    strangers = [of_another_telephone(made_call(voice, 0)) for voice in range(200)]
    clusters = made_clusters()
    evidence = clusters.evidence
    calls = evidence.calls(evidence.coder.columns(strangers))
    first, others = calls.take(np.arange(1)), calls.take(np.arange(1, 200))
    before = evidence.llrs(first, others)
    for call in strangers:
        clusters.take(call)
    after = evidence.llrs(first, others)
    assert np.median(before) > 5.0
    assert np.quantile(after, 0.95) < 0.0
    clusters.remove([call.call_id for call in strangers])
    np.testing.assert_array_equal(evidence.llrs(first, others), before)


@settings(max_examples=15, deadline=None)
@given(st.sets(st.sampled_from(CALLS)))
def test_removed_calls_leave_no_trace_in_the_centre(gone: set[ArchivedCall]) -> None:
    """To the bit: sums of codes are whole numbers."""
    clusters = made_clusters()
    for call in CALLS:
        clusters.take(call)
    clusters.remove([call.call_id for call in gone])
    left = [call for call in CALLS if call not in gone]
    total, calls = clusters.recent.total
    assert calls == len(left)
    codes = clusters.recent.coder.columns(CALLS).codes[[call not in gone for call in CALLS]]
    np.testing.assert_array_equal(total, sum_of(codes))
