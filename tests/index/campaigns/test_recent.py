"""The memory of recent texts."""

from datetime import UTC, datetime, timedelta

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from shengdun.index.campaigns.recent import Limits, RecentText, RecentTexts

BEGAN = datetime(2026, 3, 2, tzinfo=UTC)
PROBES = np.arange(1, 7, dtype=np.uint64) << np.uint64(40)


def text(number: int, *, hour: int, length: int = 10) -> RecentText:
    """A text of so many characters."""
    return RecentText(
        text_id=f"text-{number}",
        customer="ann",
        line="",
        seen_at=BEGAN + timedelta(hours=hour),
        canonical="好" * length,
    )


def tidy(recent: RecentTexts) -> list[int]:
    """Forget what is beyond the limits; what it was."""
    gone = []
    for serial in recent.surplus():
        recent.forget(serial)
        gone.append(serial)
    return gone


steps = st.lists(
    st.tuples(
        st.integers(0, 5),
        st.integers(0, 30),
        st.integers(1, 40),
        st.sets(st.integers(0, 5), min_size=1),
    ),
    max_size=60,
)


@settings(max_examples=100, deadline=None)
@given(steps=steps, texts=st.integers(1, 20), characters=st.integers(1, 400))
def test_it_holds_what_a_plain_list_would(
    steps: list[tuple[int, int, int, set[int]]], texts: int, characters: int
) -> None:
    """Whatever comes and goes: the limits hold, and each probe finds the living texts that have it."""
    age = timedelta(hours=20)
    recent = RecentTexts(Limits(texts=texts, characters=characters, age=age))
    plain: list[tuple[int, RecentText, set[int]]] = []
    newest = BEGAN
    for number, (action, hour, length, probes) in enumerate(steps):
        if action == 0 and plain:
            serial = plain.pop(len(plain) // 2)[0]
            recent.forget(serial)
            assert recent.get(serial) is None
        else:
            new = text(number, hour=hour, length=length)
            serial = recent.add(new, PROBES[sorted(probes)])
            plain.append((serial, new, probes))
            newest = max(newest, new.seen_at)
        gone = set(tidy(recent))
        assert gone == {each[0] for each in plain[: len(gone)]}
        plain = plain[len(gone) :]
        held = sum(len(each[1].canonical) for each in plain)
        assert recent.characters == held
        assert len(recent) == len(plain) <= texts
        assert held <= characters or len(plain) == 1
        assert not plain or newest - plain[0][1].seen_at <= age
    assert list(recent) == [(serial, each) for serial, each, _ in plain]
    for probe, rows in enumerate(recent.find(PROBES)):
        assert rows.tolist() == [serial for serial, _, probes in plain if probe in probes]
    for serial, each, _ in plain:
        assert recent.get(serial) is each
        assert recent.serial(each.text_id) == serial


def test_of_a_wording_that_many_have_the_newest_are_found() -> None:
    """So that what spreads now is found beside what spread long ago."""
    recent = RecentTexts(Limits(texts=4000))
    for number in range(3000):
        recent.add(text(number, hour=0), PROBES[:1])
    [rows] = recent.find(PROBES[:1])
    assert len(rows) == 256
    assert rows.min() >= 2500


def test_what_is_forgotten_gives_its_memory_back() -> None:
    """Whole shelves at a time: thousands come and go, and it stays what a few take."""
    recent = RecentTexts(Limits(texts=80))
    most = 0
    for number in range(2000):
        recent.add(text(number, hour=0), PROBES)
        tidy(recent)
        most = max(most, recent.nbytes)
    assert len(recent) == 80
    assert most <= 80 * (2 * 10 + 8 * len(PROBES)) * 1.3
