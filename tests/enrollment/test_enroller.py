"""Enrolments from beginning to end, over a real registry, with real voices."""

import asyncio
from collections import Counter
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import numpy as np
import pytest

from fixtures import signals
from fixtures.converted_models import DIMENSION, network, plain_profile
from fixtures.enrolling import LIST, Speakers, given, in_thread, named
from fixtures.signals import wav_file
from shengdun.enrollment.assessed import NamedRecording
from shengdun.enrollment.assessment import VoiceTools
from shengdun.enrollment.enroller import Enroller
from shengdun.enrollment.errors import (
    LikelyDuplicateFound,
    RecordingsUnfit,
    TooManyRecordings,
    VoicesDisagree,
)
from shengdun.enrollment.policy import EnrollmentPolicy
from shengdun.enrollment.reports import UnfitReason
from shengdun.enrollment.requests import (
    AdditionRequest,
    DuplicatePolicy,
    EnrollmentOutcome,
    EnrollmentRequest,
    EnrollmentResult,
)
from shengdun.fingerprint.voice.ecapa import Ecapa
from shengdun.fingerprint.voice.samples import MODEL_RATE_HZ
from shengdun.index.errors import (
    ActorNotFound,
    IdempotencyConflict,
    InvalidRecord,
    WatchlistNotFound,
)
from shengdun.index.registry import Registry
from shengdun.index.scoring import Scorer
from shengdun.index.watchlists import ActorChanges, NewActor, NewWatchlist

Speech = Callable[[str, int], bytes]

SECOND = Ecapa(network(1), model_id="second@000000000001", dimension=DIMENSION)
WANG = NewActor(display_name="王五", watchlist_ids=frozenset({LIST}))


def ask(
    actor: NewActor = WANG,
    policy: DuplicatePolicy = DuplicatePolicy.REFUSE,
    key: str | None = None,
) -> EnrollmentRequest:
    return EnrollmentRequest(actor=actor, duplicate_policy=policy, idempotency_key=key)


async def enroll(
    enroller: Enroller, request: EnrollmentRequest, *contents: bytes
) -> EnrollmentResult:
    return await enroller.enroll(request, given(named(*contents)), principal="tester")


async def found_as(registry: Registry, tools: VoiceTools, content: bytes) -> str | None:
    """Who a recording's voice is by the watchlist, if anybody."""
    enroller = Enroller(registry=registry, tools=tools, policy=EnrollmentPolicy(), run=in_thread)
    report = await enroller.assess(given(named(content)))
    return report.likely_duplicates[0].actor_id if report.likely_duplicates else None


async def test_an_actor_is_enrolled_from_several_recordings(
    enroller: Enroller, agents: Registry, voice_tools: VoiceTools, speech: Speech
) -> None:
    """One voiceprint a recording, each with its quality, and the voice is then found in another recording."""
    result = await enroll(enroller, ask(), speech("S4", 0), speech("S4", 1))
    assert result.outcome is EnrollmentOutcome.REGISTERED
    assert [one.accepted for one in result.report.recordings] == [True, True]
    assert all((one.agreement_llr or 0) > 0 for one in result.report.recordings)
    assert {info.source for info in result.actor.voiceprints} == {"1.wav", "2.wav"}
    assert {info.codec for info in result.actor.voiceprints} == {"pcm_s16le"}
    assert await found_as(agents, voice_tools, speech("S4", 2)) == result.actor.actor_id
    assert await found_as(agents, voice_tools, speech("S5", 0)) is None


async def test_unfit_recordings_are_left_out(enroller: Enroller, speech: Speech) -> None:
    """The others are enough, and the report says why the rest is not used."""
    silent = wav_file(signals.silence(5))
    result = await enroll(enroller, ask(), silent, speech("S4", 0), b"no recording")
    assert [one.unfit and one.unfit.reason for one in result.report.recordings] == [
        UnfitReason.NO_SPEECH,
        None,
        UnfitReason.UNREADABLE,
    ]
    assert len(result.actor.voiceprints) == 1


async def test_the_minority_voice_is_refused(enroller: Enroller, speech: Speech) -> None:
    """Of three recordings the one of somebody else is named, wherever it stands, and not stored."""
    result = await enroll(enroller, ask(), speech("S4", 0), speech("S5", 0), speech("S4", 1))
    other = result.report.recordings[1]
    assert other.unfit is not None
    assert other.unfit.reason is UnfitReason.OTHER_VOICE
    assert other.agreement_llr is not None
    assert other.agreement_llr < EnrollmentPolicy().same_voice_llr
    assert {info.source for info in result.actor.voiceprints} == {"1.wav", "3.wav"}


