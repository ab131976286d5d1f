"""The profile library: installing, activating, rolling back, shadowing, and surviving crashes and neighbours."""

import fcntl
import json
import subprocess
import sys
from datetime import UTC, datetime
from pathlib import Path

import pytest

from fixtures.store import MODEL, make_profile
from shengdun.fingerprint.voice.catalogue import CAMPPLUS
from shengdun.index.calibration import (
    CalibrationProfile,
    ProfileDamaged,
    ProfileMismatch,
    default_profile,
)
from shengdun.index.errors import InvalidRecord
from shengdun.index.profile_history import SHIPPED, NoEarlierProfile, ProfileInUse
from shengdun.index.profile_library import ProfileLibrary, ProfileLibraryDamaged, ProfileNotFound

DEFAULT_MODEL = f"{CAMPPLUS.name}@{CAMPPLUS.sha256[:12]}"
ONE = make_profile(name="one")
TWO = make_profile(name="two", shift=0.01)
THREE = make_profile(name="三号", shift=0.02)


@pytest.fixture
def library(tmp_path: Path) -> ProfileLibrary:
    """A library with three profiles of one model, none of them used."""
    library = ProfileLibrary.of(tmp_path / "data")
    for number, profile in enumerate((ONE, TWO, THREE)):
        profile.save(tmp_path / f"{number}.npz")
        library.install(tmp_path / f"{number}.npz")
    return library


def activate(library: ProfileLibrary, profile: CalibrationProfile) -> None:
    library.activate(profile.profile_id, by="tester", reason="test", installed_models=[MODEL])


def active(library: ProfileLibrary) -> str | None:
    selected = library.select(MODEL).active
    return None if selected is None else selected.profile_id


def test_installed_profiles_are_listed_and_read(library: ProfileLibrary, tmp_path: Path) -> None:
    """Under their own ids, only for us to read; installing again changes nothing."""
    kept = library.profiles()
    assert {each.profile_id for each in kept} == {p.profile_id for p in (ONE, TWO, THREE)}
    assert library.get(THREE.profile_id).profile_id == THREE.profile_id
    path = library.state_file.parent / f"{ONE.profile_id}.npz"
    assert path.stat().st_mode & 0o777 == 0o600
    written = path.stat().st_mtime_ns
    library.install(tmp_path / "0.npz")
    assert path.stat().st_mtime_ns == written
    assert library.history().models == {}


def test_a_damaged_profile_is_named_and_installed_again(
    library: ProfileLibrary, tmp_path: Path
) -> None:
    """It is listed with what is wrong, refused, and repaired from its file; its neighbours are not concerned."""
    path = library.state_file.parent / f"{ONE.profile_id}.npz"
    path.write_bytes(path.read_bytes()[:-30])
    (damaged,) = [each for each in library.profiles() if each.profile is None]
    assert damaged.profile_id == ONE.profile_id
    assert path.name in damaged.problem
    with pytest.raises(ProfileDamaged, match="one@"):
        activate(library, ONE)
    activate(library, TWO)
    library.install(tmp_path / "0.npz")
    activate(library, ONE)
    assert active(library) == ONE.profile_id


def test_a_file_under_another_ones_name_is_refused(library: ProfileLibrary) -> None:
    """A profile is what its content says, not what its file is called."""
    folder = library.state_file.parent
    (folder / f"{ONE.profile_id}.npz").replace(folder / f"{TWO.profile_id}.npz")
    with pytest.raises(ProfileDamaged, match=ONE.profile_id):
        library.get(TWO.profile_id)


@pytest.mark.parametrize("name", ["../../evil", "", ".hidden", "a/b", "x" * 80])
def test_a_name_that_no_file_can_have_is_refused(
    library: ProfileLibrary, tmp_path: Path, name: str
) -> None:
    """A profile comes from somebody else; its name must not lead out of the library."""
    make_profile(name=name).save(tmp_path / "foreign.npz")
    with pytest.raises(ProfileDamaged, match="can't be the id"):
        library.install(tmp_path / "foreign.npz")
    assert len(library.profiles()) == 3


