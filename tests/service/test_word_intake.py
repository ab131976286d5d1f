"""Words on their way into the evidence of a call: any segmentation, any load, the same outcome."""

import asyncio
import math
from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fixtures.hearing import House, Lane, customer_labels
from fixtures.scripts import COERCED, ORDINARY, PRIVATE, REFUND, new_script
from shengdun.fingerprint.text.labels.pack import Severity
from shengdun.index.registry import Registry
from shengdun.service.transcript import Segment, Speaker, TranscriptIssue
from shengdun.service.word_intake import TakenWords, WordIntake
from shengdun.service.word_labels import MOST_FOUND, MOST_TOLD
from shengdun.service.words import HeardWords, WordsEvidence

COACHED = "代理维权的老师教我打12378投诉，要求停息挂账、征信修复。"
WORDS = f"{ORDINARY}{COERCED[:90]}我的手机号是{PRIVATE}。{COACHED}{REFUND[40:]}{COACHED}"


@pytest.fixture
async def known(registry: Registry) -> Registry:
    """A registry that knows two scripts."""
    for name, text in (("coerced", COERCED), ("refund", REFUND)):
        await registry.scripts.add(new_script(text, script_id=name), principal="tester")
    return registry


def _evidence(registry: Registry) -> WordsEvidence:
    return WordsEvidence(registry.scripts.known, customer_labels())


def _intake(registry: Registry, lane: Lane, house: House | None = None) -> WordIntake:
    return (house or House(lane)).intake(_evidence(registry))


def _outcome(heard: HeardWords) -> tuple[object, ...]:
    return heard.scripts, heard.searched, heard.characters, heard.labels


async def _finished(intake: WordIntake) -> TakenWords:
    taken = await intake.finish(by=math.inf)
    assert taken is not None
    return taken


