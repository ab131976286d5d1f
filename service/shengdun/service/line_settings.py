"""The policy of a line of business: what its calls are screened against, what counts, and what is recommended."""

from datetime import timedelta
from typing import Annotated, Final, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, model_validator

Probability = Annotated[float, Field(gt=0, lt=1)]
FalseFlags = Annotated[float, Field(ge=1e-4, le=1000)]
"""Of 10,000 calls; the least is one in a hundred million calls, which no site can show."""
Slug = Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9-]{0,62}$")]


def _parted(value: object) -> object:
    if not isinstance(value, str):
        return value
    return tuple(part.strip() for part in value.split(",") if part.strip())


Listed: Final = BeforeValidator(_parted)
"""Of a list: as one text its items have commas between them, as the environment has to write it."""


class Group(BaseModel):
    """Settings that belong together; a key that isn't one of them is refused."""

    model_config = ConfigDict(extra="forbid", frozen=True, use_attribute_docstrings=True)


class LevelSettings(Group):
    """Probabilities at which a level begins, where nothing better is known."""

    medium: Probability = 0.5
    """Least probability of MEDIUM."""
    high: Probability = 0.95
    """Least probability of HIGH."""

    @model_validator(mode="after")
    def _ordered(self) -> "LevelSettings":
        if self.medium >= self.high:
            raise ValueError("medium must be below high")
        return self


class CostSettings(Group):
    """What mistakes cost, in any unit; only their ratio counts."""

    false_flag: Annotated[float, Field(gt=0)] = Field(examples=[1.0])
    """Cost of flagging a caller who is on no watchlist."""
    missed_agent: Annotated[float, Field(gt=0)] = Field(examples=[2.0])
    """Cost of not flagging a caller who is; within a factor of a million of the other."""

    @model_validator(mode="after")
    def _comparable(self) -> "CostSettings":
        if not 1e-6 <= self.false_flag / self.missed_agent <= 1e6:
            raise ValueError("false_flag and missed_agent must be within a factor of a million")
        return self

    @property
    def bayes_level(self) -> float:
        """The least posterior at which flagging costs less than not flagging, 0 to 1 (Bayes' decision rule)."""
        return self.false_flag / (self.false_flag + self.missed_agent)


class ActionSettings(Group):
    """What is recommended at each level, in the words of the telephony system."""

    undecided: str = "continue"
    """While there is not enough speech."""
    low: str = "continue"
    """At LOW."""
    medium: str = "review_after_call"
    """At MEDIUM."""
    high: str = "route_to_specialist"
    """At HIGH."""
    advisory: str | None = Field(default=None, examples=["log_only"])
    """At MEDIUM and HIGH of a decision that is advisory only; none means the action of the level."""


class ScriptSettings(Group):
    """What it counts for that a caller's words are those of a known script."""

    llr_cap: Annotated[float, Field(ge=0, le=20)] = 6.0
    """The greatest natural-log likelihood ratio that counts, of words against none: at 6 they multiply odds by 400 at
    most. At 0 words are told and count for nothing."""
    prior: Probability = 0.01
    """Share of this line's calls by people on no watchlist that follow a known script, before anything is heard: many
    who were coached are genuine customers."""
    of_agents: Probability = 0.5
    """The same share of calls by people on its watchlists; at least `prior`. How much of the words' evidence speaks for
    such a caller, and not for a coached one, follows from the two."""
    highest_level: Literal["low", "medium", "high"] = "medium"
    """The highest level that words reach by themselves. At `medium` nothing happens to a caller whose voice is unknown
    but that a person looks."""

    @model_validator(mode="after")
    def _ordered(self) -> "ScriptSettings":
        if self.of_agents < self.prior:
            raise ValueError("of_agents must be at least prior")
        return self


class HandoverSettings(Group):
    """Whether it is watched for another voice that takes over in a call, and what that counts for."""

    watch: Literal["off", "whole_call"] | Annotated[float, Field(gt=0, le=240)] = "off"
    """Minutes of a call's audio that are watched, or `whole_call`. While they last the voice goes on being heard, also
    when the decision is settled; `off` watches nothing."""
    prior: Probability = 0.02
    """Share of this line's calls by people on no watchlist in which another voice takes over: couples hand each other
    the telephone, and children fetch a parent."""
    of_agents: Probability = 0.1
    """The same share of calls by people on its watchlists; at least `prior`. A handover multiplies the odds of being
    one by `of_agents / prior` at most; where the two are equal, by itself it says nothing of who calls."""
    llr_cap: Annotated[float, Field(ge=0, le=5)] = 5.0
    """The greatest natural-log likelihood ratio of a handover that counts."""
    flag_at: Probability = 0.5
    """Probability of a handover from which it is told, and both voices are screened separately."""
    look_at_every: Annotated[int, Field(ge=1, le=8)] = 1
    """Of a settled call one window in so many is looked at, and all of them while something is unlike. At 1 none is
    missed; at 2 it takes half as much, and a second voice that says little may be missed."""
    highest_level: Literal["low", "medium", "high"] = "low"
    """The highest level that a handover reaches by itself, whoever the voices are. At `low` it is only told."""

    @model_validator(mode="after")
    def _ordered(self) -> "HandoverSettings":
        if self.of_agents < self.prior:
            raise ValueError("of_agents must be at least prior")
        return self

    @property
    def is_on(self) -> bool:
        """Whether any of a call is watched."""
        return self.watch != "off"

    def covers(self, position_s: float) -> bool:
        """Whether a position in a call's audio, in seconds, is watched."""
        if isinstance(self.watch, str):
            return self.is_on
        return position_s < 60.0 * self.watch


