"""Lines of business: the policy under which a call is screened, and where it stands."""

import hashlib
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from datetime import timedelta

from shengdun.service.decision import AdvisoryReason, AppliedLevels, Level, Risk
from shengdun.service.errors import LineUnknown
from shengdun.service.line_settings import (
    HandoverSettings,
    LineHuntSettings,
    LineSettings,
    ScriptSettings,
)
from shengdun.service.standing import Standing, fixed_levels

DEFAULT_LINE = "default"


@dataclass(slots=True, kw_only=True)
class Line:
    """A line of business with its policy.

    The policy never changes. Where it stands does, as watchlists, profile and callers change: a new standing is put in
    whole, by one thread, and read once for each decision.

    Attributes:
        name: as it is named in a call.
        policy: its settings.
        policy_id: ``name@`` and the first 12 hexadecimal digits of the SHA-256 of the settings.
        standing: the levels in force, and what they may be relied on for.
    """

    name: str
    policy: LineSettings
    policy_id: str
    standing: Standing

    @classmethod
    def from_settings(cls, name: str, policy: LineSettings) -> "Line":
        """Give the policy an id by its content, so that a decision can be traced to it."""
        # A policy that says nothing of scripts, handovers or hunts keeps the id that it had before any line could.
        newer = {
            "scripts": ScriptSettings(),
            "handover": HandoverSettings(),
            "hunts": LineHuntSettings(),
        }
        unsaid = {name for name, silent in newer.items() if getattr(policy, name) == silent}
        digest = hashlib.sha256(policy.model_dump_json(exclude=unsaid).encode()).hexdigest()
        return cls(
            name=name,
            policy=policy,
            policy_id=f"{name}@{digest[:12]}",
            standing=Standing.before_any(policy),
        )

    @property
    def budget(self) -> timedelta:
        """Time from the chunk that completes a window to its decision."""
        return self.policy.budget

    def standing_for(self, profile_ids: Collection[str], sizes: Mapping[str, int]) -> Standing:
        """The standing for a search of lists of these sizes; levels derived for others don't apply."""
        standing = self.standing
        return standing if standing.covers(profile_ids, sizes) else self._uncovered()

    def reasons_before_any(self, profile_id: str) -> tuple[AdvisoryReason, ...]:
        """Why a call that is about to be searched under a profile has only hints to expect; empty when it hasn't."""
        standing = self.standing
        same = standing.basis is None or standing.basis.profile_id == profile_id
        return standing.reasons if same else self._uncovered().reasons

    def _uncovered(self) -> Standing:
        promises = self.policy.false_flags_per_10000_calls is not None
        reasons = set(self.standing.reasons) | {
            AdvisoryReason.PROMISE_NOT_KEPT if promises else AdvisoryReason.NO_SITE_PROFILE
        }
        return Standing(
            levels=fixed_levels(self.policy),
            reasons=tuple(reason for reason in AdvisoryReason if reason in reasons),
        )

    def action_at(self, level: Level | None, *, advisory: bool) -> str:
        """What is recommended at a level; None is "not enough speech"."""
        actions = self.policy.actions
        match level:
            case None:
                return actions.undecided
            case Level.LOW:
                return actions.low
            case Level.MEDIUM | Level.HIGH if advisory and actions.advisory is not None:
                return actions.advisory
            case Level.MEDIUM:
                return actions.medium
            case Level.HIGH:
                return actions.high

    def is_settled(self, risk: Risk, *, windows: int, net_speech_s: float) -> bool:
        """Whether further speech would not change what is recommended, so that the call may rest.

        Two windows must agree before a caller is finally flagged, three before one is finally cleared: a single window
        can be a cough, a second speaker or a codec at its worst. Against derived levels no call is finally flagged
        below HIGH, and a caller is finally cleared only as far below MEDIUM as it is with the fixed ones.
        """
        if net_speech_s >= self.policy.final_after_s:
            return True
        if risk.level_probability is None or risk.levels is None:
            return False
        final_high = max(self.policy.final_high, risk.levels.high)
        flagged = windows >= 2 and risk.level_probability >= final_high
        cleared = windows >= 3 and risk.level_probability <= self._final_low(risk.levels)
        return flagged or cleared

    def watches(self, *, position_s: float, second_voice_s: float) -> bool:
        """Whether a settled call goes on being heard, in case another voice takes over.

        Args:
            position_s: in the call's audio, in seconds.
            second_voice_s: net speech of the voice that took over, in seconds, if one did; as much of it is heard as
                of the voice of any call.
        """
        return (
            self.policy.handover.covers(position_s) and second_voice_s < self.policy.final_after_s
        )

    def _final_low(self, levels: AppliedLevels) -> float:
        return self.policy.final_low * min(1.0, levels.medium / self.policy.levels.medium)


class Lines:
    """All lines of a server."""

    def __init__(self, settings: Mapping[str, LineSettings]) -> None:
        self._lines = {name: Line.from_settings(name, policy) for name, policy in settings.items()}

    def __iter__(self) -> Iterator[Line]:
        return iter(self._lines.values())

    def get(self, name: str) -> Line:
        """The line of that name; an empty name is the default line.

        Raises:
            LineUnknown: there is none; the message names those there are.
        """
        line = self._lines.get(name or DEFAULT_LINE)
        if line is None:
            known = ", ".join(sorted(self._lines))
            raise LineUnknown(
                f"there is no line {name!r}; this server has: {known}. Name one of these, or add "
                f"[lines.{name}] to shengdun.toml and restart"
            )
        return line
