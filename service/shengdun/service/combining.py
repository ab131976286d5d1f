"""Voice and words together: what a script in the caller's words does to the odds.

With ``O`` the odds that the caller is on a watchlist by the voice, and ``L = e^LLR`` of the likeliest script, or of the
campaign that the words follow if that is greater, held between 1 and the line's cap::

    by voice and words   O · (1 + a (L - 1)) / (1 + s (L - 1))
    by words alone       s L / (1 + s (L - 1)), a probability

``a`` is the share of listed callers that follow a known script, ``s`` that of all others: words speak for a listed
caller only as far as such callers follow scripts more often than coached customers do. The first is compared with the
levels of the voice, the second with the line's fixed levels, and what it may reach is limited; the higher level counts.
At ``L = 1`` nothing is changed.
"""

from dataclasses import dataclass, replace
from typing import Final

import numpy as np

from shengdun.service.decision import (
    AdvisoryReason,
    FollowedCampaign,
    FollowedScript,
    Level,
    Risk,
    WordsOutcome,
)
from shengdun.service.line_settings import ScriptSettings
from shengdun.service.lines import Line
from shengdun.service.standing import fixed_levels
from shengdun.service.transcript import TranscriptCounts
from shengdun.service.words import HeardWords

LEAST_CHARACTERS: Final = 20
"""Fewer words, in code points, give no level: no script is as short."""
_LEVELS: Final = tuple(Level)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Weight:
    """What an LLR counts for.

    Attributes:
        counted: the LLR within its limits.
        policy: of the line.
    """

    counted: float
    policy: ScriptSettings

    @classmethod
    def of(cls, llr: float, policy: ScriptSettings) -> "_Weight":
        return cls(counted=min(max(llr, 0.0), policy.llr_cap), policy=policy)

    @property
    def probability(self) -> float:
        """That a known script is followed, whoever calls."""
        gain = float(np.expm1(self.counted))
        return self.policy.prior * (1.0 + gain) / (1.0 + self.policy.prior * gain)

    def raised(self, probability: float) -> float:
        """What becomes of the probability by voice that the caller is listed."""
        gain = float(np.expm1(self.counted))
        factor = (1.0 + self.policy.of_agents * gain) / (1.0 + self.policy.prior * gain)
        return probability * factor / (1.0 - probability + probability * factor)


def with_words(
    risk: Risk,
    heard: HeardWords,
    counts: TranscriptCounts,
    line: Line,
    *,
    campaign: FollowedCampaign | None = None,
) -> Risk:
    """The risk by voice and words.

    Args:
        risk: by the voice alone.
        heard: what the words say.
        counts: of their segments.
        line: the line of the call.
        campaign: that the words follow, once it was looked for.
    """
    words = _weighed(risk, heard, counts, line, campaign)
    if not words.counted_llr:
        level = words.level if risk.level is None else risk.level
        return replace(risk, level=level, words=words)
    weight = _Weight.of(words.llr, line.policy.scripts)
    raised, together = None, risk.level
    if risk.level_probability is not None and risk.levels is not None:
        raised = weight.raised(risk.level_probability)
        together = risk.levels.level_of(raised)
    level = _highest(risk.level, together, words.level)
    rose = level in {Level.MEDIUM, Level.HIGH} and level is not risk.level
    return replace(
        risk,
        level=level,
        level_probability=raised,
        advisory_reasons=_reasons(risk, line, rose=rose),
        words=replace(words, flags=_flagged(words, line, rose=rose)),
    )


def _weighed(
    risk: Risk,
    heard: HeardWords,
    counts: TranscriptCounts,
    line: Line,
    campaign: FollowedCampaign | None,
) -> WordsOutcome:
    of_campaign = campaign.llr if campaign else 0.0
    llr = max(heard.scripts[0].llr if heard.scripts else 0.0, of_campaign)
    weight = _Weight.of(llr, line.policy.scripts)
    compared = heard.searched > 0 or campaign is not None
    comparable = compared and heard.characters >= LEAST_CHARACTERS
    return WordsOutcome(
        scripts=heard.scripts,
        campaign=campaign,
        labels=heard.labels,
        llr=llr,
        counted_llr=weight.counted,
        probability=weight.probability if compared else 0.0,
        level=_level_of(weight.probability, line) if comparable else None,
        level_by_voice=risk.level,
        searched=heard.searched,
        characters=heard.characters,
        counts=counts,
    )


def _level_of(probability: float, line: Line) -> Level:
    most = Level(line.policy.scripts.highest_level)
    level = fixed_levels(line.policy).level_of(probability)
    return min(level, most, key=_LEVELS.index)


def _highest(*levels: Level | None) -> Level | None:
    return max(levels, key=lambda level: -1 if level is None else _LEVELS.index(level))


def _flagged(words: WordsOutcome, line: Line, *, rose: bool) -> tuple[FollowedScript, ...]:
    """Scripts that would be MEDIUM by themselves, and the likeliest if the level rose by it."""
    medium, policy = fixed_levels(line.policy).medium, line.policy.scripts
    return tuple(
        script
        for place, script in enumerate(words.scripts)
        if (rose and place == 0 and script.llr == words.llr)
        or _Weight.of(script.llr, policy).probability >= medium
    )


def _reasons(risk: Risk, line: Line, *, rose: bool) -> tuple[AdvisoryReason, ...]:
    promises = line.policy.false_flags_per_10000_calls is not None
    if not (rose and promises):
        return risk.advisory_reasons
    return (*risk.advisory_reasons, AdvisoryReason.BY_WORDS)
