"""Words in live calls: the real server, with audio beside the transcript, instead of it, and with a broken one."""

import asyncio
import threading
from collections.abc import AsyncIterator, Sequence
from datetime import timedelta
from pathlib import Path

import pytest
import pytest_asyncio

from fixtures.calls import Desk, evidence, open_desk, screen, server_settings, speech_of, telephone
from fixtures.scripts import COERCED, ORDINARY, PRIVATE, REFUND
from fixtures.text_service import TUITION, told
from shengdun.fingerprint.voice.demo_recordings import DemoRecording
from shengdun.service.client import (
    CallConfig,
    ClientError,
    Decision,
    DecisionState,
    FlagType,
    LabelSeverity,
    NewScript,
    PartialReason,
    PassageView,
    RiskLevel,
    ScriptKind,
    Speaker,
    TranscriptIssue,
    TranscriptSegment,
    TranscriptUse,
)

pytestmark = pytest.mark.asyncio(loop_scope="module")

Recordings = Sequence[DemoRecording]
BESIDE, INSTEAD = TranscriptUse.BESIDE_AUDIO, TranscriptUse.INSTEAD_OF_AUDIO
SPOKEN = f"喂您好，{COERCED[:100]}我的电话是{PRIVATE}。"


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def desk(
    tmp_path_factory: pytest.TempPathFactory, models_dir: Path, recordings: Recordings
) -> AsyncIterator[Desk]:
    """One server for the tests of this module: an agent is enrolled, and two scripts are known."""
    settings = server_settings(tmp_path_factory.mktemp("desk"), models_dir)
    async with open_desk(settings, recordings, ("S6",)) as desk:
        for name, text in (("coerced", COERCED), ("refund", REFUND)):
            new = NewScript(title=name, kind=ScriptKind.CHAT, text=text, script_id=name)
            await desk.client.add_script(new)
        yield desk


def _segments(words: str, *, every: int = 20, **fields: object) -> list[TranscriptSegment]:
    return [
        TranscriptSegment(
            text=words[at : at + every],
            segment_id=f"u{at}",
            start=timedelta(seconds=at / 5),
            end=timedelta(seconds=(at + every) / 5),
            **fields,  # type: ignore[arg-type]
        )
        for at in range(0, len(words), every)
    ]


async def _call(
    desk: Desk,
    call_id: str,
    segments: Sequence[TranscriptSegment],
    *,
    audio: bytes = b"",
    use: TranscriptUse = INSTEAD,
    customer: str = "",
) -> list[Decision]:
    """The words first, then the audio; returns every decision."""
    config = CallConfig(call_id=call_id, transcript_use=use, customer_reference=customer)
    async with desk.client.screen_call(config) as call:
        for segment in segments:
            await call.send_words(segment)
        for start in range(0, len(audio), 800):
            await call.send(audio[start : start + 800])
        await call.finish()
        return [decision async for decision in call]


def _words(decision: Decision) -> tuple[object, ...]:
    """Everything in a decision that the words determine."""
    assert decision.words is not None
    return (
        decision.level,
        decision.flags,
        decision.words.scripts,
        decision.words.llr,
        decision.words.probability,
        decision.words.characters,
        decision.recommended_action,
    )


async def test_a_call_of_words_alone_is_flagged_by_them(desk: Desk) -> None:
    """The script, how much of it, and what was said beside it, while nothing is known of the voice."""
    last = (await _call(desk, "words-alone", _segments(SPOKEN)))[-1]
    assert (last.state, last.probability) == (DecisionState.NOT_ENOUGH_SPEECH, None)
    assert (last.level, last.recommended_action) == (RiskLevel.MEDIUM, "review_after_call")
    [flag] = last.flags
    assert (flag.type, flag.llr > 4) == (FlagType.SCRIPT_MATCH, True)
    assert flag.script_match is not None
    assert flag.script_match.script_id == "coerced"
    assert 0.3 < flag.script_match.script_share < 0.9
    passage = max(flag.script_match.passages, key=lambda each: each.text_end - each.text_start)
    assert passage.view is PassageView.CHARACTERS
    said = SPOKEN[passage.text_start : passage.text_end]
    assert passage.text_excerpt[:15] == said[:15]
    assert passage.script_excerpt[:15] == said[:15]
    assert last.words is not None
    assert last.words.level_by_voice is None
    assert last.words.scripts_searched == 2
    assert last.words.scripts[0].passages == ()
    assert last.words.notices == ()


