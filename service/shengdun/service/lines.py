"""Lines of business: the policy under which a call is screened."""

import hashlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import timedelta

from shengdun.service.decision import Level
from shengdun.service.errors import LineUnknown
from shengdun.service.settings import LineSettings

DEFAULT_LINE = "default"


@dataclass(frozen=True, slots=True, kw_only=True)
class Line:
    """A line of business with its policy.

    Attributes:
        name: as it is named in a call.
        policy: its settings.
        policy_id: ``name@`` and the first 12 hexadecimal digits of the SHA-256 of the settings.
    """

    name: str
    policy: LineSettings
    policy_id: str

    @classmethod
    def from_settings(cls, name: str, policy: LineSettings) -> "Line":
        """Give the policy an id by its content, so that a decision can be traced to it."""
        digest = hashlib.sha256(policy.model_dump_json().encode()).hexdigest()
        return cls(name=name, policy=policy, policy_id=f"{name}@{digest[:12]}")

    @property
    def budget(self) -> timedelta:
        """Time from the chunk that completes a window to its decision."""
        return self.policy.budget

    def level_of(self, probability: float) -> Level:
        """The level at a probability, 0 to 1."""
        if probability >= self.policy.levels.high:
            return Level.HIGH
        return Level.MEDIUM if probability >= self.policy.levels.medium else Level.LOW

    def action_at(self, level: Level | None) -> str:
        """What is recommended at a level; None is "not enough speech"."""
        actions = self.policy.actions
        match level:
            case None:
                return actions.undecided
            case Level.LOW:
                return actions.low
            case Level.MEDIUM:
                return actions.medium
            case Level.HIGH:
                return actions.high

    def is_settled(self, *, probability: float, windows: int, net_speech_s: float) -> bool:
        """Whether further speech would not change what is recommended, so that the call may rest.

        Two windows must agree before a caller is finally flagged, three before one is finally cleared: a single window
        can be a cough, a second speaker or a codec at its worst.
        """
        if net_speech_s >= self.policy.final_after_s:
            return True
        flagged = windows >= 2 and probability >= self.policy.final_high
        cleared = windows >= 3 and probability <= self.policy.final_low
        return flagged or cleared


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
