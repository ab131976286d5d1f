"""What words do to the odds of a call."""

from dataclasses import replace
from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shengdun.index.campaigns.campaign import Campaign, SharedWording
from shengdun.index.scripts.known import FoundScript
from shengdun.index.scripts.matching import ScriptMatch
from shengdun.index.scripts.script import Script, ScriptKind
from shengdun.service.combining import with_words
from shengdun.service.decision import (
    AdvisoryReason,
    AppliedLevels,
    FollowedCampaign,
    FollowedScript,
    Level,
    Risk,
)
from shengdun.service.line_settings import LineSettings, ScriptSettings
from shengdun.service.lines import Line
from shengdun.service.transcript import TranscriptCounts
from shengdun.service.word_labels import HeardLabels
from shengdun.service.words import HeardWords

COUNTS = TranscriptCounts(compared=1)
FIXED = AppliedLevels(medium=0.5, high=0.95)
UNKNOWN = Risk()


def _line(**policy: object) -> Line:
    return Line.from_settings("default", LineSettings.model_validate(policy))


def _voice(probability: float, levels: AppliedLevels = FIXED) -> Risk:
    return Risk(
        level=levels.level_of(probability),
        probability=probability,
        level_probability=probability,
        levels=levels,
    )


def _heard(*llrs: float, characters: int = 100, searched: int = 3) -> HeardWords:
    scripts = tuple(
        FollowedScript(
            found=FoundScript(
                script=Script(
                    script_id=f"s{place}",
                    title="t",
                    kind=ScriptKind.CHAT,
                    text="甲",
                    created_at=datetime.now(UTC),
                ),
                match=ScriptMatch(
                    script_id=f"s{place}",
                    llr=llr,
                    script_share=0.5,
                    text_share=0.5,
                    passages=(),
                    worth=llr,
                ),
            ),
            excerpts=(),
        )
        for place, llr in enumerate(llrs)
    )
    return HeardWords(scripts=scripts, searched=searched, characters=characters)


def _risk(
    voice: Risk,
    heard: HeardWords,
    line: Line | None = None,
    campaign: FollowedCampaign | None = None,
) -> Risk:
    return with_words(voice, heard, COUNTS, line or _line(), campaign=campaign)


def _campaign(llr: float) -> FollowedCampaign:
    return FollowedCampaign(
        llr=llr,
        campaign=Campaign(
            campaign_id="cmp_1", absorbed=(), first_seen_at=datetime.now(UTC), members=()
        ),
        wording=SharedWording(text_id="t", customers=2, passages=()),
    )


@given(st.floats(0.0, 1.0))
def test_words_without_a_script_change_nothing(probability: float) -> None:
    """Level and probabilities are to the bit those of the voice."""
    voice = _voice(probability)
    for heard in (_heard(), _heard(searched=0)):
        risk = _risk(voice, heard)
        assert (risk.level, risk.probability, risk.level_probability) == (
            voice.level, voice.probability, voice.level_probability,
        )  # fmt: skip
        assert risk.words is not None
        assert risk.words.flags == ()


def test_words_alone_raise_a_call_to_medium_and_no_higher() -> None:
    """However long a script is read out, a person looks and nothing else happens."""
    risk = _risk(UNKNOWN, _heard(10.0))
    assert (risk.level, risk.probability, risk.level_probability) == (Level.MEDIUM, None, None)
    assert risk.words is not None
    assert risk.words.level_by_voice is None
    assert [flag.found.script.script_id for flag in risk.words.flags] == ["s0"]
    assert (risk.words.llr, risk.words.counted_llr) == (10.0, 6.0)
    bold = _line(scripts={"llr_cap": 12.0, "highest_level": "high"})
    assert _risk(UNKNOWN, _heard(10.0), bold).level is Level.HIGH
    meek = _line(scripts={"highest_level": "low"})
    assert _risk(UNKNOWN, _heard(10.0), meek).level is Level.LOW


def test_a_few_words_give_no_level() -> None:
    """Nor do any where there is no script to compare them with."""
    assert _risk(UNKNOWN, _heard(characters=5)).level is None
    assert _risk(UNKNOWN, _heard(searched=0)).level is None
    assert _risk(UNKNOWN, _heard()).level is Level.LOW


def test_a_stranger_who_follows_a_script_is_medium() -> None:
    """A voice that is nobody's takes nothing from what the words say."""
    risk = _risk(_voice(1e-4), _heard(8.0))
    assert risk.level is Level.MEDIUM
    assert risk.probability == 1e-4
    assert risk.words is not None
    assert risk.words.level_by_voice is Level.LOW