def test_rolling_back_goes_back_step_by_step(library: ProfileLibrary) -> None:
    """To the profile before, not to and fro; and what was rolled back can be activated again."""
    for profile in (ONE, TWO, THREE):
        activate(library, profile)
    activate(library, THREE)
    assert library.roll_back(MODEL, by="b", reason="worse").profile_id == TWO.profile_id
    assert library.roll_back(MODEL, by="b", reason="still").profile_id == ONE.profile_id
    assert active(library) == ONE.profile_id
    activate(library, THREE)
    assert library.roll_back(MODEL, by="b", reason="").profile_id == ONE.profile_id
    history = library.history().of(MODEL).history
    assert [(each.profile_id.partition("@")[0], each.rolled_back) for each in history] == [
        ("one", False),
        ("two", False),
        ("三号", False),
        ("two", True),
        ("one", True),
        ("三号", False),
        ("one", True),
    ]
    assert (history[3].by, history[3].reason) == ("b", "worse")
    assert history[3].at <= datetime.now(UTC)


def test_there_is_nothing_before_the_first_profile(library: ProfileLibrary) -> None:
    """Neither without any activation, nor before the first of a model that no profile is shipped for."""
    with pytest.raises(NoEarlierProfile, match="No calibration profile was active before"):
        library.roll_back(MODEL, by="b", reason="")
    activate(library, ONE)
    with pytest.raises(NoEarlierProfile, match="none is shipped"):
        library.roll_back(MODEL, by="b", reason="")
    assert active(library) == ONE.profile_id


def test_the_shipped_profile_is_the_bottom(library: ProfileLibrary, tmp_path: Path) -> None:
    """It is active until another is, is rolled back to, and can be activated by its id without being installed."""
    shipped = default_profile(DEFAULT_MODEL)
    site = make_profile(DEFAULT_MODEL, shipped.dimension, name="site")
    site.save(tmp_path / "site.npz")
    library.install(tmp_path / "site.npz")

    def selected() -> str:
        profile = library.select(DEFAULT_MODEL).active
        assert profile is not None
        return profile.profile_id

    models = [DEFAULT_MODEL, MODEL]
    assert selected() == shipped.profile_id
    library.activate(site.profile_id, by="t", reason="", installed_models=models)
    assert selected() == site.profile_id
    rolled = library.roll_back(DEFAULT_MODEL, by="t", reason="")
    assert rolled.profile_id == shipped.profile_id == selected()
    library.activate(site.profile_id, by="t", reason="", installed_models=models)
    library.activate(shipped.profile_id, by="t", reason="", installed_models=models)
    assert library.history().of(DEFAULT_MODEL).active == SHIPPED
    assert selected() == shipped.profile_id


def test_a_profile_of_a_model_that_is_not_installed_is_not_used(library: ProfileLibrary) -> None:
    """It may lie in the library, and is neither activated nor shadowed."""
    why = f"{MODEL}, which is not installed"
    with pytest.raises(ProfileMismatch, match=why):
        library.activate(ONE.profile_id, by="t", reason="", installed_models=["m@1"])
    with pytest.raises(ProfileMismatch, match=why):
        library.set_shadow(ONE.profile_id, on=True, installed_models=["m@1"])
    with pytest.raises(ProfileNotFound, match="shengdun profile list"):
        library.activate("gone@000000000000", by="t", reason="", installed_models=[MODEL])
    with pytest.raises(InvalidRecord, match="blank"):
        library.activate(ONE.profile_id, by=" ", reason="", installed_models=[MODEL])
    assert library.history().models == {}


def test_profiles_run_in_shadow_until_they_are_taken_out_or_activated(
    library: ProfileLibrary,
) -> None:
    """In the order in which they were put there, once each; the active one can't be its own shadow."""
    activate(library, ONE)
    for profile in (THREE, TWO, THREE):
        library.set_shadow(profile.profile_id, on=True, installed_models=[MODEL])
    assert [p.name for p in library.select(MODEL).shadow] == ["三号", "two"]
    with pytest.raises(ProfileInUse, match="is active"):
        library.set_shadow(ONE.profile_id, on=True, installed_models=[MODEL])
    library.set_shadow(THREE.profile_id, on=False, installed_models=[MODEL])
    activate(library, TWO)
    assert library.select(MODEL).shadow == ()
    assert active(library) == TWO.profile_id


