"""A running server takes up what is activated, rolled back or put in shadow, without a restart."""

import asyncio
import dataclasses
import io
import json
import logging
from collections.abc import Iterator
from pathlib import Path

import pytest
import structlog

from fixtures.server import MakeSettings
from fixtures.site import drawn_strangers, drawn_voices, write_unsealed
from fixtures.store import make_profile, until
from shengdun.fingerprint.voice.catalogue import CAMPPLUS
from shengdun.index import calibration
from shengdun.index.calibration import CalibrationProfile, ProfileMismatch, default_profile
from shengdun.index.errors import KeyMissing
from shengdun.index.profile_library import ProfileLibrary, ProfileLibraryDamaged
from shengdun.service.access import TokenFile
from shengdun.service.app import Application, open_application
from shengdun.service.client import ShengdunClient
from shengdun.service.profile_following import ProfileSource
from shengdun.service.profile_places import profile_library
from shengdun.service.server import Server
from shengdun.service.settings import LogSettings, Settings
from shengdun.service.telemetry import configure_logging

MODEL = f"{CAMPPLUS.name}@{CAMPPLUS.sha256[:12]}"
OTHER_MODEL = "other-voice@ba9876543210"
SHIPPED = default_profile(MODEL)
SITE = dataclasses.replace(SHIPPED, name="site")
NEXT = dataclasses.replace(SHIPPED, name="next")


@pytest.fixture
def logged() -> Iterator[io.StringIO]:
    """What is logged, one JSON value a line."""
    root, stream = logging.getLogger(), io.StringIO()
    level, handlers = root.level, list(root.handlers)
    configure_logging(LogSettings(), stream=stream)
    yield stream
    root.setLevel(level)
    root.handlers[:] = handlers
    structlog.reset_defaults()


@pytest.fixture
def settings(make_settings: MakeSettings) -> Settings:
    """Settings with the default voice model."""
    return make_settings()


@pytest.fixture
def library(settings: Settings) -> ProfileLibrary:
    """The library of their data directory, with two profiles of that model and one of another."""
    library = ProfileLibrary.of(settings.data_dir)
    for profile in (SITE, NEXT, make_profile(OTHER_MODEL, name="other")):
        library.keep(profile)
    return library


def activate(library: ProfileLibrary, profile: CalibrationProfile) -> None:
    library.activate(profile.profile_id, by="ada", reason="test", installed_models=[MODEL])


def events(logged: io.StringIO, event: str) -> list[dict[str, object]]:
    entries = [json.loads(line) for line in logged.getvalue().splitlines()]
    return [entry for entry in entries if entry["event"] == event]


def in_use(application: Application) -> tuple[list[str], list[str]]:
    scorers = application.registry.snapshot.scorers
    return (
        [each.profile_id for each in scorers.active],
        [each.profile_id for each in scorers.shadow],
    )


def test_the_shipped_profile_is_used_until_another_is_active(library: ProfileLibrary) -> None:
    """Then that one, by whoever activated it, until it is rolled back."""
    source = ProfileSource(library=library, pinned=None, model_id=MODEL)
    assert source.choose().profile_ids == ((SHIPPED.profile_id,), ())
    assert source.choose().by == "system"
    activate(library, SITE)
    assert source.choose().profile_ids == ((SITE.profile_id,), ())
    assert source.choose().by == "ada"
    library.roll_back(MODEL, by="bo", reason="")
    assert source.choose().profile_ids == ((SHIPPED.profile_id,), ())
    assert source.choose().by == "bo"


def test_a_pinned_profile_wins(library: ProfileLibrary, tmp_path: Path) -> None:
    """Over what is active; what runs in shadow does so beside it, and never the pinned one itself."""
    activate(library, SITE)
    library.set_shadow(NEXT.profile_id, on=True, installed_models=[MODEL])
    pinned = dataclasses.replace(SHIPPED, name="pinned")
    for profile, shadow in ((pinned, (NEXT.profile_id,)), (NEXT, ())):
        profile.save(tmp_path / "pinned.npz")
        source = ProfileSource(library=library, pinned=tmp_path / "pinned.npz", model_id=MODEL)
        assert source.choose().profile_ids == ((profile.profile_id,), shadow)
        assert source.choose().by == "system"
    make_profile(OTHER_MODEL).save(tmp_path / "pinned.npz")
    with pytest.raises(ProfileMismatch, match=OTHER_MODEL):
        ProfileSource(library=library, pinned=tmp_path / "pinned.npz", model_id=MODEL).choose()