async def test_decisions_come_as_the_words_arrive(desk: Desk) -> None:
    """Each answer is there before the next words are said, partial ones included; withdrawn words are taken back."""
    async with desk.client.screen_call(
        CallConfig(call_id="arriving", transcript_use=INSTEAD)
    ) as call:
        await anext(call)
        await call.send_words(TranscriptSegment(text=COERCED[:60], is_final=False))
        tried = await anext(call)
        assert tried.level is RiskLevel.MEDIUM
        await call.send_words(TranscriptSegment(text=ORDINARY))
        withdrawn = await anext(call)
        assert (withdrawn.level, withdrawn.flags) == (RiskLevel.LOW, ())
        await call.send_words(TranscriptSegment(text=REFUND[:60]))
        found = await anext(call)
        assert found.level is RiskLevel.MEDIUM
    assert [tried.sequence, withdrawn.sequence, found.sequence] == [2, 3, 4]
    assert len({tried.decision_id, withdrawn.decision_id, found.decision_id}) == 3


@pytest.mark.parametrize("every", [1, 7, 1000])
async def test_any_segmentation_ends_in_the_same_decision(desk: Desk, every: int) -> None:
    """However the recogniser cuts what is said."""
    reference = (await _call(desk, f"cut-reference-{every}", _segments(SPOKEN)))[-1]
    last = (await _call(desk, f"cut-{every}", _segments(SPOKEN, every=every)))[-1]
    assert _words(last) == _words(reference)


async def test_a_call_does_not_wait_for_its_last_words_beyond_its_budget(desk: Desk) -> None:
    """Where they can't be heard by then, the decision rests on what was, and says so; the next call has all of its."""
    assert desk.server._application is not None
    screener = desk.server._application.screening._screener
    busy = threading.Event()
    held_up = asyncio.ensure_future(screener.word_lane(busy.wait))
    try:
        last = (await _call(desk, "held-up", _segments(COERCED[:10])))[-1]
    finally:
        busy.set()
        await held_up
    assert last.partial_reasons == (PartialReason.BUDGET_EXCEEDED,)
    assert (last.level, last.flags) == (None, ())
    assert (await _call(desk, "not-held-up", _segments(SPOKEN)))[-1].partial_reasons == ()


async def test_the_agents_words_are_not_compared(desk: Desk) -> None:
    """The institution's own agent may read a script out; the same words of a speaker who isn't told apart count."""
    agent = (await _call(desk, "agent", _segments(SPOKEN, speaker=Speaker.AGENT)))[-1]
    assert (agent.level, agent.flags) == (None, ())
    assert agent.words is not None
    assert (agent.words.segments, agent.words.segments_of_agent > 0) == (0, True)
    anyone = (await _call(desk, "anyone", _segments(SPOKEN, speaker=Speaker.UNKNOWN)))[-1]
    assert anyone.level is RiskLevel.MEDIUM


async def test_a_stranger_is_flagged_by_words_beside_the_audio(
    desk: Desk, recordings: Recordings
) -> None:
    """Each part is told; what the voice says is to the bit what it says without a transcript."""
    audio = telephone(speech_of(recordings, "S2"))
    silent = (await screen(desk.client, "no-words", audio))[-1]
    assert (silent.level, silent.words) == (RiskLevel.LOW, None)
    last = (await _call(desk, "stranger", _segments(SPOKEN), audio=audio, use=BESIDE))[-1]
    assert (last.state, last.level) == (DecisionState.FINAL, RiskLevel.MEDIUM)
    assert [flag.type for flag in last.flags] == [FlagType.SCRIPT_MATCH]
    assert last.words is not None
    assert last.words.level_by_voice is RiskLevel.LOW
    assert (last.probability, last.watchlists) == (silent.probability, silent.watchlists)
    assert (last.net_speech, last.audio_quality) == (silent.net_speech, silent.audio_quality)