def test_a_shadow_that_is_gone_does_not_stop_the_active_one(library: ProfileLibrary) -> None:
    """It is left out, and the selection says why."""
    activate(library, ONE)
    library.set_shadow(TWO.profile_id, on=True, installed_models=[MODEL])
    (library.state_file.parent / f"{TWO.profile_id}.npz").unlink()
    selection = library.select(MODEL)
    assert selection.active is not None
    assert selection.shadow == ()
    (problem,) = selection.problems
    assert TWO.profile_id in problem


@pytest.mark.parametrize("how", ["damaged", "deleted"])
def test_a_shadow_that_can_not_be_read_is_taken_out_and_removed(
    library: ProfileLibrary, how: str
) -> None:
    """Nobody needs the file that it came from to be rid of it."""
    library.set_shadow(TWO.profile_id, on=True, installed_models=[MODEL])
    path = library.state_file.parent / f"{TWO.profile_id}.npz"
    if how == "damaged":
        path.write_bytes(b"PK")
    else:
        path.unlink()
    assert library.set_shadow(TWO.profile_id, on=False, installed_models=[MODEL]) == MODEL
    assert library.history().of(MODEL).shadow == ()
    if how == "damaged":
        library.remove(TWO.profile_id)
    assert {each.profile_id for each in library.profiles()} == {ONE.profile_id, THREE.profile_id}


