import json
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from fixtures.store import voice
from shengdun.index.errors import KeyFileInvalid, KeyMissing, KeyWrong, SealBroken
from shengdun.index.keys import SEAL_BYTES, KeyRing
from shengdun.index.rotation import rotate, rotation_matrix, unrotate


@pytest.fixture
def ring(tmp_path: Path) -> KeyRing:
    return KeyRing.open(tmp_path / "keys" / "master.json")


def test_a_new_key_file_is_private_and_stays_the_same(ring: KeyRing) -> None:
    """Opening makes the file for its owner alone; opening again gives the same keys."""
    assert ring.path.stat().st_mode & 0o777 == 0o600
    again = KeyRing.open(ring.path)
    assert again.unseal(ring.seal(b"x", b"place"), b"place") == b"x"
    assert again.pseudonym("6222 0000") == ring.pseudonym("6222 0000")
    assert [path.name for path in ring.path.parent.iterdir()] == ["master.json"]


def test_a_missing_key_file_is_named_and_not_made(tmp_path: Path) -> None:
    """Loading never makes a key: it could only be the wrong one."""
    with pytest.raises(KeyMissing, match=r"master\.json is missing"):
        KeyRing.load(tmp_path / "master.json")
    assert not list(tmp_path.iterdir())


def test_a_key_file_that_others_can_read_is_refused(ring: KeyRing) -> None:
    """The message says how to mend it."""
    ring.path.chmod(0o640)
    with pytest.raises(KeyFileInvalid, match="chmod 600"):
        KeyRing.open(ring.path)


@pytest.mark.parametrize("damage", ["", "{}", '{"version": 1, "keys": []}', "no json", "[1]"])
def test_a_malformed_key_file_is_refused(ring: KeyRing, damage: str) -> None:
    """It isn't replaced by a new one either."""
    ring.path.write_text(damage)
    with pytest.raises(KeyFileInvalid, match="damaged"):
        KeyRing.open(ring.path)
    assert ring.path.read_text() == damage


def test_an_altered_secret_contradicts_its_id(ring: KeyRing) -> None:
    """A typing error in the key file is found when it's read, not when data can't be opened."""
    content = json.loads(ring.path.read_text())
    secret = content["keys"][0]["secret"]
    content["keys"][0]["secret"] = ("B" if secret[0] == "A" else "A") + secret[1:]
    ring.path.write_text(json.dumps(content))
    with pytest.raises(KeyFileInvalid):
        KeyRing.load(ring.path)


@given(plaintext=st.binary(max_size=200), position=st.integers(0, 10**6))
def test_any_altered_byte_breaks_the_seal(
    tmp_path_factory: pytest.TempPathFactory, plaintext: bytes, position: int
) -> None:
    """A flipped bit anywhere, the key id included, is noticed."""
    ring = KeyRing.open(tmp_path_factory.getbasetemp() / "shared-key.json")
    sealed = bytearray(ring.seal(plaintext, b"place"))
    sealed[position % len(sealed)] ^= 1
    with pytest.raises((SealBroken, KeyWrong)):
        ring.unseal(bytes(sealed), b"place")


def test_sealed_data_belongs_to_its_place(ring: KeyRing) -> None:
    """What was sealed for one record can't be put in the place of another."""
    with pytest.raises(SealBroken):
        ring.unseal(ring.seal(b"x", b"actor/1"), b"actor/2")
    data_key = ring.new_data_key(b"actor/1")
    with pytest.raises(SealBroken):
        ring.unwrap(data_key.wrapped, b"actor/2")
    assert ring.unwrap(data_key.wrapped, b"actor/1").secret == data_key.secret


def test_another_installations_key_is_named(ring: KeyRing, tmp_path: Path) -> None:
    """The message says which master key is needed."""
    other = KeyRing.open(tmp_path / "other.json")
    with pytest.raises(KeyWrong, match=ring.active_key_id.hex()):
        other.unseal(ring.seal(b"x", b""), b"")


def test_rotation_adds_a_key_and_keeps_what_was_sealed(ring: KeyRing) -> None:
    """New seals use the new key; old ones still open; pseudonyms and receipts stay the same."""
    sealed, pseudonym, mac = ring.seal(b"x", b""), ring.pseudonym("c"), ring.receipt_mac(b"r")
    rotated = ring.rotate()
    loaded = KeyRing.load(ring.path)
    assert rotated.active_key_id == loaded.active_key_id != ring.active_key_id
    assert loaded.unseal(sealed, b"") == b"x"
    assert (loaded.pseudonym("c"), loaded.receipt_mac(b"r")) == (pseudonym, mac)
    with pytest.raises(KeyWrong):
        ring.unseal(loaded.seal(b"y", b""), b"")


def test_pseudonyms_depend_on_customer_and_key(ring: KeyRing, tmp_path: Path) -> None:
    """The same customer, the same pseudonym; nothing of the reference is in it."""
    other = KeyRing.open(tmp_path / "other.json")
    assert ring.pseudonym("622200001111") == ring.pseudonym("622200001111")
    assert ring.pseudonym("622200001111") != ring.pseudonym("622200001112")
    assert ring.pseudonym("622200001111") != other.pseudonym("622200001111")
    assert "6222" not in ring.pseudonym("622200001111")[:4]


def test_the_rotation_keeps_cosines_and_hides_voices() -> None:
    """An orthogonal matrix: all cosines stay, and no rotated voiceprint resembles its own."""
    matrix = rotation_matrix(b"k" * 32, 192)
    assert np.abs(matrix @ matrix.T - np.eye(192)).max() < 1e-12
    voices = np.stack([voice(seed, 192) for seed in range(50)])
    rotated = rotate(voices, matrix)
    assert np.abs(rotated @ rotated.T - voices @ voices.T).max() < 1e-6
    assert np.abs((rotated * voices).sum(axis=1)).max() < 0.4
    assert np.abs(unrotate(rotated, matrix) - voices).max() < 1e-6


def test_the_rotation_is_the_same_on_every_machine() -> None:
    """Golden entries: stored voiceprints must be readable after any upgrade."""
    matrix = rotation_matrix(bytes(range(32)), 192)
    golden = [0.10085643951790946, 0.03020353723802243, -0.10572965388819847]
    assert np.abs(matrix[[0, 17, 191], [0, 92, 191]] - golden).max() < 1e-12


def test_another_key_gives_another_rotation() -> None:
    """A store's voiceprints mean nothing under a wrong key."""
    a, b = rotation_matrix(b"a" * 32, 64), rotation_matrix(b"b" * 32, 64)
    voiceprint = voice(1, 64)
    assert abs(float(unrotate(rotate(voiceprint, a), b) @ voiceprint)) < 0.6


def test_what_is_sealed_opens_into_memory_that_is_there(ring: KeyRing) -> None:
    """As it opens otherwise; altered, cut off, or for another place it doesn't."""
    key = ring.new_data_key(b"key")
    sealed, room = key.seal(b"voiceprints", b"place"), bytearray(11)
    assert len(sealed) == len(room) + SEAL_BYTES
    key.unseal_into(memoryview(sealed), b"place", memoryview(room))
    assert room == b"voiceprints"
    altered = bytes([*sealed[:-1], sealed[-1] ^ 1])
    for wrong, place in ((altered, b"place"), (sealed[:-1], b"place"), (sealed, b"elsewhere")):
        with pytest.raises(SealBroken):
            key.unseal_into(memoryview(wrong), place, memoryview(room))
