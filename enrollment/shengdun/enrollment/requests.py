"""What investigators ask of an enrolment, and what they get."""

from dataclasses import dataclass
from enum import Enum

from shengdun.enrollment.reports import EnrollmentReport
from shengdun.index.watchlists import Actor, NewActor


class DuplicatePolicy(Enum):
    """What to do when the voice is already known under another actor."""

    REFUSE = "refuse"
    """Change nothing, and fail with the likely duplicates."""
    SKIP = "skip"
    """Change nothing, and give the actor that is already there."""
    MERGE = "merge"
    """Add the voiceprints and watchlists to the actor that is already there."""
    REGISTER = "register"
    """Register a new actor all the same."""


class EnrollmentOutcome(Enum):
    """What an enrolment did."""

    REGISTERED = "registered"
    MERGED = "merged"
    SKIPPED = "skipped"


@dataclass(frozen=True, slots=True, kw_only=True)
class EnrollmentRequest:
    """Asks to register an actor from recordings.

    Attributes:
        actor: who.
        duplicate_policy: what to do when the voice is already known.
        idempotency_key: a repeat with the same key changes nothing and gives the first answer; None for no such key.
    """

    actor: NewActor
    duplicate_policy: DuplicatePolicy = DuplicatePolicy.REFUSE
    idempotency_key: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class AdditionRequest:
    """Asks to add the voiceprints of recordings to an actor.

    Attributes:
        actor_id: whose they are.
        accept_other_voice: whether to add recordings that don't agree with the actor's voiceprints.
        idempotency_key: as in ``EnrollmentRequest``.
    """

    actor_id: str
    accept_other_voice: bool = False
    idempotency_key: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class EnrollmentResult:
    """What an enrolment did and found.

    Attributes:
        outcome: what was done.
        actor: the actor as it now stands.
        report: what was found.
    """

    outcome: EnrollmentOutcome
    actor: Actor
    report: EnrollmentReport
