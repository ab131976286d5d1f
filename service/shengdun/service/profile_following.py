"""Following the profile library: what is activated, rolled back or put in shadow is used without a restart.

The library's directory is looked at once a second. When it has changed, the profiles in use are loaded and checked, and
the registry swaps its scorers. Whatever can't be used is refused with a line in the log, and what was used goes on.
"""

import asyncio
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Self

import structlog

from shengdun.fingerprint.errors import ShengdunError
from shengdun.index import calibration
from shengdun.index.calibration import CalibrationProfile, ProfileMismatch
from shengdun.index.profile_library import ProfileLibrary, Selection
from shengdun.index.profile_seal import ProfileKeys
from shengdun.index.registry import Registry
from shengdun.index.scorers import Scorers
from shengdun.index.scoring import Scorer

_EVERY_S: Final = 1.0
_NOBODY: Final = "system"
_log = structlog.get_logger(__name__)

Stamp = tuple[object, ...]
"""Changes whenever a file of the library does."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ChosenProfiles:
    """The profiles to use, loaded.

    Attributes:
        scorers: one active one, and those in shadow.
        problems: why others that should run in shadow can't, and what to do.
        by: who activated what is active; ``system`` for a profile that ships with this package or is pinned.
        stamp: of the library when it was read.
    """

    scorers: Scorers
    problems: tuple[str, ...]
    by: str
    stamp: Stamp

    @property
    def profile_ids(self) -> tuple[tuple[str, ...], tuple[str, ...]]:
        """The active profile and those in shadow."""
        return (
            tuple(scorer.profile_id for scorer in self.scorers.active),
            tuple(scorer.profile_id for scorer in self.scorers.shadow),
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class ProfileSource:
    """Where the calibration profiles of a server come from.

    Attributes:
        library: of the data directory.
        pinned: a profile's file that the settings name; it wins over what is active in the library.
        model_id: the voice model that decides.
        beside: further voice models that run in shadow; each with what is active for it in the library.
        keys: what a pinned profile of a site is unsealed with.
    """

    library: ProfileLibrary
    pinned: Path | None
    model_id: str
    beside: tuple[str, ...] = ()
    keys: ProfileKeys | None = None

    def stamp(self) -> Stamp:
        """What changes with the library; a few calls to the file system."""
        stamps: list[object] = []
        for path in (self.library.state_file, self.library.state_file.parent):
            # Whatever is wrong with it is said, once, by whoever reads it.
            with suppress(OSError):
                found = path.stat()
                stamps += (found.st_ino, found.st_size, found.st_mtime_ns)
        return tuple(stamps)

    def choose(self) -> ChosenProfiles:
        """Load the profiles to use; blocks for milliseconds.

        Raises:
            ProfileMismatch: there is no profile for the model, or the one that is pinned is another model's.
            ProfileDamaged: the active or pinned profile was altered.
            ProfileNotFound: the active profile is not in the library any more.
            ProfileLibraryDamaged: the library's state file can't be read.
            KeyRingError: one of a site is sealed, and the key file is missing or another installation's.
        """
        stamp = self.stamp()
        selection = self.library.select(self.model_id, active=self.pinned is None)
        active = selection.active if self.pinned is None else self._pinned(self.pinned)
        # Raises, and says which profiles there are.
        active = active or calibration.default_profile(self.model_id)
        shadow = {each.profile_id: each for each in selection.shadow}
        problems = list(selection.problems)
        for model_id in self.beside:
            self._add_beside(model_id, shadow, problems)
        shadow.pop(active.profile_id, None)
        history = self.library.history().of(self.model_id).history
        return ChosenProfiles(
            scorers=Scorers(
                active=(Scorer(active),), shadow=tuple(Scorer(each) for each in shadow.values())
            ),
            problems=tuple(problems),
            by=history[-1].by if history and self.pinned is None else _NOBODY,
            stamp=stamp,
        )

    def _pinned(self, path: Path) -> CalibrationProfile:
        profile = calibration.load(path.expanduser(), self.keys)
        profile.require_model(self.model_id)
        return profile

    def _add_beside(
        self, model_id: str, shadow: dict[str, CalibrationProfile], problems: list[str]
    ) -> None:
        try:
            selection = self.library.select(model_id)
            used = _required(selection, model_id)
        except ShengdunError as error:
            problems.append(error.message)
            return
        problems += selection.problems
        shadow |= {each.profile_id: each for each in (used, *selection.shadow)}


class ProfileFollower:
    """Has a registry use what the library says, from the start to the end of a server.

    Args:
        source: where the profiles come from.
        chosen: what the registry was opened with.
        registry: searches with their scorers.
    """

    def __init__(self, source: ProfileSource, chosen: ChosenProfiles, registry: Registry) -> None:
        self._source = source
        self._chosen = chosen
        self._registry = registry
        self._stamp = chosen.stamp
        self._task: asyncio.Task[None] | None = None

    async def __aenter__(self) -> Self:
        self._report("calibration", self._chosen)
        self._task = asyncio.create_task(self._follow(), name="calibration profiles")
        return self

    async def __aexit__(self, *_: object) -> None:
        if self._task is not None:
            self._task.cancel()
            with suppress(asyncio.CancelledError):
                await self._task

    async def _follow(self) -> None:
        await self._keep(self._chosen)
        await self._seal()
        while True:
            await asyncio.sleep(_EVERY_S)
            try:
                await self._look()
            except Exception:  # noqa: BLE001 - one failure must not end the following for good
                _log.exception("calibration not followed")

    async def _look(self) -> None:
        stamp = await asyncio.to_thread(self._source.stamp)
        if stamp != self._stamp:
            self._stamp = stamp
            await self._take_up()

    async def _take_up(self) -> None:
        before = self._chosen
        try:
            chosen = await asyncio.to_thread(self._source.choose)
            if chosen.profile_ids != before.profile_ids:
                await self._registry.use_scorers(chosen.scorers.active, chosen.scorers.shadow)
        except (ShengdunError, OSError, ValueError, MemoryError) as error:
            active, _ = before.profile_ids
            why = getattr(error, "message", str(error))
            _log.error("calibration refused", why=why, goes_on=", ".join(active))
            return
        if (chosen.profile_ids, chosen.problems) == (before.profile_ids, before.problems):
            return
        self._chosen = chosen
        self._report("calibration changed", chosen)
        if chosen.profile_ids[0] != before.profile_ids[0]:
            await self._keep(chosen)
            await self._journal(chosen)

    def _report(self, event: str, chosen: ChosenProfiles) -> None:
        active, shadow = chosen.profile_ids
        pinned = None if self._source.pinned is None else str(self._source.pinned)
        _log.info(event, active=", ".join(active), shadow=list(shadow), by=chosen.by, pinned=pinned)
        for problem in chosen.problems:
            _log.warning("calibration not in shadow", why=problem)

    async def _keep(self, chosen: ChosenProfiles) -> None:
        """Keep what decides from now on, so that its decisions can be scored again."""
        for scorer in chosen.scorers.active:
            try:
                await asyncio.to_thread(self._source.library.keep, scorer.profile)
            except (ShengdunError, OSError, ValueError) as error:
                why = getattr(error, "message", str(error))
                _log.warning("calibration not kept", profile=scorer.profile_id, why=why)

    async def _seal(self) -> None:
        """Protect site profiles that an earlier version left readable, or that an older master key protects."""
        try:
            sealed = await asyncio.to_thread(self._source.library.seal)
        except (ShengdunError, OSError, ValueError) as error:
            _log.warning("calibration not sealed", why=getattr(error, "message", str(error)))
            return
        if sealed:
            _log.info("calibration sealed", profiles=list(sealed))

    async def _journal(self, chosen: ChosenProfiles) -> None:
        """Put into the audit log who has had the profile decide that decides now."""
        for scorer in chosen.scorers.active:
            try:
                await self._registry.record_event(
                    principal=chosen.by,
                    kind="calibration.taken_up",
                    subjects=[f"profile/{scorer.profile_id}"],
                )
            except ShengdunError as error:
                _log.warning("calibration not journaled", why=error.message)


def _required(selection: Selection, model_id: str) -> CalibrationProfile:
    if selection.active is None:
        raise ProfileMismatch(
            f"No calibration profile is active for voice model {model_id}, which therefore can't run in shadow: make "
            f"one with `shengdun calibrate`, install and activate it."
        )
    return selection.active