def test_a_profile_that_is_removed_meanwhile_is_not_activated(
    library: ProfileLibrary, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It is looked for when nobody can remove it any more: active without being there, it would stop the server."""
    path = library.state_file.parent / f"{TWO.profile_id}.npz"
    lock = fcntl.flock

    def remove_first(descriptor: int, operation: int) -> None:
        path.unlink(missing_ok=True)
        lock(descriptor, operation)

    monkeypatch.setattr(fcntl, "flock", remove_first)
    with pytest.raises(ProfileNotFound):
        activate(library, TWO)
    assert library.history().models == {}


def test_what_is_used_is_not_removed(library: ProfileLibrary) -> None:
    """The active profile and shadows stay; others go, and a rollback to one that went says so."""
    activate(library, ONE)
    activate(library, TWO)
    library.set_shadow(THREE.profile_id, on=True, installed_models=[MODEL])
    for profile, why in ((TWO, "is active"), (THREE, "in shadow")):
        with pytest.raises(ProfileInUse, match=why):
            library.remove(profile.profile_id)
    library.remove(ONE.profile_id)
    with pytest.raises(ProfileNotFound):
        library.remove(ONE.profile_id)
    with pytest.raises(ProfileNotFound, match=ONE.profile_id):
        library.roll_back(MODEL, by="b", reason="")
    assert active(library) == TWO.profile_id


def test_a_profile_that_decides_is_kept(library: ProfileLibrary) -> None:
    """Wherever it came from, so that its decisions can be scored again; as it was, and readable by us alone."""
    pinned = make_profile(name="pinned", shift=0.3)
    for _ in range(2):
        library.keep(pinned)
    assert library.get(pinned.profile_id).coefficients == pinned.coefficients
    path = library.state_file.parent / f"{pinned.profile_id}.npz"
    assert path.stat().st_mode & 0o777 == 0o600
    assert sorted(each.name for each in path.parent.glob(".*")) == []


_BACK = {
    "profile_id": "x",
    "at": "2026-01-01T00:00:00+00:00",
    "by": "b",
    "reason": "",
    "rolled_back": True,
}


def _state(of_model: dict[str, object]) -> bytes:
    return json.dumps({"format": "shengdun-profile-library/1", "models": {"m": of_model}}).encode()


@pytest.mark.parametrize(
    ("content", "why"),
    [
        (b"", "Expecting value"),
        (b"\xff\xfe", "codec can't decode|Expecting"),
        (b"[" * 100_000, "recursion"),
        (b"[]", "format is not"),
        (b'{"format": "shengdun-profile-library/2", "models": {}}', "format is not"),
        (_state({"active": "x", "shadow": []}), "history"),
        (_state({"active": "x", "shadow": [], "history": []}), "leads to shipped, and not to x"),
        (_state({"active": SHIPPED, "shadow": [1], "history": []}), "a text was expected"),
        (_state({"active": SHIPPED, "shadow": [], "history": [_BACK]}), "further than it began"),
    ],
)
def test_a_damaged_state_file_says_what_to_do(
    library: ProfileLibrary, content: bytes, why: str
) -> None:
    """Nothing is guessed and nothing overwritten; without the file all profiles are still there."""
    activate(library, ONE)
    library.state_file.write_bytes(content)
    with pytest.raises(ProfileLibraryDamaged, match=why) as caught:
        library.select(MODEL)
    assert str(library.state_file) in caught.value.message
    assert "Restore it" in caught.value.message
    with pytest.raises(ProfileLibraryDamaged, match=why):
        activate(library, TWO)
    assert library.state_file.read_bytes() == content
    library.state_file.unlink()
    assert len(library.profiles()) == 3
    activate(library, TWO)
    assert active(library) == TWO.profile_id


def test_the_state_file_can_be_read_by_people(library: ProfileLibrary) -> None:
    """It says what is active, by whom and why."""
    activate(library, ONE)
    state = json.loads(library.state_file.read_text(encoding="utf-8"))
    assert state["models"][MODEL]["active"] == ONE.profile_id
    assert state["models"][MODEL]["history"][0]["by"] == "tester"


_ACTIVATE_ON = """
import sys
from pathlib import Path
from shengdun.index.profile_library import ProfileLibrary

library = ProfileLibrary.of(Path(sys.argv[1]))
times, model_id, *profile_ids = sys.argv[2:]
for turn in range(int(times)):
    profile_id = profile_ids[turn % len(profile_ids)]
    library.activate(profile_id, by="child", reason=str(turn), installed_models=[model_id])
    print(turn, flush=True)
"""


def _activating(library: ProfileLibrary, times: int, *profiles: CalibrationProfile) -> list[str]:
    data_directory = library.state_file.parent.parent
    ids = [profile.profile_id for profile in profiles]
    script = [sys.executable, "-c", _ACTIVATE_ON, str(data_directory), str(times)]
    return [*script, profiles[0].model_id, *ids]


def test_changes_by_several_processes_are_all_kept(library: ProfileLibrary, tmp_path: Path) -> None:
    """They take turns; none overwrites another's."""
    others = [make_profile("other@0", name="a"), make_profile("other@0", name="b")]
    for profile in others:
        profile.save(tmp_path / "other.npz")
        library.install(tmp_path / "other.npz")
    commands = [_activating(library, 30, ONE, TWO), _activating(library, 30, *others)]
    children = [subprocess.Popen(each, stdout=subprocess.PIPE) for each in commands]
    for child in children:
        child.communicate(timeout=60)
        assert child.returncode == 0
    history = library.history()
    for model_id in (MODEL, "other@0"):
        assert [e.reason for e in history.of(model_id).history] == [str(n) for n in range(30)]


@pytest.mark.parametrize("after", [1, 7, 20])
def test_a_process_killed_while_it_activates_leaves_a_usable_library(
    library: ProfileLibrary, after: int
) -> None:
    """The state is the one before or after; what was half written is cleared away by the next change."""
    command = _activating(library, 100_000, ONE, TWO)
    with subprocess.Popen(command, stdout=subprocess.PIPE, encoding="utf-8") as child:
        assert child.stdout is not None
        for _ in range(after):
            acknowledged = int(child.stdout.readline())
        child.kill()
    reasons = [each.reason for each in library.history().of(MODEL).history]
    assert reasons == [str(turn) for turn in range(len(reasons))]
    assert len(reasons) > acknowledged
    activate(library, THREE)
    assert active(library) == THREE.profile_id
    assert list(library.state_file.parent.glob(".*")) == []