async def test_two_voices_without_a_majority_are_both_refused(
    enroller: Enroller, agents: Registry, speech: Speech
) -> None:
    """Nobody can tell which of two people was meant, so nobody is registered."""
    with pytest.raises(VoicesDisagree) as refused:
        await enroll(enroller, ask(), speech("S4", 0), speech("S5", 0))
    reasons = [one.unfit and one.unfit.reason for one in refused.value.report.recordings]
    assert reasons == [UnfitReason.OTHER_VOICE, UnfitReason.OTHER_VOICE]
    assert all(one.agreement_llr is not None for one in refused.value.report.recordings)
    assert not agents.snapshot.actor_ids


async def test_nothing_fit_is_refused_with_every_reason(
    enroller: Enroller, agents: Registry
) -> None:
    """The message names the recordings by number, the report in full."""
    with pytest.raises(RecordingsUnfit, match="Recording 2: It holds only tones") as refused:
        await enroll(enroller, ask(), b"text", wav_file(signals.tone(6, 440.0)))
    assert len(refused.value.report.recordings) == 2
    assert not agents.snapshot.actor_ids


async def test_too_little_speech_in_all_is_refused(enroller: Enroller, speakers: Speakers) -> None:
    """A recording can be fit by itself and still not be enough to register somebody from."""
    short = wav_file(speakers["S4"][0][: 5 * MODEL_RATE_HZ])
    with pytest.raises(RecordingsUnfit, match="6 s are needed") as refused:
        await enroll(enroller, ask(), short)
    assert refused.value.report.recordings[0].accepted


async def test_no_recordings_and_too_many_are_refused(
    agents: Registry, voice_tools: VoiceTools
) -> None:
    """Both say so."""
    policy = replace(EnrollmentPolicy(), most_recordings=2)
    enroller = Enroller(registry=agents, tools=voice_tools, policy=policy, run=in_thread)
    with pytest.raises(RecordingsUnfit, match="no recording"):
        await enroll(enroller, ask())
    with pytest.raises(TooManyRecordings, match="at most 2"):
        await enroll(enroller, ask(), b"1", b"2", b"3")


async def test_a_known_voice_is_refused_skipped_merged_or_registered(
    enroller: Enroller, agents: Registry, speech: Speech
) -> None:
    """Whoever is already there is found on any watchlist, and what happens is the investigator's choice."""
    other = NewWatchlist(
        watchlist_id="other", name="other", model_id=agents.snapshot.watchlists[0].model_id
    )
    await agents.create_watchlist(other, principal="tester")
    first = (await enroll(enroller, ask(), speech("S4", 0))).actor
    again = replace(WANG, display_name="老王", watchlist_ids=frozenset({"other"}))

    with pytest.raises(LikelyDuplicateFound) as refused:
        await enroll(enroller, ask(again), speech("S4", 1))
    [likely] = refused.value.report.likely_duplicates
    assert likely.actor_id == first.actor_id
    assert likely.display_name == "王五"
    assert likely.watchlist_ids == {LIST}
    assert likely.llr > 0

    skipped = await enroll(enroller, ask(again, DuplicatePolicy.SKIP), speech("S4", 1))
    assert skipped.outcome is EnrollmentOutcome.SKIPPED
    assert skipped.actor == first

    merged = await enroll(enroller, ask(again, DuplicatePolicy.MERGE), speech("S4", 1))
    assert merged.outcome is EnrollmentOutcome.MERGED
    assert merged.actor.actor_id == first.actor_id
    assert merged.actor.watchlist_ids == {LIST, "other"}
    assert len(merged.actor.voiceprints) == 2
    assert merged.actor.display_name == "王五"

    registered = await enroll(enroller, ask(again, DuplicatePolicy.REGISTER), speech("S4", 2))
    assert registered.outcome is EnrollmentOutcome.REGISTERED
    assert registered.actor.actor_id != first.actor_id
    assert registered.report.likely_duplicates[0].actor_id == first.actor_id


async def test_a_voice_that_is_registered_twice_is_found_twice(
    enroller: Enroller, speech: Speech
) -> None:
    """Two actors of one voice do not hide each other."""
    await enroll(enroller, ask(), speech("S4", 0))
    await enroll(enroller, ask(policy=DuplicatePolicy.REGISTER), speech("S4", 1))
    await enroll(enroller, ask(), speech("S5", 0))
    report = await enroller.assess(given(named(speech("S4", 2))))
    assert len(report.likely_duplicates) == 2