async def test_a_known_agent_is_flagged_by_both(desk: Desk, recordings: Recordings) -> None:
    """Two flags, and more to the odds than the voice alone."""
    audio = telephone(speech_of(recordings, "S6"))
    voice = (await screen(desk.client, "voice-only", audio))[-1]
    last = (await _call(desk, "both", _segments(SPOKEN), audio=audio, use=BESIDE))[-1]
    assert {flag.type for flag in last.flags} == {
        FlagType.KNOWN_ACTOR_VOICE,
        FlagType.SCRIPT_MATCH,
    }
    assert last.level_probability is not None
    assert voice.level_probability is not None
    assert last.level_probability > voice.level_probability
    assert last.probability == voice.probability


async def test_words_that_say_nothing_change_nothing(desk: Desk, recordings: Recordings) -> None:
    """A transcript of ordinary words leaves the last decision as it is without one."""
    audio = telephone(speech_of(recordings, "S2"))
    silent = (await screen(desk.client, "plain-audio", audio))[-1]
    last = (await _call(desk, "plain", _segments(ORDINARY), audio=audio, use=BESIDE))[-1]
    assert evidence(last) == evidence(silent)
    assert last.level_probability == silent.level_probability


async def test_words_count_after_the_voice_is_settled(desk: Desk, recordings: Recordings) -> None:
    """A call that announced its words is decided at its end, however soon nothing more is heard of the voice."""
    audio = telephone(speech_of(recordings, "S6", seconds=30.0))
    config = CallConfig(call_id="late-words", transcript_use=BESIDE)
    async with desk.client.screen_call(config) as call:
        for start in range(0, len(audio), 800):
            await call.send(audio[start : start + 800])
        while (await anext(call)).net_speech < timedelta(seconds=5):
            pass
        await asyncio.sleep(0)
        for segment in _segments(SPOKEN):
            await call.send_words(segment)
        await call.finish()
        *before, last = [decision async for decision in call]
    assert all(decision.state is DecisionState.PROVISIONAL for decision in before)
    assert last.state is DecisionState.FINAL
    assert FlagType.SCRIPT_MATCH in {flag.type for flag in last.flags}


@pytest.mark.parametrize(
    ("segments", "issue"),
    [
        (_segments(SPOKEN)[::-1], TranscriptIssue.OUT_OF_ORDER),
        ([each for each in _segments(SPOKEN) for _ in range(2)], TranscriptIssue.REPEATED),
        ([TranscriptSegment(text=SPOKEN)], TranscriptIssue.NO_CLOCK),
        (
            [*_segments(SPOKEN), TranscriptSegment(text="喂", segment_id="u0", is_final=False)],
            TranscriptIssue.PARTIAL_AFTER_FINAL,
        ),
    ],
)
async def test_an_unusual_transcript_is_told_and_the_call_goes_on(
    desk: Desk, segments: list[TranscriptSegment], issue: TranscriptIssue
) -> None:
    """Every word is heard, and the decision says what was the matter."""
    last = (await _call(desk, f"unusual-{issue.value}", segments))[-1]
    assert last.words is not None
    assert issue in {notice.issue for notice in last.words.notices}
    assert last.words.characters == len(SPOKEN)


@pytest.mark.parametrize(
    ("segment", "reason"),
    [
        (TranscriptSegment(text="喂", start=timedelta(seconds=2), end=timedelta(seconds=1)), "INVALID_REQUEST"),
        (TranscriptSegment(text="喂", start=timedelta(seconds=-1)), "INVALID_REQUEST"),
        (TranscriptSegment(text="喂", segment_id="x" * 129), "INVALID_REQUEST"),
        (TranscriptSegment(text="喂" * 20_001), "MESSAGE_TOO_LARGE"),
    ],
)  # fmt: skip
async def test_a_malformed_segment_ends_the_call(
    desk: Desk, segment: TranscriptSegment, reason: str
) -> None:
    """As a malformed chunk does, with an error that names what is wrong and none of the words."""
    with pytest.raises(ClientError) as caught:
        await _call(desk, "malformed", [segment])
    assert caught.value.reason == reason
    assert "喂" not in str(caught.value)


