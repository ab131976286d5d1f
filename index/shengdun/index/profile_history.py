"""Which calibration profiles a machine uses, and used before: the content of the profile library's state file.

What is active follows from the history and is not written down beside it, so that the two can't contradict each other.
An activation puts a profile on top; a rollback takes the top one off. At the bottom is the profile that ships with this
package for the model, or nothing.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any, ClassVar, Final

from shengdun.fingerprint.errors import Status
from shengdun.index.errors import IndexRoomError

FORMAT: Final = "shengdun-profile-library/1"
SHIPPED: Final = "shipped"
"""Stands for the profile that ships with this package, whichever it is in this version."""


class NoEarlierProfile(IndexRoomError):
    """There is no profile before the active one to go back to."""

    status: ClassVar[Status] = Status.FAILED_PRECONDITION
    reason: ClassVar[str] = "NO_EARLIER_PROFILE"


class ProfileInUse(IndexRoomError):
    """The profile is active or runs in shadow, so that this can't be done with it."""

    status: ClassVar[Status] = Status.FAILED_PRECONDITION
    reason: ClassVar[str] = "PROFILE_IN_USE"


@dataclass(frozen=True, slots=True, kw_only=True)
class Activation:
    """One change of the active profile.

    Attributes:
        profile_id: what was active from then on; ``SHIPPED`` for the one that ships with this package.
        at: when, in UTC.
        by: who made it.
        reason: why.
        rolled_back: whether it was a return to what had been active before.
    """

    profile_id: str
    at: datetime
    by: str
    reason: str
    rolled_back: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelProfiles:
    """The profiles of one voice model.

    Attributes:
        history: the changes of the active one, oldest first.
        shadow: those that run beside it.
    """

    history: tuple[Activation, ...] = ()
    shadow: tuple[str, ...] = ()

    @property
    def active(self) -> str:
        """The id of the active profile; ``SHIPPED`` if none was activated."""
        return self._stack[-1]

    @property
    def previous(self) -> str | None:
        """The id of the one before; None if there was none."""
        return self._stack[-2] if len(self._stack) > 1 else None

    def activated(self, activation: Activation) -> "ModelProfiles":
        """With another profile active, which is then not in shadow any more; unchanged if it is active already."""
        if activation.profile_id == self.active:
            return self
        shadow = tuple(each for each in self.shadow if each != activation.profile_id)
        return ModelProfiles(history=(*self.history, activation), shadow=shadow)

    def rolled_back(self, *, at: datetime, by: str, reason: str) -> "ModelProfiles":
        """With the profile before the active one active again; a further rollback goes one further back.

        Raises:
            NoEarlierProfile: nothing was active before.
        """
        if self.previous is None:
            raise NoEarlierProfile(
                "No calibration profile was active before this one; `shengdun profile list` shows what there is."
            )
        back = Activation(profile_id=self.previous, at=at, by=by, reason=reason, rolled_back=True)
        return replace(self.activated(back), history=(*self.history, back))

    def shadowing(self, profile_id: str) -> "ModelProfiles":
        """With a profile in shadow.

        Raises:
            ProfileInUse: it is the active one.
        """
        if profile_id == self.active:
            raise ProfileInUse(
                f"Calibration profile {profile_id} is active; only another one can run beside it in shadow."
            )
        return replace(self, shadow=tuple(dict.fromkeys((*self.shadow, profile_id))))

    def not_shadowing(self, profile_id: str) -> "ModelProfiles":
        """With a profile out of shadow."""
        return replace(self, shadow=tuple(each for each in self.shadow if each != profile_id))

    @property
    def _stack(self) -> list[str]:
        stack = [SHIPPED]
        for each in self.history:
            if each.rolled_back:
                stack.pop()
            else:
                stack.append(each.profile_id)
        return stack


@dataclass(frozen=True, slots=True, kw_only=True)
class ProfileHistory:
    """The profiles of every voice model that something was changed for."""

    models: Mapping[str, ModelProfiles] = field(default_factory=dict)

    def of(self, model_id: str) -> ModelProfiles:
        """The profiles of one voice model."""
        return self.models.get(model_id, ModelProfiles())

    def changed(self, model_id: str, profiles: ModelProfiles) -> "ProfileHistory":
        """With other profiles for one voice model."""
        return ProfileHistory(models={**self.models, model_id: profiles})

    def encode(self) -> bytes:
        """As the state file has it."""
        models = {
            model_id: {
                "active": profiles.active,
                "shadow": list(profiles.shadow),
                "history": [_plain(each) for each in profiles.history],
            }
            for model_id, profiles in sorted(self.models.items())
        }
        content = {"format": FORMAT, "models": models}
        return (json.dumps(content, ensure_ascii=False, indent=2) + "\n").encode()

    @classmethod
    def decode(cls, content: bytes) -> "ProfileHistory":
        """Read what ``encode`` has written.

        Raises:
            ValueError: it is something else, or was altered into what can't be; says what.
        """
        read = json.loads(content)
        if not isinstance(read, dict) or read.get("format") != FORMAT:
            raise ValueError(f"its format is not {FORMAT}")
        return cls(models={name: _profiles(each) for name, each in _table(read["models"]).items()})


def _plain(activation: Activation) -> dict[str, Any]:
    return {
        "profile_id": activation.profile_id,
        "at": activation.at.isoformat(),
        "by": activation.by,
        "reason": activation.reason,
        "rolled_back": activation.rolled_back,
    }


def _profiles(read: object) -> ModelProfiles:
    table = _table(read)
    history = tuple(_activation(_table(each)) for each in table["history"])
    shadow = tuple(_text(each) for each in table["shadow"])
    profiles = ModelProfiles(history=history, shadow=shadow)
    try:
        active = profiles.active
    except IndexError:
        raise ValueError("its history goes back further than it began") from None
    if table["active"] != active:
        raise ValueError(f"its history leads to {active}, and not to {table['active']}")
    return profiles


def _activation(read: Mapping[str, object]) -> Activation:
    at = datetime.fromisoformat(_text(read["at"]))
    if at.utcoffset() is None:
        raise ValueError("a time has no time zone")
    return Activation(
        profile_id=_text(read["profile_id"]),
        at=at,
        by=_text(read["by"]),
        reason=_text(read["reason"]),
        rolled_back=read["rolled_back"] is True,
    )


def _table(read: object) -> Mapping[str, Any]:
    if not isinstance(read, dict):
        raise ValueError("a table was expected")  # noqa: TRY004 - what is read is wrong, not the call
    return read


def _text(read: object) -> str:
    if not isinstance(read, str):
        raise ValueError("a text was expected")  # noqa: TRY004 - what is read is wrong, not the call
    return read