async def test_two_at_once_do_not_register_one_voice_twice(
    enroller: Enroller, agents: Registry, speech: Speech
) -> None:
    """The search for duplicates and the registration are one step."""
    outcomes = await asyncio.gather(
        enroll(enroller, ask(), speech("S4", 0)),
        enroll(enroller, ask(), speech("S4", 1)),
        return_exceptions=True,
    )
    assert sorted(type(outcome).__name__ for outcome in outcomes) == [
        "EnrollmentResult",
        "LikelyDuplicateFound",
    ]
    assert len(agents.snapshot.actor_ids) == 1


@pytest.mark.parametrize("policy", list(DuplicatePolicy))
async def test_a_repeat_gives_the_first_answer(
    enroller: Enroller, agents: Registry, speech: Speech, policy: DuplicatePolicy
) -> None:
    """The same key with the same recordings registers nobody a second time and is no duplicate of itself."""
    first = await enroll(enroller, ask(policy=policy, key="key-1"), speech("S4", 0))
    second = await enroll(enroller, ask(policy=policy, key="key-1"), speech("S4", 0))
    assert second.outcome is EnrollmentOutcome.REGISTERED
    assert second.actor == first.actor
    assert not second.report.likely_duplicates
    assert agents.snapshot.actor_ids == (first.actor.actor_id,)


async def test_a_repeated_merge_adds_nothing(
    enroller: Enroller, agents: Registry, speech: Speech
) -> None:
    """A merge that is sent again leaves the voiceprints as the first one left them."""
    await enroll(enroller, ask(), speech("S4", 0))
    again = ask(policy=DuplicatePolicy.MERGE, key="key-2")
    first = await enroll(enroller, again, speech("S4", 1))
    second = await enroll(enroller, again, speech("S4", 1))
    assert second.outcome is EnrollmentOutcome.MERGED
    assert second.actor.voiceprints == first.actor.voiceprints


async def test_a_key_of_another_request_conflicts(enroller: Enroller, speech: Speech) -> None:
    """A key that was used for other recordings is an error and not the wrong actor."""
    await enroll(enroller, ask(key="key-3"), speech("S4", 0))
    with pytest.raises(IdempotencyConflict):
        await enroll(enroller, ask(key="key-3"), speech("S4", 1))


async def test_mistakes_are_found_before_recordings_are_read(
    enroller: Enroller, agents: Registry
) -> None:
    """An unknown watchlist, a malformed name and an expiry in the past cost no upload."""
    untouched = given([NamedRecording(name="a", content=b"")])
    for actor, error in (
        (replace(WANG, watchlist_ids=frozenset({"unknown"})), WatchlistNotFound),
        (replace(WANG, display_name="\x07"), InvalidRecord),
        (replace(WANG, expires_at=datetime.now(UTC) - timedelta(days=1)), InvalidRecord),
    ):
        with pytest.raises(error):
            await enroller.enroll(ask(actor), untouched, principal="tester")
    assert [one.name async for one in untouched] == ["a"]


async def test_an_expired_actor_is_no_duplicate(
    enroller: Enroller, agents: Registry, speech: Speech
) -> None:
    """Who is no longer screened can be registered anew."""
    actor = (await enroll(enroller, ask(), speech("S4", 0))).actor
    past = ActorChanges(expires_at=datetime.now(UTC) - timedelta(seconds=1))
    await agents.update_actor(actor.actor_id, past, expected_revision=None, principal="tester")
    result = await enroll(enroller, ask(), speech("S4", 1))
    assert result.outcome is EnrollmentOutcome.REGISTERED
    assert not result.report.likely_duplicates


async def test_voiceprints_are_added_if_they_are_the_actors(
    enroller: Enroller, speech: Speech
) -> None:
    """Recordings of somebody else are left out, refused when there are no others, and accepted on demand."""
    actor_id = (await enroll(enroller, ask(), speech("S4", 0))).actor.actor_id
    request = AdditionRequest(actor_id=actor_id)

    both = named(speech("S4", 1), speech("S5", 0))
    added = await enroller.add_voiceprints(request, given(both), principal="tester")
    assert len(added.actor.voiceprints) == 2
    assert [one.accepted for one in added.report.recordings] == [True, False]

    with pytest.raises(VoicesDisagree) as refused:
        await enroller.add_voiceprints(request, given(both[1:]), principal="tester")
    llr = refused.value.report.recordings[0].agreement_llr
    assert llr is not None
    assert llr < EnrollmentPolicy().same_voice_llr

    willing = replace(request, accept_other_voice=True)
    accepted = await enroller.add_voiceprints(willing, given(both[1:]), principal="tester")
    assert len(accepted.actor.voiceprints) == 3
    assert accepted.report.recordings[0].agreement_llr == llr