async def test_a_call_of_words_alone_has_no_audio_format(
    desk: Desk, recordings: Recordings
) -> None:
    """Audio in it is refused by name."""
    with pytest.raises(ClientError) as caught:
        await _call(
            desk, "has-audio", [], audio=telephone(speech_of(recordings, "S2", seconds=0.1))
        )
    assert caught.value.reason == "PROTOCOL_VIOLATION"


async def test_nothing_of_the_words_stays(desk: Desk) -> None:
    """What others are told of the call is masked, and so is what the store keeps of it."""
    private = REFUND.replace("三个工作日", PRIVATE)
    new = NewScript(title="numbered", kind=ScriptKind.CHAT, text=private, script_id="numbered")
    await desk.client.add_script(new)
    await _call(desk, "masked", _segments(private))
    kept = await desk.client.get_decision("masked")
    flags = [flag.script_match for flag in kept.decision.flags if flag.script_match]
    assert "numbered" in {flag.script_id for flag in flags}
    assert PRIVATE not in repr(kept)
    await desk.client.erase_script("numbered", reason="test")


async def test_labels_are_told_as_the_words_arrive(desk: Desk) -> None:
    """With place, meaning, source and pack; no level and no flag comes of them."""
    said = "有个代理维权的朋友陪我来的，听说停息挂账肯定能行。"
    config = CallConfig(call_id="labels", transcript_use=INSTEAD)
    async with desk.client.screen_call(config) as call:
        await anext(call)
        await call.send_words(TranscriptSegment(text=said[:9], is_final=False))
        tried = (await anext(call)).words
        await call.send_words(TranscriptSegment(text=said))
        last = await anext(call)
    assert (last.level, last.flags) == (RiskLevel.LOW, ())
    words = last.words
    assert tried is not None
    assert words is not None
    assert [said[label.start : label.end] for label in tried.labels] == ["代理维权"]
    found = {label.label: label for label in words.labels}
    agent = found["THIRD_PARTY_AGENT"]
    assert (agent.severity, said[agent.start : agent.end]) == (LabelSeverity.HIGH, "代理维权")
    assert (agent.pack_id, bool(agent.source)) == (words.label_pack_ids[0], True)
    assert "代理维权" in agent.meaning_zh
    assert words.labels_found == len(words.labels) == 2


async def test_a_call_follows_what_other_customers_wrote(
    desk: Desk, recordings: Recordings
) -> None:
    """Its last decision is flagged, with what they share; a letter follows the call in its turn."""
    await desk.client.screen_text(told(TUITION, 0), customer_reference="ann")
    audio = telephone(speech_of(recordings, "S2"))
    segments = _segments(told(TUITION, 1))
    *before, last = await _call(desk, "follows", segments, audio=audio, use=BESIDE, customer="bob")
    assert not [flag for decision in before for flag in decision.flags]
    [flag] = last.flags
    assert (flag.type, flag.llr > 4) == (FlagType.SCRIPT_CAMPAIGN, True)
    assert flag.script_campaign is not None
    assert (flag.script_campaign.customers, flag.script_campaign.members) == (2, 2)
    assert any(passage.text in _plain(TUITION) for passage in flag.script_campaign.passages)
    assert (last.state, last.level) == (DecisionState.FINAL, RiskLevel.MEDIUM)
    assert last.words is not None
    assert (last.words.llr, last.words.counted_llr) == (flag.llr, min(flag.llr, 6.0))
    letter = await desk.client.screen_text(told(TUITION, 2), customer_reference="cat")
    assert letter.script_campaign is not None
    assert letter.script_campaign.customers == 3
    assert (await _call(desk, "of-nobody", segments))[-1].flags == ()


async def test_calls_with_words_are_part_of_the_load(desk: Desk) -> None:
    """From their announcement on, and what hearing their words takes is told."""
    config = CallConfig(call_id="loads", transcript_use=INSTEAD)
    async with desk.client.screen_call(config) as call:
        await anext(call)
        load = (await desk.client.server_info()).load
        assert load is not None
        assert (load.calls_with_words, load.undecided_calls) == (1, 0)
        await call.send_words(TranscriptSegment(text=SPOKEN))
        await anext(call)
        load = (await desk.client.server_info()).load
        assert load is not None
        assert 0.0 < load.words_share < 1.0


def _plain(text: str) -> str:
    return "".join(character for character in text if character.isalnum())
