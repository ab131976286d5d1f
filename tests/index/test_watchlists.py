import dataclasses
from datetime import UTC, datetime, timedelta, timezone

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from fixtures.store import MODEL, new_actor, voice
from shengdun.index.errors import InvalidRecord
from shengdun.index.identifiers import check_watchlist_id, make_id
from shengdun.index.watchlists import Actor, Provenance, Template, Watchlist

NOW = datetime(2026, 5, 1, tzinfo=UTC)
WATCHLIST = Watchlist(
    watchlist_id="agents",
    name="名单",
    purpose="反欺诈",
    owner="风控部",
    legal_basis="PIPL 13",
    model_id=MODEL,
    created_at=NOW,
    updated_at=NOW,
)
ACTOR = Actor(
    actor_id="a-1",
    display_name="张三",
    watchlist_ids=frozenset({"agents"}),
    created_at=NOW,
    updated_at=NOW,
)


@pytest.mark.parametrize(
    "changes",
    [
        {"watchlist_id": "Agents"},
        {"watchlist_id": ""},
        {"watchlist_id": "a" * 64},
        {"watchlist_id": "a/b"},
        {"name": " "},
        {"name": "x" * 201},
        {"name": "a\x00b"},
        {"owner": "a\nb\x1b"},
        {"model_id": ""},
        {"created_at": NOW.replace(tzinfo=None)},
        {"updated_at": NOW.astimezone(timezone(timedelta(hours=8)))},
        {"revision": 0},
    ],
)
def test_a_malformed_watchlist_cannot_exist(changes: dict[str, object]) -> None:
    """Each field of a watchlist is checked at construction."""
    with pytest.raises(InvalidRecord):
        dataclasses.replace(WATCHLIST, **changes)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    "changes",
    [
        {"actor_id": "a/b"},
        {"actor_id": "a{b}"},
        {"display_name": ""},
        {"aliases": ("ok", " ")},
        {"aliases": tuple(str(n) for n in range(33))},
        {"watchlist_ids": frozenset()},
        {"watchlist_ids": frozenset({"Not A Slug"})},
        {"network_id": " "},
        {"notes": "x" * 4001},
        {"expires_at": datetime(2026, 1, 1)},  # noqa: DTZ001
    ],
)
def test_a_malformed_actor_cannot_exist(changes: dict[str, object]) -> None:
    """Each field of an actor is checked at construction."""
    with pytest.raises(InvalidRecord):
        dataclasses.replace(ACTOR, **changes)  # type: ignore[arg-type]


def test_provenance_is_checked() -> None:
    """Control characters don't get into the provenance."""
    with pytest.raises(InvalidRecord, match="case reference"):
        Provenance(case_reference="a\x07")


@pytest.mark.parametrize(
    "vector",
    [
        np.zeros(4, dtype=np.float32),
        np.array([np.nan, 1, 0, 0], dtype=np.float32),
        np.array([2, 0, 0, 0], dtype=np.float32),
        np.eye(2, dtype=np.float32),
        np.empty(0, dtype=np.float32),
    ],
)
def test_a_voiceprint_is_one_unit_vector(vector: np.ndarray) -> None:
    """What is no voiceprint is refused before it could be searched."""
    with pytest.raises(InvalidRecord):
        Template.new(vector, model_id=MODEL, net_speech_s=3.0)


@pytest.mark.parametrize(
    "field",
    [
        {"net_speech_s": 0.0},
        {"net_speech_s": float("nan")},
        {"snr_db": float("inf")},
        {"clipped_share": 1.5},
        {"codec": "a\x00"},
    ],
)
def test_a_voiceprints_quality_is_in_range(field: dict[str, float]) -> None:
    """Net speech, noise and clipping are checked."""
    given_fields = {"net_speech_s": 3.0, **field}
    with pytest.raises(InvalidRecord):
        Template.new(voice(1), model_id=MODEL, **given_fields)  # type: ignore[arg-type]


def test_a_template_cannot_be_altered_through_its_source() -> None:
    """The template has its own, read-only copy of the vector."""
    vector = voice(1)
    template = Template.new(vector, model_id=MODEL, net_speech_s=3.0)
    vector[:] = 0
    assert np.array_equal(template.vector, voice(1))
    with pytest.raises(ValueError, match="read-only"):
        template.vector[0] = 1


def test_an_actor_expires_at_its_expiry() -> None:
    """Expiry is inclusive: at that very moment the actor is no longer found."""
    actor = dataclasses.replace(ACTOR, expires_at=NOW)
    assert actor.expired(NOW)
    assert not actor.expired(NOW - timedelta(microseconds=1))
    assert not ACTOR.expired(NOW)


@given(st.text(max_size=70))
def test_a_watchlist_id_is_a_slug_or_refused(text: str) -> None:
    """Whatever is accepted is lower-case ASCII that is safe in a key and a file name."""
    try:
        check_watchlist_id(text)
    except InvalidRecord:
        return
    assert 1 <= len(text) <= 63
    assert set(text) <= set("abcdefghijklmnopqrstuvwxyz0123456789-")
    assert text[0] != "-"


def test_made_ids_are_distinct_and_accepted() -> None:
    """Ids made in the same millisecond differ."""
    ids = {make_id("act") for _ in range(1000)}
    assert len(ids) == 1000
    assert {len(made) for made in ids} == {30}
    for made in ids:
        dataclasses.replace(ACTOR, actor_id=made)


def test_a_new_actor_carries_what_an_actor_has() -> None:
    """Everything that a caller can give about an actor is a field of an actor."""
    given_names = {field.name for field in dataclasses.fields(new_actor("甲"))}
    assert given_names <= {field.name for field in dataclasses.fields(Actor)}