def test_another_model_runs_in_shadow_with_its_own_profile(library: ProfileLibrary) -> None:
    """Once one is active for it; until then it is left out, and what to do is said."""
    source = ProfileSource(library=library, pinned=None, model_id=MODEL, beside=(OTHER_MODEL,))
    chosen = source.choose()
    assert chosen.profile_ids == ((SHIPPED.profile_id,), ())
    (problem,) = chosen.problems
    assert OTHER_MODEL in problem
    assert "activate" in problem
    other = make_profile(OTHER_MODEL, name="other").profile_id
    library.activate(other, by="ada", reason="", installed_models=[OTHER_MODEL])
    library.set_shadow(NEXT.profile_id, on=True, installed_models=[MODEL])
    chosen = source.choose()
    assert chosen.profile_ids == ((SHIPPED.profile_id,), (NEXT.profile_id, other))
    assert chosen.problems == ()


async def test_a_running_server_follows_the_library(
    settings: Settings, library: ProfileLibrary
) -> None:
    """Activated while it runs, the profile is in what the server says of itself; after a restart it still is."""
    activate(library, SITE)
    async with Server(settings) as server, ShengdunClient.connect(server.address) as client:
        assert (await client.server_info()).calibration_profile_id == SITE.profile_id
        activate(library, NEXT)
        async with asyncio.timeout(30):
            while (await client.server_info()).calibration_profile_id != NEXT.profile_id:  # noqa: ASYNC110 - seen from outside
                await asyncio.sleep(0.05)
    async with Server(settings) as server, ShengdunClient.connect(server.address) as client:
        assert (await client.server_info()).calibration_profile_id == NEXT.profile_id


async def test_changes_are_taken_up_logged_and_audited(
    settings: Settings, library: ProfileLibrary, logged: io.StringIO
) -> None:
    """Activation, shadow and rollback; the audit names who activated what decides."""
    async with open_application(settings, TokenFile(settings.tokens_file)) as application:
        assert in_use(application) == ([SHIPPED.profile_id], [])
        library.set_shadow(NEXT.profile_id, on=True, installed_models=[MODEL])
        await until(lambda: in_use(application) == ([SHIPPED.profile_id], [NEXT.profile_id]))
        activate(library, SITE)
        await until(lambda: in_use(application) == ([SITE.profile_id], [NEXT.profile_id]))
        library.roll_back(MODEL, by="bo", reason="worse")
        await until(lambda: in_use(application)[0] == [SHIPPED.profile_id])
        await until(lambda: len(events(logged, "calibration changed")) == 3)
        async with asyncio.timeout(20):
            while len(entries := await application.registry.audit(after=1)) < 2:  # noqa: ASYNC110 - seen from outside
                await asyncio.sleep(0.02)
    assert [(entry.kind, entry.principal, entry.subjects) for entry in entries] == [
        ("calibration.taken_up", "ada", (f"profile/{SITE.profile_id}",)),
        ("calibration.taken_up", "bo", (f"profile/{SHIPPED.profile_id}",)),
    ]
    changed = events(logged, "calibration changed")
    assert [entry["active"] for entry in changed] == [
        SHIPPED.profile_id,
        SITE.profile_id,
        SHIPPED.profile_id,
    ]
    assert changed[1]["shadow"] == [NEXT.profile_id]
    # What has decided is kept, so that its decisions can be scored again after an upgrade.
    assert library.get(SHIPPED.profile_id).profile_id == SHIPPED.profile_id