def test_voice_and_words_together_reach_what_neither_does() -> None:
    """A voice that is likely an agent's and the words of a script are HIGH."""
    risk = _risk(_voice(0.7), _heard(6.0))
    assert risk.level is Level.HIGH
    assert risk.level_probability is not None
    assert risk.level_probability > 0.98
    assert _voice(0.7).level is Level.MEDIUM


def test_words_say_as_much_of_a_listed_caller_as_agents_follow_scripts_more_often() -> None:
    """With 1 in 2 agents and 1 in 100 others the odds grow at most fiftyfold."""
    policy = {"scripts": {"llr_cap": 20.0}}
    raised = _risk(_voice(0.01), _heard(20.0), _line(**policy)).level_probability
    assert raised is not None
    odds = raised / (1.0 - raised)
    assert odds == pytest.approx(50 * 0.01 / 0.99, rel=1e-3)


@given(st.floats(0.0, 1.0), st.floats(0.0, 12.0), st.floats(0.0, 12.0))
def test_more_evidence_never_lowers_the_odds(probability: float, one: float, other: float) -> None:
    """Both probabilities grow with the LLR, and stay probabilities."""
    less, more = sorted((one, other))
    low, high = (_risk(_voice(probability), _heard(each)) for each in (less, more))
    assert low.level_probability is not None
    assert high.level_probability is not None
    assert low.words is not None
    assert high.words is not None
    assert 0.0 <= low.level_probability <= high.level_probability + 1e-12 <= 1.0 + 1e-12
    assert 0.0 <= low.words.probability <= high.words.probability <= 1.0


def test_a_cap_of_zero_tells_and_counts_nothing() -> None:
    """The scripts are there to be read, and level and flags as if they weren't."""
    risk = _risk(_voice(0.2), _heard(9.0), _line(scripts={"llr_cap": 0.0}))
    assert (risk.level, risk.level_probability) == (Level.LOW, 0.2)
    assert risk.words is not None
    assert len(risk.words.scripts) == 1
    assert risk.words.flags == ()


def test_a_level_that_words_raised_is_only_a_hint_where_a_rate_is_promised() -> None:
    """The promise is kept of voices; words have not been measured at the site."""
    derived = AppliedLevels(medium=0.999, high=0.9999, expected=5.0, full_evidence=True)
    line = _line(false_flags_per_10000_calls=10)
    risk = _risk(_voice(0.4, derived), _heard(6.0), line)
    assert risk.level is Level.MEDIUM
    assert risk.advisory_reasons == (AdvisoryReason.BY_WORDS,)
    assert _risk(_voice(0.4, derived), _heard(1.0), line).advisory_reasons == ()
    assert _risk(_voice(0.4), _heard(6.0)).advisory_reasons == ()


def test_only_scripts_that_would_be_medium_are_flagged() -> None:
    """The others are told with what speaks for them."""
    risk = _risk(UNKNOWN, _heard(6.0, 5.0, 1.0))
    assert risk.words is not None
    assert [flag.llr for flag in risk.words.flags] == [6.0, 5.0]
    assert len(risk.words.scripts) == 3


def test_the_policy_of_scripts_is_checked() -> None:
    """Agents follow scripts at least as often as others do."""
    with pytest.raises(ValueError, match="of_agents"):
        ScriptSettings(prior=0.2, of_agents=0.1)


def test_a_policy_that_says_nothing_of_scripts_keeps_its_id() -> None:
    """The ids of lines that are in use stay, and a line that says something has another."""
    assert _line().policy_id == _line(scripts={}).policy_id
    assert _line().policy_id != _line(scripts={"llr_cap": 5.0}).policy_id


def test_a_campaign_counts_as_a_script_does() -> None:
    """Within the same limits, also where no script is known; the likelier of the two counts, not their sum."""
    for heard in (_heard(), _heard(searched=0), _heard(4.0)):
        risk = _risk(UNKNOWN, heard, campaign=_campaign(8.0))
        assert risk.level is Level.MEDIUM
        assert risk.words is not None
        assert (risk.words.llr, risk.words.counted_llr) == (8.0, 6.0)
        assert risk.words.campaign is not None
        # What raised the level is the campaign, and the script would not have.
        assert risk.words.flags == ()
    both = _risk(UNKNOWN, _heard(5.5), campaign=_campaign(5.0)).words
    assert both is not None
    assert (both.llr, len(both.flags)) == (5.5, 1)


def test_labels_are_told_and_count_for_nothing() -> None:
    """The outcome is to the bit what it is without them."""
    found = HeardLabels(told=(), found=7, pack_ids=("pack",))
    plain, labelled = (
        _risk(_voice(0.2), replace(_heard(3.0), labels=labels)) for labels in (HeardLabels(), found)
    )
    assert labelled.words is not None
    assert labelled.words.labels == found
    assert plain.level_probability == labelled.level_probability
    assert plain.level is labelled.level
