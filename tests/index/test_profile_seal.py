"""What a site's profile knows of its callers is sealed on disk, and opens with the installation's keys alone."""

import io
import json
import zipfile
from pathlib import Path

import numpy as np
import pytest

from fixtures.site import drawn_strangers, drawn_voices, site_profile, write_unsealed
from fixtures.store import MODEL, make_profile
from shengdun.index import calibration
from shengdun.index.calibration import ProfileDamaged, needs_sealing
from shengdun.index.errors import KeyFileInvalid, KeyMissing, KeyRingError, KeyWrong
from shengdun.index.keys import KeyRing
from shengdun.index.profile_library import ProfileLibrary
from shengdun.index.profile_seal import ProfileKeys

SITE = site_profile(drawn_strangers(drawn_voices(60)))
OTHER = site_profile(drawn_strangers(drawn_voices(60, seed=9)), name="other")


@pytest.fixture
def keys(tmp_path: Path) -> ProfileKeys:
    """The keys of an installation that was started before."""
    return ProfileKeys(path=KeyRing.open(tmp_path / "keys.json").path)


@pytest.fixture
def file(tmp_path: Path, keys: ProfileKeys) -> Path:
    """A site's profile, written with them."""
    path = tmp_path / "site.npz"
    SITE.save(path, keys)
    return path


def parts(path: Path) -> dict[str, bytes]:
    """Everything that the archive holds, unpacked."""
    with zipfile.ZipFile(path) as archive:
        return {name: archive.read(name) for name in archive.namelist()}


def alter(path: Path, part: str, place: int) -> None:
    """Flip a bit of one array, and leave the archive itself whole."""
    with np.load(path) as archive:
        arrays = dict(archive)
    content = bytearray(arrays[part].tobytes())
    content[place] ^= 1
    arrays[part] = np.frombuffer(bytes(content), arrays[part].dtype).reshape(arrays[part].shape)
    with path.open("wb") as written:
        np.savez_compressed(written, **arrays)


def test_a_sealed_profile_is_the_same_profile(file: Path, keys: ProfileKeys) -> None:
    """Same id, same callers to the last bit; for its owner alone to read."""
    loaded = calibration.load(file, keys)
    assert loaded.profile_id == SITE.profile_id
    assert loaded.strangers is not None
    assert SITE.strangers is not None
    np.testing.assert_array_equal(
        loaded.strangers.voiceprints, SITE.strangers.voiceprints.astype(np.float16)
    )
    np.testing.assert_array_equal(loaded.strangers.net_speech_s, SITE.strangers.net_speech_s)
    assert file.stat().st_mode & 0o777 == 0o600


def test_no_voiceprint_is_in_the_file(file: Path, tmp_path: Path) -> None:
    """Neither rows nor pieces of them, in either width; what an unsealed file has of them all is gone."""
    assert SITE.strangers is not None
    unsealed = tmp_path / "unsealed.npz"
    write_unsealed(SITE, unsealed)
    found = {name: b"".join(parts(path).values()) for name, path in
             (("sealed", file), ("unsealed", unsealed))}  # fmt: skip
    for row in SITE.strangers.voiceprints:
        for width in (np.float16, np.float32):
            piece = row.astype(width)[:8].tobytes()
            assert piece not in found["sealed"]
            assert width is np.float32 or piece in found["unsealed"]
    assert set(parts(file)) == {"metadata.npy", "mean.npy", "sealed.npy"}


def test_the_rest_can_be_read_without_keys(file: Path) -> None:
    """Whose it is and what it was made from, by anybody's tools."""
    with np.load(file) as archive:
        metadata = json.loads(archive["metadata"].tobytes())
        np.testing.assert_array_equal(archive["mean"], SITE.mean)
    assert (metadata["name"], metadata["based_on"]) == ("site", SITE.based_on)
    assert SITE.profile_id == f"site@{metadata['sha256'][:12]}"


@pytest.mark.parametrize("part", ["sealed", "mean"])
def test_an_altered_profile_is_refused(file: Path, keys: ProfileKeys, part: str) -> None:
    """Wherever it was altered: the seal, or what lies beside it."""
    alter(file, part, -1)
    with pytest.raises(ProfileDamaged, match=r"site\.npz.*(sealed|SHA-256)"):
        calibration.load(file, keys)


def test_callers_of_one_profile_do_not_open_in_another(
    file: Path, keys: ProfileKeys, tmp_path: Path
) -> None:
    """The seal is bound to the profile that it was made for."""
    OTHER.save(tmp_path / "other.npz", keys)
    with np.load(file) as one, np.load(tmp_path / "other.npz") as other:
        mixed = {**dict(one), "sealed": other["sealed"]}
    with file.open("wb") as written:
        np.savez(written, **mixed)
    with pytest.raises(ProfileDamaged, match="another profile"):
        calibration.load(file, keys)


