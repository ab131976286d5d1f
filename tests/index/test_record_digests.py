"""Digests of records lie compactly, and each is found by the name of its record."""

from hashlib import sha256

import pytest

from shengdun.index.record_digests import NOTHING, RecordDigests

RECORDS = {
    "watchlist/agents": b"a list",
    "script/one": b"a script",
    "actor/a": b"actor a",
    "actor/b": b"actor b",
    "actor/c": b"actor c",
    "voiceprint/a/1": b"first of a",
    "voiceprint/a/2": b"second of a",
    "voiceprint/c/1": b"first of c",
}


def digest(name: str) -> bytes:
    return sha256(RECORDS[name]).digest()


def digests() -> RecordDigests:
    names = list(RECORDS)
    return RecordDigests(
        {name: digest(name).hex() for name in names[:2]},
        actor_ids=["a", "b", "c"],
        voiceprint_ids=[("1", "2"), (), ("1",)],
        of_actors=b"".join(map(digest, names[2:5])),
        of_voiceprints=b"".join(map(digest, names[5:])),
    )


def test_every_record_has_its_digest_at_its_place() -> None:
    """Places follow the names: lists and scripts, then actors, then voiceprints."""
    known = digests()
    names = [*known.names_of_others, *known.names_of_actors, *known.names_of_voiceprints]
    assert names == list(RECORDS)
    assert [known.place(name) for name in names] == list(range(len(known)))
    assert [known.at(place) for place in range(len(known))] == [
        digest(each).hex() for each in names
    ]


@pytest.mark.parametrize(
    "name",
    [
        "watchlist/others",
        "actor/d",
        "actor/a/1",
        "voiceprint/b/1",
        "voiceprint/d/1",
        "voiceprint/a",
        "1",
        "",
    ],
)
def test_no_other_name_has_one(name: str) -> None:
    """Nor does a name of another form."""
    assert digests().place(name) is None
    assert NOTHING.place(name) is None


def test_records_are_compared_in_one_go() -> None:
    """Any stretch of them; one that is altered, missing or in another's place is told."""
    known, values = digests(), list(RECORDS.values())
    assert known.are_of(0, values)
    assert known.are_of(3, values[3:6])
    assert known.are_of(0, [])
    assert not known.are_of(0, [*values[:4], b"actor C", *values[5:]])
    assert not known.are_of(0, [*values[:4], None, *values[5:]])
    assert not known.are_of(2, values)
    assert not known.are_of(0, [*values, b"one more"])


def test_digests_must_be_as_many_as_records() -> None:
    """Else a digest would be taken for another record's."""
    with pytest.raises(ValueError, match="one digest"):
        RecordDigests(
            {}, actor_ids=["a"], voiceprint_ids=[("1",)], of_actors=b"\0" * 32, of_voiceprints=b""
        )
