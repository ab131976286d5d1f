"""``shengdun profile``: what it does to the library of a data directory, and what it says."""

import dataclasses
import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from fixtures.command_line import assert_one_error_line, shengdun
from fixtures.site import drawn_strangers, drawn_voices, write_unsealed
from fixtures.store import make_profile
from shengdun.fingerprint.voice.catalogue import CAMPPLUS
from shengdun.index.calibration import default_profile
from shengdun.index.keys import KeyRing
from shengdun.index.profile_library import ProfileLibrary
from shengdun.index.profile_seal import ProfileKeys
from shengdun.service.cli.program import run

MODEL = f"{CAMPPLUS.name}@{CAMPPLUS.sha256[:12]}"
SHIPPED = default_profile(MODEL)
SHIFTED = SHIPPED.mean + np.float32(0.01)
SITE = dataclasses.replace(
    SHIPPED,
    name="site",
    provenance="calls of autumn",
    mean=SHIFTED,
    coefficients=dataclasses.replace(
        SHIPPED.coefficients, offset=SHIPPED.coefficients.offset + 1.0
    ),
)
FOREIGN = make_profile(name="foreign")

Say = Callable[..., str]


@pytest.fixture
def profile(
    tmp_path: Path,
    models_dir: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> Say:
    """Runs a subcommand in a data directory of its own; gives what it wrote, or fails with what it complained of."""
    monkeypatch.setenv("SHENGDUN_DATA_DIR", str(tmp_path / "data"))
    monkeypatch.setenv("SHENGDUN_MODELS_DIR", str(models_dir))
    for each in (SITE, FOREIGN):
        each.save(tmp_path / f"{each.name}.npz")

    def say(*arguments: str | Path) -> str:
        code = run(["profile", *map(str, arguments)])
        written = capsys.readouterr()
        assert code == 0, written.err
        return written.out + written.err

    return say


def uses(said: str) -> dict[str, str]:
    return {entry["profile"]: entry["use"] for entry in map(json.loads, said.splitlines())}


def test_a_profile_is_installed_activated_and_rolled_back(profile: Say, tmp_path: Path) -> None:
    """The list says what is used, and the history by whom and why."""
    assert uses(profile("list", "--json")) == {SHIPPED.profile_id: "active"}
    said = profile("install", tmp_path / "site.npz")
    assert said == f"installed {SITE.profile_id} for {MODEL}\n"
    assert uses(profile("list", "--json"))[SITE.profile_id] == "-"
    said = profile("activate", SITE.profile_id, "--by", "ada", "--reason", "autumn")
    assert f"{SITE.profile_id} is active" in said
    assert uses(profile("list", "--json")) == {SHIPPED.profile_id: "-", SITE.profile_id: "active"}
    shown = profile("show", SITE.profile_id)
    assert "calls of autumn" in shown
    assert "by ada: autumn" in shown
    assert f"{SHIPPED.profile_id} is active" in profile("roll-back", "--by", "bo")
    shown = json.loads(profile("show", SHIPPED.profile_id, "--json"))
    assert (shown["use"], shown["offset"]) == ("active", f"{SHIPPED.coefficients.offset:g}")
    assert [(each["by"], each["rolled_back"]) for each in shown["history"]] == [("bo", True)]


def test_a_profile_runs_in_shadow_and_is_removed(profile: Say, tmp_path: Path) -> None:
    """While it is in shadow it stays."""
    profile("install", tmp_path / "site.npz")
    assert "runs in shadow" in profile("shadow", SITE.profile_id)
    assert uses(profile("list", "--json"))[SITE.profile_id] == "shadow"
    with pytest.raises(AssertionError, match="runs in shadow; activate another one or take it out"):
        profile("remove", SITE.profile_id)
    assert "is out of shadow" in profile("shadow", SITE.profile_id, "--off")
    assert profile("remove", SITE.profile_id) == f"removed {SITE.profile_id}\n"
    assert uses(profile("list", "--json")) == {SHIPPED.profile_id: "active"}


def test_what_is_wrong_is_said(profile: Say, tmp_path: Path) -> None:
    """A model that is not installed, an unknown profile or model, nothing to roll back to, a damaged file."""
    assert "is not installed on this machine" in profile("install", tmp_path / "foreign.npz")
    refused = [
        (("activate", FOREIGN.profile_id), "which is not installed"),
        (("activate", "gone@000000000000"), "There is no calibration profile gone@000000000000"),
        (("roll-back",), "No calibration profile was active before"),
        (("roll-back", "--model", "nothing"), f"installed are {MODEL}"),
        (("install", tmp_path / "nowhere.npz"), "nowhere.npz can't be read"),
    ]
    for arguments, why in refused:
        with pytest.raises(AssertionError, match=why):
            profile(*arguments)
    (tmp_path / "data" / "profiles" / f"{FOREIGN.profile_id}.npz").write_bytes(b"PK")
    assert f"warning: {FOREIGN.profile_id}: " in profile("list")


def test_callers_voiceprints_that_lie_about_are_pointed_out(profile: Say, tmp_path: Path) -> None:
    """A site's file that an earlier version wrote is installed sealed, and is to be deleted; a sealed one may stay."""
    old, sealed = tmp_path / "old.npz", tmp_path / "sealed.npz"
    voices = drawn_voices(60, dimension=SHIPPED.dimension)
    site = dataclasses.replace(
        SHIPPED, name="bank", based_on=SHIPPED.profile_id, strangers=drawn_strangers(voices)
    )
    write_unsealed(site, old)
    said = profile("install", old)
    assert f"installed {site.profile_id} for {MODEL}" in said
    assert f"{old} holds voiceprints of callers" in said
    keys = ProfileKeys(path=tmp_path / "data" / "keys.json")
    site.save(sealed, keys)
    assert profile("install", sealed) == f"installed {site.profile_id} for {MODEL}\n"
    assert "made from" in profile("show", site.profile_id)
    assert f"both are {site.profile_id}" in profile("compare", site.profile_id, sealed)
    other = KeyRing.open(tmp_path / "other.json").path
    with pytest.MonkeyPatch.context() as patched:
        patched.setenv("SHENGDUN_STORE__KEYS_FILE", str(other))
        with pytest.raises(AssertionError, match="use the key file of the installation"):
            profile("activate", site.profile_id)
        assert f"warning: {site.profile_id}: " in profile("list")


def test_a_pinned_profile_is_pointed_out(
    profile: Say, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Activating works, and says that the settings win."""
    profile("install", tmp_path / "site.npz")
    monkeypatch.setenv("SHENGDUN_VOICE__CALIBRATION_PROFILE", str(tmp_path / "pinned.npz"))
    said = profile("activate", SITE.profile_id)
    assert "wins over what is active here" in said
    assert str(tmp_path / "pinned.npz") in said
    library = ProfileLibrary.of(tmp_path / "data")
    assert library.history().of(MODEL).active == SITE.profile_id


def test_profiles_are_compared_without_recordings(profile: Say, tmp_path: Path) -> None:
    """Where they come from, how far their centres lie apart, and what each makes of a cosine."""
    said = profile("compare", SHIPPED.profile_id, tmp_path / "site.npz")
    assert "calls of autumn" in said
    distance = float(np.linalg.norm(np.full(SHIPPED.dimension, 0.01)))
    assert f"the centres lie {distance:.4f} apart" in said
    assert "shengdun evaluate" in said
    compared = json.loads(profile("compare", SHIPPED.profile_id, tmp_path / "site.npz", "--json"))
    assert compared["profiles"] == [SHIPPED.profile_id, SITE.profile_id]
    assert set(compared["differences"]) == {"centring", "provenance", "offset"}
    for at in compared["llrs"]:
        ours, theirs = np.array(at["llrs"])
        assert (np.diff(ours) >= 0).all()
        assert (theirs >= ours).all()
        assert theirs[3] - ours[3] == pytest.approx(1.0)


def test_profiles_of_different_models_do_not_compare(profile: Say, tmp_path: Path) -> None:
    """What can be said is said; a centre means nothing in another model's space."""
    said = profile("compare", SHIPPED.profile_id, tmp_path / "foreign.npz")
    assert "they are for different voice models" in said
    assert FOREIGN.model_id in said
    assert profile("compare", SHIPPED.profile_id, SHIPPED.profile_id).startswith("both are")


def test_the_doctor_says_what_decides(
    profile: Say,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """And warns of a profile that should run in shadow and can't."""
    monkeypatch.setenv("SHENGDUN_SERVER__PORT", "0")
    profile("install", tmp_path / "site.npz")
    profile("shadow", SITE.profile_id)

    def found() -> tuple[str, str]:
        run(["doctor", "--json"])
        lines = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
        (finding,) = [line for line in lines if line["subject"] == "calibration"]
        return finding["verdict"], finding["message"]

    said = f"{SHIPPED.profile_id} decides; in shadow: {SITE.profile_id}"
    assert found() == ("OK", said)
    (tmp_path / "data" / "profiles" / f"{SITE.profile_id}.npz").unlink()
    verdict, message = found()
    assert verdict == "WARN"
    assert f"There is no calibration profile {SITE.profile_id}" in message


def test_the_command_works_as_a_program(tmp_path: Path, models_dir: Path) -> None:
    """A table for people, and one line for what failed."""
    environment = {
        "SHENGDUN_DATA_DIR": str(tmp_path / "data"),
        "SHENGDUN_MODELS_DIR": str(models_dir),
    }
    listed = shengdun("profile", "list", environment=environment)
    assert listed.returncode == 0, listed.stderr
    header, row = listed.stdout.splitlines()
    assert header.split() == ["PROFILE", "USE", "MODEL", "SITE", "CREATED"]
    assert row.startswith(f"{SHIPPED.profile_id}  active  {MODEL}  no ")
    refused = shengdun("profile", "remove", "gone@000000000000", environment=environment)
    assert refused.returncode == 1
    assert_one_error_line(refused, "gone@000000000000", "profile list")