async def test_voiceprints_of_nobody_are_not_read(enroller: Enroller) -> None:
    """An unknown actor is an error before the first recording."""
    untouched = given(named(b""))
    with pytest.raises(ActorNotFound):
        await enroller.add_voiceprints(
            AdditionRequest(actor_id="act_unknown"), untouched, principal="tester"
        )
    assert [one.name async for one in untouched] == ["1.wav"]


async def test_an_assessment_changes_nothing(
    enroller: Enroller, agents: Registry, speech: Speech
) -> None:
    """It reports unfit recordings and likely duplicates without refusing anything."""
    actor = (await enroll(enroller, ask(), speech("S4", 0))).actor
    before = agents.snapshot.journal_sequence
    report = await enroller.assess(given(named(b"text", speech("S4", 1))))
    assert [one.accepted for one in report.recordings] == [False, True]
    assert report.likely_duplicates[0].actor_id == actor.actor_id
    assert agents.snapshot.journal_sequence == before
    assert not (await enroller.assess(given([]))).recordings


async def test_templates_are_what_was_heard(
    enroller: Enroller, agents: Registry, speech: Speech
) -> None:
    """The stored voiceprint is of unit length and carries the net speech and quality of its recording."""
    result = await enroll(enroller, ask(), speech("S8", 0))
    [info] = result.actor.voiceprints
    [report] = result.report.recordings
    template = agents.snapshot.template(result.actor.actor_id, info.voiceprint_id)
    assert template is not None
    assert np.linalg.norm(template.vector) == pytest.approx(1, abs=1e-3)
    assert report.quality is not None
    assert info.snr_db == report.quality.band_snr_db
    assert info.net_speech_s <= report.net_speech_s


@pytest.fixture
async def second(agents: Registry, voice_tools: VoiceTools) -> Scorer:
    """A scorer of a second voice model, in shadow."""
    scorer = Scorer(plain_profile(SECOND.model_id))
    await agents.use_scorers([voice_tools.scorer], [scorer])
    return scorer


async def test_a_second_model_has_its_voiceprint_of_the_same_speech(
    agents: Registry, voice_tools: VoiceTools, second: Scorer, speech: Speech
) -> None:
    """Each recording is stored by both models, with one net speech; the second finds whom the first has registered."""
    tools = replace(voice_tools, further=(SECOND,))
    both = Enroller(registry=agents, tools=tools, policy=EnrollmentPolicy(), run=in_thread)
    actor = (await enroll(both, ask(), speech("S4", 0), speech("S4", 1))).actor
    by_model = Counter(info.model_id for info in actor.voiceprints)
    assert by_model == {voice_tools.model.model_id: 2, SECOND.model_id: 2}
    lengths = {info.source: info.net_speech_s for info in actor.voiceprints}
    assert all(info.net_speech_s == lengths[info.source] for info in actor.voiceprints)
    found = agents.snapshot.search(
        LIST,
        SECOND.embed([(np.frombuffer(speech("S4", 0)[44:], "<i2") / 32768).astype(np.float32)])[0],
        net_speech_s=6.0,
        at=datetime.now(UTC),
        profile_id=second.profile_id,
    )
    assert (found.actor_ids, found.actors_without_voiceprint) == ((actor.actor_id,), 0)


async def test_who_lacks_the_models_voiceprint_gets_it_from_recordings(
    agents: Registry, enroller: Enroller, voice_tools: VoiceTools, second: Scorer, speech: Speech
) -> None:
    """Nobody has one before the second model is stored; adding a recording brings the actor over, on the same list."""
    actor = (await enroll(enroller, ask(), speech("S4", 0))).actor
    assert agents.snapshot.without_voiceprint(LIST, SECOND.model_id) == (actor.actor_id,)
    await agents.use_scorers([second])
    tools = replace(voice_tools, model=SECOND, scorer_in_use=lambda: second)
    policy = EnrollmentPolicy(other_voice_llr=-7.0)
    switched = Enroller(registry=agents, tools=tools, policy=policy, run=in_thread)
    added = await switched.add_voiceprints(
        AdditionRequest(actor_id=actor.actor_id), given(named(speech("S4", 1))), principal="tester"
    )
    assert [info.model_id for info in added.actor.voiceprints][-1] == SECOND.model_id
    assert agents.snapshot.without_voiceprint(LIST, SECOND.model_id) == ()
