"""Where calls lie, by call and by customer."""

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from fixtures.unknown_voices import BEGINS, DIMENSION, EVIDENCE
from shengdun.index.voices.columns import CallColumns, microseconds
from shengdun.index.voices.places import Places

_ROWS = 60


def made_part(number: int) -> CallColumns:
    """Sixty calls, every third without a customer, the others for one of seven."""
    return EVIDENCE.coder.columns_of(
        ids=[f"{number}-{row}" for row in range(_ROWS)],
        voiceprints=np.eye(_ROWS, DIMENSION, dtype=np.float32),
        customers=["" if row % 3 == 0 else f"customer-{row % 7}" for row in range(_ROWS)],
        numbers=[""] * _ROWS,
        lines=["complaints"] * _ROWS,
        started_us=np.full(_ROWS, microseconds(BEGINS), np.int64),
        net_speech_s=np.full(_ROWS, 5.0, np.float32),
        snr_db=np.full(_ROWS, np.nan, np.float32),
    )


PARTS = tuple(made_part(number) for number in range(5))


@settings(max_examples=40, deadline=None)
@given(st.lists(st.lists(st.sampled_from(range(5)), unique=True), min_size=1, max_size=5))
def test_places_are_those_of_the_parts_there_are(times: list[list[int]]) -> None:
    """However parts come, go and change their order: each call and customer is found in them and nowhere else."""
    places = Places()
    keys = np.concatenate([part.id_hashes[::7] for part in PARTS])
    customers = {int(each) for part in PARTS for each in part.customers if each}
    for numbers in times:
        parts = [PARTS[number] for number in numbers]
        places = places.of(parts)
        found = {
            (int(keys[key]), number, row)
            for number, which, rows in places.find(keys)
            for key, row in zip(which.tolist(), rows.tolist(), strict=True)
        }
        assert found == {
            (int(part.id_hashes[row]), number, row)
            for number, part in enumerate(parts)
            for row in range(0, _ROWS, 7)
        }
        for customer in customers:
            of_customer = {(n, row) for n, rows in places.of_customer(customer) for row in rows}
            assert of_customer == {
                (number, row)
                for number, part in enumerate(parts)
                for row in np.flatnonzero(part.customers == customer)
            }


def test_nothing_is_found_without_parts() -> None:
    """Neither calls nor customers."""
    places = Places().of(PARTS).of([])
    assert list(places.find(PARTS[0].id_hashes)) == []
    assert list(places.of_customer(int(PARTS[0].customers[1]))) == []
    assert places.nbytes == 0