async def test_what_cannot_be_used_is_refused_and_the_old_one_goes_on(
    settings: Settings, library: ProfileLibrary, logged: io.StringIO, tmp_path: Path
) -> None:
    """A damaged profile, a damaged state file, one that can't be looked at; what is repaired is taken up by itself."""
    folder = library.state_file.parent
    async with open_application(settings, TokenFile(settings.tokens_file)) as application:
        activate(library, SITE)
        await until(lambda: in_use(application)[0] == [SITE.profile_id])
        path = folder / f"{NEXT.profile_id}.npz"
        whole = path.read_bytes()
        path.write_bytes(whole[:-9])
        _swap(library.state_file, _activated(tmp_path / "elsewhere", SITE, NEXT))
        await until(lambda: bool(events(logged, "calibration refused")))
        (refused,) = events(logged, "calibration refused")
        assert refused["goes_on"] == SITE.profile_id
        assert path.name in str(refused["why"])
        assert in_use(application)[0] == [SITE.profile_id]
        (folder / "next.npz").write_bytes(whole)
        library.install(folder / "next.npz")
        await until(lambda: _taken(application))
        state = library.state_file.read_bytes()
        _swap(library.state_file, state[:-20])
        await until(lambda: len(events(logged, "calibration refused")) == 2)
        assert "Restore it" in str(events(logged, "calibration refused")[1]["why"])
        assert _taken(application)
        loop = tmp_path / "loop"
        loop.symlink_to(library.state_file)
        loop.replace(library.state_file)
        await until(lambda: len(events(logged, "calibration refused")) == 3)
        assert _taken(application)
        _swap(library.state_file, state)
        library.roll_back(MODEL, by="bo", reason="")
        await until(lambda: in_use(application)[0] == [SITE.profile_id])


def _taken(application: Application) -> bool:
    return in_use(application)[0] == [NEXT.profile_id]


def _swap(path: Path, content: bytes) -> None:
    """Replace a file at once, as somebody does who doesn't heed the library's lock."""
    aside = path.parent.with_name("aside")
    aside.write_bytes(content)
    aside.replace(path)


def _activated(directory: Path, *profiles: CalibrationProfile) -> bytes:
    """The state file of a library in which these were activated, the last one last."""
    library = ProfileLibrary(directory)
    for profile in profiles:
        library.keep(profile)
        activate(library, profile)
    return library.state_file.read_bytes()


async def test_a_server_seals_what_an_earlier_version_left_readable(
    settings: Settings, logged: io.StringIO
) -> None:
    """Whatever it is used for; from then on the server's own keys are needed, and a start without them says so."""
    library = profile_library(settings)
    voices = drawn_voices(60, dimension=SHIPPED.dimension)
    site = dataclasses.replace(
        SHIPPED, name="bank", based_on=SHIPPED.profile_id, strangers=drawn_strangers(voices)
    )
    library.keep(SITE)
    path = library.state_file.parent / f"{site.profile_id}.npz"
    write_unsealed(site, path)
    activate(library, SITE)
    async with open_application(settings, TokenFile(settings.tokens_file)):
        await until(lambda: bool(events(logged, "calibration sealed")))
    assert events(logged, "calibration sealed")[0]["profiles"] == [site.profile_id]
    with pytest.raises(KeyMissing, match="no key file is at hand"):
        calibration.load(path)
    activate(library, site)
    async with open_application(settings, TokenFile(settings.tokens_file)) as application:
        assert in_use(application)[0] == [site.profile_id]
    settings.keys_file.unlink()
    with pytest.raises(KeyMissing, match=r"is sealed, and its key file keys\.json is missing"):
        async with open_application(settings, TokenFile(settings.tokens_file)):
            pass


async def test_a_server_does_not_start_on_a_guess(
    settings: Settings, library: ProfileLibrary
) -> None:
    """Where it can't be read which profile is active, none is used in its place."""
    activate(library, SITE)
    library.state_file.write_bytes(b"{")
    with pytest.raises(ProfileLibraryDamaged, match="Restore it"):
        async with open_application(settings, TokenFile(settings.tokens_file)):
            pass
