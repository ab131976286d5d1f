"""Calibration profiles: bound to a model, named by their content, refused when altered."""

import dataclasses
import json
from importlib import resources
from pathlib import Path

import numpy as np
import pytest

from shengdun.fingerprint.errors import Status
from shengdun.index import calibration
from shengdun.index.calibration import (
    MAX_PROFILE_BYTES,
    CalibrationProfile,
    LlrCoefficients,
    ProfileDamaged,
    ProfileMismatch,
    default_profile,
)

MODEL_ID = "toy@0123456789ab"


@pytest.fixture
def profile() -> CalibrationProfile:
    rng = np.random.default_rng(7)
    cohort = rng.normal(size=(20, 8))
    cohort /= np.linalg.norm(cohort, axis=1, keepdims=True)
    return CalibrationProfile(
        name="toy",
        model_id=MODEL_ID,
        created_at="2026-01-02T03:04:05Z",
        provenance="random vectors",
        mean=rng.normal(size=8).astype(np.float32),
        whitening=np.eye(8, dtype=np.float32),
        cohort=cohort.astype(np.float16),
        cohort_nearest=10,
        coefficients=LlrCoefficients(
            offset=-5.0,
            offset_brevity=-1.0,
            slope=2.0,
            slope_brevity=-0.5,
            shortest_net_speech_s=1.0,
            longest_net_speech_s=20.0,
            floor=-6.0,
            cap=9.0,
        ),
    )


def test_a_profile_survives_the_disk(profile: CalibrationProfile, tmp_path: Path) -> None:
    """Loading gives back every array bit for bit, and therefore the same id."""
    path = tmp_path / "toy.npz"
    profile.save(path)
    loaded = calibration.load(path)
    assert loaded.profile_id == profile.profile_id
    assert loaded.coefficients == profile.coefficients
    np.testing.assert_array_equal(loaded.mean, profile.mean)
    assert loaded.cohort is not None
    np.testing.assert_array_equal(loaded.cohort, profile.cohort)
    assert list(tmp_path.iterdir()) == [path]


@pytest.mark.parametrize(
    ("exponent", "noisiest_snr_db", "version"), [(1.0, 0.0, 2), (0.5, 0.0, 4), (0.5, -10.0, 6)]
)
def test_a_profile_of_before_is_written_as_it_was(
    profile: CalibrationProfile,
    tmp_path: Path,
    exponent: float,
    noisiest_snr_db: float,
    version: int,
) -> None:
    """One whose maps know no exponent, or no noise below 0 dB, has the content and so the name that it always had."""
    path = tmp_path / "toy.npz"
    coefficients = dataclasses.replace(
        profile.coefficients, brevity_exponent=exponent, noisiest_snr_db=noisiest_snr_db
    )
    dataclasses.replace(profile, coefficients=coefficients).save(path)
    with np.load(path) as stored:
        content = json.loads(stored["metadata"].tobytes())
    assert content["format"] == f"{calibration.FORMAT}/{version}"
    assert ("brevity_exponent" in content["coefficients"]) == (version >= 4)
    assert ("noisiest_snr_db" in content["coefficients"]) == (version == 6)
    assert calibration.load(path).coefficients == coefficients


def test_the_id_follows_the_content(profile: CalibrationProfile) -> None:
    """Any change, of an array or a number, makes another id."""
    moved = dataclasses.replace(profile, mean=profile.mean + np.float32(1e-6))
    retuned = dataclasses.replace(
        profile, coefficients=dataclasses.replace(profile.coefficients, cap=9.5)
    )
    assert len({profile.profile_id, moved.profile_id, retuned.profile_id}) == 3
    assert profile.profile_id.startswith("toy@")


def test_an_altered_number_is_noticed(profile: CalibrationProfile, tmp_path: Path) -> None:
    """A profile that was edited by hand doesn't match its hash and isn't used."""
    path = tmp_path / "toy.npz"
    profile.save(path)
    with np.load(path) as archive:
        content = dict(archive)
    content["metadata"] = np.frombuffer(
        content["metadata"].tobytes().replace(b'"cap":9.0', b'"cap":99.0'), dtype=np.uint8
    )
    with path.open("wb") as file:
        np.savez(file, **content)
    with pytest.raises(ProfileDamaged, match=r"toy\.npz.*SHA-256") as caught:
        calibration.load(path)
    assert caught.value.status is Status.DATA_LOSS


