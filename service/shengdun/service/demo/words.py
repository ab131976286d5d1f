"""The calls of the demo that have a transcript: one whose words are known and whose voice isn't, and one of both."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Final

from shengdun.service.client import (
    CallConfig,
    Decision,
    FlagType,
    NewScript,
    Passage,
    ShengdunClient,
    TranscriptUse,
)
from shengdun.service.client.telephone import converse
from shengdun.service.demo import scripts
from shengdun.service.demo.calls import Outcome, PlayedCall
from shengdun.service.demo.cast import CALL, LINE, TELEPHONE, PlannedCall
from shengdun.service.demo.story import level_name, table

SCRIPTS: Final[Sequence[NewScript]] = (scripts.INSTALMENTS, scripts.REFUND)
_SHOWN: Final = 44
"""Characters of a passage on a line; Chinese ones are twice as wide as others."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SpokenCall:
    """A call with a transcript.

    Attributes:
        plan: whose voice is played.
        turns: what is said.
        flags: those that it should be flagged with.
    """

    plan: PlannedCall
    turns: Sequence[scripts.Turn]
    flags: frozenset[FlagType]


def spoken_calls(played: Sequence[PlayedCall]) -> list[SpokenCall]:
    """A stranger with a script, and an agent whose voice was recognised with another; the first of each.

    Args:
        played: the calls without transcripts.
    """
    strangers = [
        call.plan for call in played if call.outcome is Outcome.PASSED and call.plan.speaker
    ]
    agents = [call.plan for call in played if call.outcome is Outcome.DETECTED]
    words, voice = FlagType.SCRIPT_MATCH, FlagType.KNOWN_ACTOR_VOICE
    chosen = [
        (strangers, scripts.INSTALMENTS_SAID, frozenset({words})),
        (agents, scripts.REFUND_SAID, frozenset({words, voice})),
    ]
    return [
        SpokenCall(
            plan=replace(plans[0], call_id=f"{plans[0].call_id}-spoken"), turns=turns, flags=flags
        )
        for plans, turns, flags in chosen
        if plans
    ]


async def screen_spoken(client: ShengdunClient, call: SpokenCall, *, paced: bool) -> list[Decision]:
    """Play a call with its transcript; gives its decisions."""
    config = CallConfig(
        call_id=call.plan.call_id,
        line=LINE,
        audio_format=TELEPHONE,
        transcript_use=TranscriptUse.BESIDE_AUDIO,
    )
    words = scripts.segments(call.turns, length=CALL)
    async with client.screen_call(config) as stream:
        return [
            each async for each in converse(stream, call.plan.audio(), paced=paced, words=words)
        ]


def is_as_it_should_be(call: SpokenCall, decisions: Sequence[Decision]) -> bool:
    """Whether the last decision has the flags, and words alone went no further than a person's review."""
    last = decisions[-1]
    words = last.words
    return (
        {flag.type for flag in last.flags} == call.flags
        and words is not None
        and level_name(words.level) == "MEDIUM"
    )


def told(
    call: SpokenCall, decisions: Sequence[Decision], speakers: Mapping[str, str]
) -> Iterator[str]:
    """One call, decision by decision, and what was said beside what the script has."""
    yield from table(call.plan, decisions, speakers)
    last = decisions[-1]
    words = last.words
    assert words is not None
    yield (
        f"  => level {level_name(last.level)}: by the voice {level_name(words.level_by_voice)}, by the words "
        f"{level_name(words.level)}; of the words' LLR {words.llr:+.1f} counts {words.counted_llr:+.1f}"
    )
    for match in (flag.script_match for flag in last.flags if flag.script_match):
        yield (
            f"     script {match.script_id} ({match.title}, {match.campaign}): LLR {match.llr:+.1f}, "
            f"{match.script_share:.0%} of it; its longest passage of {len(match.passages)}:"
        )
        yield from _side_by_side(max(match.passages, key=_length))


def _side_by_side(passage: Passage) -> Iterator[str]:
    yield f"       said   {passage.text_start:>4}-{passage.text_end:<4} {_cut(passage.text_excerpt)}"
    yield f"       script {passage.script_start:>4}-{passage.script_end:<4} {_cut(passage.script_excerpt)}"


def _cut(text: str) -> str:
    return text if len(text) <= _SHOWN else text[: _SHOWN - 1] + "…"


def _length(passage: Passage) -> int:
    return passage.text_end - passage.text_start
