"""Which segments of a transcript count, and what is told of the others."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shengdun.service.transcript import (
    LONGEST_TRANSCRIPT,
    Segment,
    Speaker,
    Transcript,
    TranscriptIssue,
)

Issue = TranscriptIssue


def _final(text: str, start_s: float = 0.0, end_s: float = 1.0, *, name: str = "") -> Segment:
    return Segment(segment_id=name, text=text, start_s=start_s, end_s=end_s)


def _partial(text: str, *, name: str = "", speaker: Speaker = Speaker.CALLER) -> Segment:
    return Segment(segment_id=name, text=text, speaker=speaker, is_final=False)


def _taken(*segments: Segment) -> Transcript:
    transcript = Transcript()
    for segment in segments:
        transcript.take(segment)
    return transcript


def test_a_final_segment_takes_the_place_of_its_partial_ones() -> None:
    """Words count once, however often the recogniser changed its mind."""
    transcript = _taken(_partial("我要投", name="1"), _partial("我要投诉", name="1"))
    assert transcript.next() == ("", "我要投诉")
    transcript.take(_final("我要投诉你们", name="1"))
    assert transcript.next() == ("我要投诉你们", "")
    assert transcript.counts.replaced == 2
    assert not transcript.has_news


def test_without_ids_each_speaker_has_one_utterance_at_a_time() -> None:
    """A partial segment replaces that of its speaker, and nobody else's."""
    transcript = _taken(
        _partial("甲", speaker=Speaker.CALLER),
        _partial("乙", speaker=Speaker.UNKNOWN),
        _partial("丙", speaker=Speaker.CALLER),
    )
    assert transcript.next() == ("", "丙乙")


def test_the_agents_words_are_counted_and_not_kept() -> None:
    """Neither final nor partial ones are ever given out."""
    transcript = _taken(
        Segment(text="您好", speaker=Speaker.AGENT),
        Segment(text="请问", speaker=Speaker.AGENT, is_final=False),
    )
    assert not transcript.has_news
    assert transcript.next() == ("", "")
    assert transcript.counts.of_agent == 1


@pytest.mark.parametrize(
    ("segments", "words", "issues"),
    [
        ([_final("乙", 5, 6), _final("甲", 1, 2)], "乙甲", {Issue.OUT_OF_ORDER: 1}),
        ([_final("甲", 1, 3), _final("乙", 2, 4)], "甲乙", {Issue.OVERLAPPING: 1}),
        ([_final("甲", 1, 3.04), _final("乙", 3, 4)], "甲乙", {}),
        ([_final("甲", name="1"), _final("甲", name="1")], "甲", {Issue.REPEATED: 1}),
        ([_final("甲"), _final("甲")], "甲", {Issue.REPEATED: 1}),
        ([Segment(text="甲"), Segment(text="甲")], "甲甲", {Issue.NO_CLOCK: 2}),
        ([_final("甲", name="1"), _partial("乙", name="1")], "甲", {Issue.PARTIAL_AFTER_FINAL: 1}),
    ],
)  # fmt: skip
def test_what_is_unusual_is_told_and_loses_no_words(
    segments: list[Segment], words: str, issues: dict[TranscriptIssue, int]
) -> None:
    """Words count where they came; what came twice counts once."""
    transcript = _taken(*segments)
    assert transcript.next() == (words, "")
    assert dict(transcript.counts.issues) == issues


def test_partial_words_count_when_the_call_ends() -> None:
    """Nothing took their place, so they were said."""
    transcript = _taken(_final("甲"), _partial("乙", name="2"))
    transcript.next()
    transcript.end()
    assert transcript.next() == ("乙", "")


def test_a_transcript_longer_than_any_call_stops_counting() -> None:
    """What came first counts, and the rest is told."""
    transcript = _taken(_final("甲" * (LONGEST_TRANSCRIPT - 1)), _final("乙丙", 1, 2))
    words, _ = transcript.next()
    assert words == "甲" * (LONGEST_TRANSCRIPT - 1) + "乙"
    assert dict(transcript.counts.issues) == {Issue.TOO_LONG: 1}
    transcript.take(_partial("丁"))
    assert transcript.next() == ("", "")


def test_partial_segments_that_are_never_closed_do_not_pile_up() -> None:
    """The oldest is taken as it is, once; its words aren't lost."""
    transcript = _taken(*(_partial(str(each), name=f"u{each}") for each in range(20)))
    final, partial = transcript.next()
    assert (final, partial) == ("0123", "".join(map(str, range(4, 20))))


def test_a_segment_cannot_end_before_it_begins() -> None:
    """A value that exists is well-formed."""
    with pytest.raises(ValueError, match="before"):
        _final("甲", 2.0, 1.0)


@given(st.lists(st.text(max_size=5), max_size=10), st.data())
def test_words_do_not_depend_on_partial_segments(texts: list[str], data: st.DataObject) -> None:
    """Any partial segments between the final ones leave the final words as they are."""
    transcript = Transcript()
    words = ""
    for place, text in enumerate(texts):
        for guess in data.draw(st.lists(st.text(max_size=5), max_size=3)):
            transcript.take(_partial(guess, name=f"u{place}"))
        transcript.take(_final(text, place, place + 1, name=f"u{place}"))
        words += transcript.next()[0]
    assert words == "".join(texts)