def test_any_altered_byte_is_refused_or_changes_nothing(file: Path, keys: ProfileKeys) -> None:
    """A disk that flips a bit is told of as such, or as a key that isn't there; never served."""
    whole = file.read_bytes()
    refused = 0
    for place in range(0, len(whole), max(1, len(whole) // 150)):
        altered = bytearray(whole)
        altered[place] ^= 0x40
        file.write_bytes(altered)
        try:
            same = calibration.load(file, keys).profile_id == SITE.profile_id
        except (ProfileDamaged, KeyRingError):
            refused += 1
        else:
            assert same
    assert refused


def test_keys_that_do_not_fit_say_what_to_do(file: Path, tmp_path: Path) -> None:
    """Another installation's, none, a file that others can read, and no data directory at all."""
    other = KeyRing.open(tmp_path / "elsewhere" / "keys.json").path
    own = KeyRing.load(tmp_path / "keys.json").active_key_id.hex()
    with pytest.raises(KeyWrong, match=rf"site\.npz is sealed with master key {own}.*use the key"):
        calibration.load(file, ProfileKeys(path=other))
    with pytest.raises(KeyMissing, match=r"site\.npz is sealed.*gone\.json is missing: restore"):
        calibration.load(file, ProfileKeys(path=tmp_path / "gone.json", may_make=True))
    assert not (tmp_path / "gone.json").exists()
    with pytest.raises(KeyMissing, match="with the settings of that installation"):
        calibration.load(file)
    other.chmod(0o644)
    with pytest.raises(KeyFileInvalid, match="chmod 600"):
        calibration.load(file, ProfileKeys(path=other))


def test_nothing_is_written_unsealed(tmp_path: Path) -> None:
    """Without keys there is no file; a key is made only where none could be missing."""
    with pytest.raises(ValueError, match="sealed"):
        SITE.save(tmp_path / "site.npz")
    started = ProfileKeys(path=tmp_path / "keys.json")
    for refused in (started.check, lambda: SITE.save(tmp_path / "site.npz", started)):
        with pytest.raises(KeyMissing, match="No new key was made"):
            refused()
    assert list(tmp_path.iterdir()) == []
    ProfileKeys(path=tmp_path / "keys.json", may_make=True).check()
    assert list(tmp_path.iterdir()) == []
    SITE.save(tmp_path / "site.npz", ProfileKeys(path=tmp_path / "keys.json", may_make=True))
    assert calibration.load(tmp_path / "site.npz", started).profile_id == SITE.profile_id
    make_profile().save(tmp_path / "no-site.npz")


def test_an_old_key_on_the_ring_opens_it(file: Path, keys: ProfileKeys, tmp_path: Path) -> None:
    """After a rotation as before; the library seals it anew under the key in use, and the old one may go."""
    library = ProfileLibrary.of(tmp_path / "data", keys)
    library.install(file)
    kept = library.state_file.parent / f"{SITE.profile_id}.npz"
    assert library.seal() == ()
    KeyRing.load(keys.path).rotate()
    assert calibration.load(file, keys).profile_id == SITE.profile_id
    assert library.get(SITE.profile_id).profile_id == SITE.profile_id
    assert library.seal() == (SITE.profile_id,)
    assert library.seal() == ()
    content = json.loads(keys.path.read_bytes())
    content["keys"] = content["keys"][1:]
    keys.path.write_bytes(json.dumps(content).encode())
    assert calibration.load(kept, keys).profile_id == SITE.profile_id
    with pytest.raises(KeyWrong):
        calibration.load(file, keys)


def test_a_profile_of_an_earlier_version_is_read_and_sealed_when_installed(
    keys: ProfileKeys, tmp_path: Path
) -> None:
    """Under the id that it has; what lies in the library unsealed is sealed as well."""
    library = ProfileLibrary.of(tmp_path / "data", keys)
    old = tmp_path / "old.npz"
    write_unsealed(SITE, old)
    assert calibration.load(old).profile_id == SITE.profile_id
    assert needs_sealing(old, keys)
    assert library.install(old).profile_id == SITE.profile_id
    kept = library.state_file.parent / f"{SITE.profile_id}.npz"
    assert "sealed.npy" in parts(kept)
    write_unsealed(SITE, kept)
    write_unsealed(OTHER, kept.with_name(f"{OTHER.profile_id}.npz"))
    library.keep(SITE)
    assert "sealed.npy" in parts(kept)
    assert library.seal() == (OTHER.profile_id,)
    assert library.get(OTHER.profile_id).profile_id == OTHER.profile_id
    assert kept.stat().st_mode & 0o777 == 0o600
    assert sorted(each.name for each in kept.parent.glob(".*")) == []


def test_what_other_keys_sealed_is_listed_and_not_overwritten(
    file: Path, keys: ProfileKeys, tmp_path: Path
) -> None:
    """The wrong key file in place loses nothing: the right one opens everything again."""
    library = ProfileLibrary.of(tmp_path / "data", keys)
    library.install(file)
    kept = library.state_file.parent / f"{SITE.profile_id}.npz"
    sealed, right = kept.read_bytes(), keys.path.read_bytes()
    keys.path.unlink()
    KeyRing.open(keys.path)
    (listed,) = library.profiles()
    assert listed.profile is None
    assert "use the key file of the installation" in listed.problem
    old = tmp_path / "old.npz"
    write_unsealed(SITE, old)
    for refused in (
        lambda: library.install(old),
        lambda: library.keep(SITE),
        lambda: library.activate(SITE.profile_id, by="t", reason="", installed_models=[MODEL]),
    ):
        with pytest.raises(KeyWrong, match="use the key file"):
            refused()
    assert library.seal() == ()
    assert kept.read_bytes() == sealed
    keys.path.write_bytes(right)
    assert library.get(SITE.profile_id).profile_id == SITE.profile_id


def test_a_file_that_contradicts_itself_is_damaged(file: Path, keys: ProfileKeys) -> None:
    """Sealed without saying so, or saying so without a seal."""
    with np.load(file) as archive:
        arrays = dict(archive)
    for drop, claim in (("sealed", b"/3"), ("", b"/2")):
        kept = {name: array for name, array in arrays.items() if name != drop}
        text = kept["metadata"].tobytes().replace(b"/3", claim)
        kept["metadata"] = np.frombuffer(text, np.uint8)
        buffer = io.BytesIO()
        np.savez(buffer, **kept)
        file.write_bytes(buffer.getvalue())
        with pytest.raises(ProfileDamaged, match="seal"):
            calibration.load(file, keys)
