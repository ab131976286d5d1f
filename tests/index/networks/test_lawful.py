"""What the allow-list lets pass in a network."""

from datetime import UTC, datetime, timedelta

from shengdun.index.archive.rows import ArchivedFlag
from shengdun.index.networks.building import NetworkBuilder
from shengdun.index.networks.communities import network_of
from shengdun.index.networks.lawful import Lawful, lawful
from shengdun.index.networks.sightings import Sighting
from shengdun.index.voices.allowed import AllowList, Granted, Relation, Representative

NOW = datetime(2026, 5, 1, tzinfo=UTC)


def sighting(voice: str, customer: str, number: str = "") -> Sighting:
    flag = ArchivedFlag(kind="REPEAT_VOICE", llr=5.0, subject=voice)
    return Sighting(
        call_id=f"{voice}/{customer}",
        started_at=NOW,
        customer=customer,
        number=number,
        flags=(flag,),
    )


def lawyer(
    *customers: str, numbers: tuple[str, ...] = (), until: datetime | None = None
) -> Representative:
    return Representative(
        entry_id=f"alw_{len(customers)}_{len(numbers)}_{''.join(customers)}",
        relation=Relation.LAWYER,
        customers=frozenset(customers),
        numbers=frozenset(numbers),
        granted=Granted(reason="r", principal="p", at=NOW - timedelta(days=9), until=until),
    )


def passing(calls: list[Sighting], *entries: Representative, own: tuple[str, ...] = ()) -> Lawful:
    return lawful(calls, AllowList(entries), at=NOW, others=2, own=own)


def test_a_voice_passes_with_as_many_households_as_anybody_may_have() -> None:
    """A representative's customers are one; others count each; entries that have ended don't count."""
    calls = [sighting("vce_1", f"c{number}") for number in range(5)]
    assert passing(calls).voices == set()
    assert passing(calls, lawyer("c0", "c1", "c2", "c3")).voices == {"vce_1"}
    assert passing(calls, lawyer("c0", "c1", "c2")).voices == set()
    assert passing(calls, lawyer("c0", "c1"), lawyer("c1", "c2", "c3")).voices == {"vce_1"}
    ended = lawyer("c0", "c1", "c2", "c3", until=NOW - timedelta(days=1))
    assert passing(calls, ended).voices == set()
    assert passing(calls, own=("vce_1",)).voices == {"vce_1"}


def test_a_voice_of_which_nothing_is_allowed_is_drawn_as_before() -> None:
    """However few customers it has in what is archived still."""
    calls = [sighting("vce_1", "c0"), sighting("vce_2", "d0")]
    assert passing(calls, lawyer("d0", "d1")).voices == {"vce_2"}


def test_calls_from_a_representatives_number_link_nobody() -> None:
    """The voice's other calls do, while they are for enough."""
    calls = [sighting("vce_1", f"c{number}", "office") for number in range(5)]
    others = [sighting("vce_1", f"d{number}") for number in range(3)]
    found = passing([*calls, *others], lawyer(numbers=("office",)))
    assert found.voices == set()
    builder = NetworkBuilder(found)
    builder.take([*calls, *others])
    nodes = {str(node.key) for node in network_of(builder).nodes}
    assert nodes == {"voice/vce_1", "customer/d0", "customer/d1", "customer/d2"}
    assert passing(calls, lawyer(numbers=("office",))).voices == {"vce_1"}