async def test_any_segmentation_says_the_same(known: Registry) -> None:
    """Scripts, LLRs, shares, passages, excerpts and labels, also with guesses of the recogniser in between."""
    all_at_once = _evidence(known).hear(WORDS)
    whole = _outcome(all_at_once)
    assert (len(all_at_once.scripts), all_at_once.labels.found > 2) == (2, True)

    @settings(max_examples=25, deadline=None)
    @given(st.sets(st.integers(1, len(WORDS) - 1), max_size=25), st.booleans())
    def says_the_same(cuts: set[int], guesses: bool) -> None:  # noqa: FBT001
        evidence = _evidence(known)
        places = [0, *sorted(cuts), len(WORDS)]
        for start, end in pairwise(places):
            if guesses:
                evidence.hear("", WORDS[start : (start + end) // 2])
            heard = evidence.hear(WORDS[start:end])
        assert _outcome(heard) == whole

    says_the_same()


async def test_partial_words_count_until_others_take_their_place(known: Registry) -> None:
    """With them it is what it would be if they were final; without them, what it was before."""
    evidence = _evidence(known)
    before = evidence.hear(COERCED[:40])
    tried = evidence.hear("", COERCED[40:90])
    assert _outcome(tried) == _outcome(_evidence(known).hear(COERCED[:90]))
    assert _outcome(evidence.hear("")) == _outcome(before)


async def test_what_is_shown_of_the_words_is_masked(known: Registry) -> None:
    """Numbers within a passage are not in its excerpt, and the places are those of what was said."""
    text = REFUND.replace("三个工作日", "138001380001234")
    await known.scripts.add(new_script(text, script_id="numbered"), principal="tester")
    said = f"喂。{text}"
    heard = _evidence(known).hear(said)
    script = next(each for each in heard.scripts if each.found.match.script_id == "numbered")
    for excerpt, passage in zip(script.excerpts, script.found.match.passages, strict=True):
        assert not any(character.isdigit() for character in excerpt)
        assert excerpt[:2] == said[passage.text_start : passage.text_end][:2]


async def test_scripts_come_and_go_while_a_call_goes_on(registry: Registry) -> None:
    """What was said before there was a script is compared with it; an erased one is not told any more."""
    evidence = _evidence(registry)
    before = evidence.hear(COERCED)
    assert (before.scripts, before.searched) == ((), 0)
    await registry.scripts.add(new_script(script_id="late"), principal="tester")
    [late] = evidence.hear("").scripts
    assert late.found.match.script_id == "late"
    await registry.scripts.erase("late", reason="test", principal="tester")
    assert evidence.hear("").scripts == ()


async def test_what_comes_while_the_lane_is_busy_is_heard_together(known: Registry) -> None:
    """A hundred segments take one piece of work, and say what one by one they would."""
    lane = Lane()
    intake = _intake(known, lane)
    for place, character in enumerate(WORDS):
        intake.take(Segment(text=character, start_s=place, end_s=place + 1))
    lane.is_open.set()
    taken = await _finished(intake)
    assert _outcome(taken.heard) == _outcome(_evidence(known).hear(WORDS))
    assert taken.counts.compared == len(WORDS)
    assert lane.done == 1


async def test_whoever_waits_is_told(known: Registry) -> None:
    """When words were heard, with what they say and when they came."""
    lane, rings = Lane(), asyncio.Event()
    intake = _intake(known, lane)
    intake.tell(lambda _: rings.set())
    assert intake.taken() is None
    intake.take(Segment(text=COERCED))
    assert intake.taken() is None
    lane.is_open.set()
    await rings.wait()
    taken = intake.taken()
    assert taken is not None
    assert [each.found.match.script_id for each in taken.heard.scripts] == ["coerced"]
    assert taken.since <= asyncio.get_running_loop().time()
    assert dict(taken.counts.issues) == {TranscriptIssue.NO_CLOCK: 1}


async def test_partial_words_at_the_end_were_said(known: Registry) -> None:
    """The end of a call is the end of its utterances."""
    lane = Lane()
    lane.is_open.set()
    intake = _intake(known, lane)
    intake.take(Segment(text=COERCED[:60]))
    intake.take(Segment(text=COERCED[60:], is_final=False))
    taken = await _finished(intake)
    assert _outcome(taken.heard) == _outcome(_evidence(known).hear(COERCED))


async def test_words_that_are_not_heard_by_then_are_left_out(known: Registry) -> None:
    """What was heard before counts, the answer says so, and all that came is what was said."""
    lane = Lane()
    lane.is_open.set()
    intake, rings = _intake(known, lane), asyncio.Event()
    intake.tell(lambda _: rings.set())
    intake.take(Segment(text=COERCED))
    await rings.wait()
    before = intake.taken()
    assert before is not None
    lane.is_open.clear()
    intake.take(Segment(text=REFUND))
    intake.end()
    intake.take(Segment(text=ORDINARY))
    taken = await intake.finish(by=asyncio.get_running_loop().time())
    assert taken is not None
    assert (taken.in_time, _outcome(taken.heard)) == (False, _outcome(before.heard))
    assert (taken.counts.compared, intake.said) == (2, COERCED + REFUND)
    intake.close()


async def test_words_that_were_never_heard_give_no_level(known: Registry) -> None:
    """A lane that is stuck from the first word on holds nobody up."""
    intake = _intake(known, Lane())
    intake.take(Segment(text=COERCED))
    taken = await intake.finish(by=-math.inf)
    assert taken is not None
    assert (taken.in_time, taken.heard) == (False, HeardWords())
    intake.close()


async def test_without_words_of_the_caller_nothing_is_compared(known: Registry) -> None:
    """A call without a transcript ends as if there were none; the agent's words are told of."""
    lane = Lane()
    assert await _intake(known, lane).finish(by=math.inf) is None
    lane.is_open.set()
    intake = _intake(known, lane)
    intake.take(Segment(text=COERCED, speaker=Speaker.AGENT))
    assert intake.taken() is None
    taken = await _finished(intake)
    assert (taken.heard.scripts, taken.counts.of_agent) == ((), 1)


async def test_a_call_that_is_over_lets_go_of_its_words(known: Registry) -> None:
    """Nothing is heard any more."""
    lane = Lane()
    intake = _intake(known, lane)
    intake.take(Segment(text=COERCED))
    intake.close()
    intake.take(Segment(text=COERCED))
    assert await intake.finish(by=math.inf) is None
    assert lane.done == 0


async def test_labels_are_those_of_a_text(known: Registry) -> None:
    """Names, places, sources and packs are what a letter with the same words has."""
    labels = _evidence(known).hear(WORDS).labels
    assert labels.told == customer_labels().of(WORDS)
    assert (labels.found, labels.pack_ids) == (len(labels.told), customer_labels().pack_ids)
    assert all(label.source for label in labels.told)


async def test_of_many_labels_the_severest_are_told(registry: Registry) -> None:
    """Each decision has but so many, in their order, and no more are looked for than anybody would read."""
    evidence = _evidence(registry)
    few = [evidence.hear("我要去银保监会投诉。" * 60).labels, evidence.hear("代理维权。").labels]
    assert [len(labels.told) for labels in few] == [MOST_TOLD, MOST_TOLD]
    assert few[1].told[-1].hit.severity is Severity.HIGH
    places = [label.hit.start for label in few[1].told]
    assert places == sorted(places)
    for _ in range(30):
        labels = evidence.hear("".join(f"{chr(0x4E00 + at)}代理维权。" for at in range(100))).labels
    assert labels.found == MOST_FOUND


async def test_hearing_words_is_part_of_what_calls_take(known: Registry) -> None:
    """A call counts from its first word to its end, and by the time in which its words were said."""
    lane = Lane()
    lane.is_open.set()
    house = House(lane)
    intake = _intake(known, lane, house)
    assert (house.costs.words_share, house.admission.standing(budget_s=0.3).with_words) == (0, 0)
    intake.take(Segment(text=WORDS))
    await _finished(intake)
    assert 0.0 < house.costs.words_share < 1.0
    assert house.admission.standing(budget_s=0.3).with_words == 1
    house.close()
    assert house.admission.standing(budget_s=0.3).with_words == 0