@pytest.mark.parametrize("kept", [0, 10, 300])
def test_a_truncated_file_is_named(profile: CalibrationProfile, tmp_path: Path, kept: int) -> None:
    """Half a file is a damaged profile, not a crash."""
    path = tmp_path / "toy.npz"
    profile.save(path)
    path.write_bytes(path.read_bytes()[:kept])
    with pytest.raises(ProfileDamaged, match=r"toy\.npz"):
        calibration.load(path)


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    """The message says which file, and not where the machine keeps it."""
    with pytest.raises(ProfileDamaged, match=r"gone\.npz") as caught:
        calibration.load(tmp_path / "gone.npz")
    assert str(tmp_path) not in caught.value.message


def test_pickled_content_is_not_run(tmp_path: Path) -> None:
    """An archive that holds Python objects is refused unread."""
    path = tmp_path / "evil.npz"
    with path.open("wb") as file:
        np.savez(file, metadata=np.array([{"format": "x"}], dtype=object))
    with pytest.raises(ProfileDamaged, match=r"evil\.npz"):
        calibration.load(path)


def test_another_model_is_refused_by_name(profile: CalibrationProfile) -> None:
    """Voiceprints of another model would get meaningless evidence, so both ids are named."""
    profile.require_model(MODEL_ID)
    with pytest.raises(ProfileMismatch, match=r"toy@0123456789ab.*other@ffffffffffff") as caught:
        profile.require_model("other@ffffffffffff")
    assert caught.value.status is Status.FAILED_PRECONDITION


@pytest.mark.parametrize(
    "change",
    [
        {"slope": 0.0},
        {"slope_brevity": -1.0},
        {"floor": 0.0},
        {"cap": -1.0},
        {"shortest_net_speech_s": 30.0},
        {"offset": float("nan")},
    ],
)
def test_coefficients_that_could_invert_the_evidence_cannot_exist(
    profile: CalibrationProfile, change: dict[str, float]
) -> None:
    """A slope that turns negative for short speech, or trust limits on the wrong side of 0, are refused."""
    with pytest.raises(ValueError, match=r"slope|floor|range|finite"):
        dataclasses.replace(profile.coefficients, **change)


def test_arrays_that_do_not_fit_cannot_form_a_profile(profile: CalibrationProfile) -> None:
    """Shapes and types are checked when a profile is made, not when the first call comes in."""
    with pytest.raises(ValueError, match="mean"):
        dataclasses.replace(profile, mean=np.zeros((2, 8), dtype=np.float32))
    with pytest.raises(ValueError, match="whitening"):
        dataclasses.replace(profile, whitening=np.eye(7, dtype=np.float32))
    with pytest.raises(ValueError, match="cohort must"):
        dataclasses.replace(profile, cohort=np.zeros((5, 7), dtype=np.float16))
    with pytest.raises(ValueError, match="cohort_nearest"):
        dataclasses.replace(profile, cohort_nearest=21)
    with pytest.raises(ValueError, match="finite"):
        dataclasses.replace(profile, mean=np.full(8, np.nan, dtype=np.float32))


def test_no_profile_is_shipped_for_an_unknown_model() -> None:
    """The refusal names the model asked for and those that are served."""
    with pytest.raises(ProfileMismatch, match=r"nobody@000000000000.*campplus-zh-en@"):
        default_profile("nobody@000000000000")


def test_the_shipped_profiles_are_whole_small_and_found_by_their_model() -> None:
    """Each file in the package loads, is under the size limit, and serves the model that it names."""
    folder = resources.files("shengdun.index") / "profiles"
    files = [entry for entry in folder.iterdir() if entry.name.endswith(".npz")]
    assert files
    for entry in files:
        with resources.as_file(entry) as path:
            assert path.stat().st_size < MAX_PROFILE_BYTES
            shipped = calibration.load(path)
        assert shipped.name == "default"
        assert default_profile(shipped.model_id).profile_id == shipped.profile_id


def test_any_altered_byte_is_a_damaged_profile_or_none(
    profile: CalibrationProfile, tmp_path: Path
) -> None:
    """Wherever a disk flips a bit, the profile is refused by name or is still the same."""
    path = tmp_path / "p.npz"
    profile.save(path)
    whole = path.read_bytes()
    refused = 0
    for place in range(0, len(whole), max(1, len(whole) // 500)):
        altered = bytearray(whole)
        altered[place] ^= 0x40
        path.write_bytes(altered)
        try:
            same = calibration.load(path).profile_id == profile.profile_id
        except ProfileDamaged:
            refused += 1
        else:
            assert same
    assert refused