class RepeatVoiceSettings(Group):
    """Whether callers are compared with the voices of other customers' calls, and what that counts for."""

    watch: bool = True
    """Compare them; it needs `[archive]`."""
    flag_at: Probability = 0.99
    """Probability of a voice that calls for several other customers from which it is told. At 0.9 more agents are found
    after three and four customers, and people who sound alike are taken for one voice now and then."""
    highest_level: Literal["low", "medium", "high"] = "medium"
    """The highest level that it reaches by itself. At `low` it is only told."""


class LineHuntSettings(Group):
    """Whether this line's finished calls are hunted through by themselves."""

    on_enrolment: bool | None = Field(default=None, examples=[True])
    """Hunt through this line's calls for every actor that is enrolled on a watchlist which the line screens; none means
    as `[hunts]` says."""


class LineSettings(Group):
    """The policy of a line of business."""

    watchlists: Annotated[tuple[Slug, ...], Listed] = ()
    """Watchlists to screen; none means every watchlist there is."""
    prior: Probability = 0.03
    """Share of this line's calls that come from someone on its watchlists, before anything is heard. It bounds how many
    genuine callers can be flagged: raise it only on a line where listed agents really call that often."""
    false_flags_per_10000_calls: FalseFlags | None = Field(default=None, examples=[10])
    """The promise: of 10,000 calls by people on none of the watchlists, how many may reach MEDIUM at any time. Levels
    are then derived from the calls of the site's calibration profile and the watchlists as they are. Until that is
    done, and without such a profile, the fixed `levels` apply and decisions are advisory. None means no promise."""
    false_flags_at_high_per_10000_calls: FalseFlags | None = Field(default=None, examples=[1])
    """How many of these may reach HIGH; none means a tenth of the promise."""
    costs: CostSettings | None = None
    """What mistakes cost: MEDIUM begins where flagging costs less than not flagging, HIGH at ten times those odds.
    Beside a promise the stricter of the two wins."""
    levels: LevelSettings = LevelSettings()
    """Probabilities at which a level begins, without a promise and costs. May not be set beside either."""
    actions: ActionSettings = ActionSettings()
    """What is recommended at each level."""
    budget_ms: Annotated[int, Field(ge=10, le=60_000)] = 300
    """Time from the chunk that completes a window to its decision."""
    final_after_s: Annotated[float, Field(ge=3)] = 21.0
    """Net speech after which the decision is final, in seconds."""
    final_high: Probability = 0.995
    """A probability at or above this makes the decision final early, from the second window on."""
    final_low: Probability = 0.0005
    """A probability at or below this makes the decision final early, from the third window on."""
    scripts: ScriptSettings = ScriptSettings()
    """What words count for, in calls with a transcript."""
    archive_days: Annotated[int, Field(ge=1, le=3650)] | None = Field(default=None, examples=[30])
    """Days for which finished calls of this line are kept; none means `days` of `[archive]`."""
    repeat_voice: RepeatVoiceSettings = RepeatVoiceSettings()
    """Whether callers are compared with the voices of other customers' calls, and what that counts for."""
    handover: HandoverSettings = HandoverSettings()
    """Whether it is watched for another voice that takes over, and what that counts for."""
    hunts: LineHuntSettings = LineHuntSettings()
    """Whether this line's finished calls are hunted through by themselves."""

    @model_validator(mode="after")
    def _agreeing(self) -> "LineSettings":
        promise, at_high = (
            self.false_flags_per_10000_calls,
            self.false_flags_at_high_per_10000_calls,
        )
        if at_high is not None and (promise is None or at_high >= promise):
            raise ValueError(
                "false_flags_at_high_per_10000_calls must be below false_flags_per_10000_calls, and needs it"
            )
        if self.levels != LevelSettings() and (promise is not None or self.costs is not None):
            raise ValueError(
                "levels are derived from false_flags_per_10000_calls and costs; take out either these or levels"
            )
        return self

    @property
    def high_share(self) -> float:
        """The share of the false flags at MEDIUM that may reach HIGH, above 0 and below 1."""
        promise, at_high = (
            self.false_flags_per_10000_calls,
            self.false_flags_at_high_per_10000_calls,
        )
        return 0.1 if promise is None or at_high is None else at_high / promise

    @property
    def budget(self) -> timedelta:
        """The budget as a duration."""
        return timedelta(milliseconds=self.budget_ms)
