import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from fingerprint.text.texts import texts
from shengdun.fingerprint.text.normalise import REACH, normalise


def seen(text: str, start: int, end: int) -> list[tuple[str, int, int]]:
    """The canonical characters that begin in a stretch of the original, relative to it; they end at its end at most."""
    whole = normalise(text)
    inside = (whole.starts >= start) & (whole.starts < end)
    stretches = zip(
        np.array(list(whole.text), object)[inside].tolist(),
        (whole.starts[inside] - start).tolist(),
        (np.minimum(whole.ends[inside], end) - start).tolist(),
        strict=True,
    )
    return list(stretches)


@given(
    before=texts,
    other_before=texts,
    middle=texts,
    after=texts,
    other_after=texts,
    at=st.integers(0, 200),
)
def test_what_is_far_away_has_no_influence(
    before: str, other_before: str, middle: str, after: str, other_after: str, at: int
) -> None:
    """Characters further than the reach from any change are the same, and stand for the same stretch."""
    filling = (
        middle * (1 + (2 * REACH + at) // max(len(middle), 1))
        if middle
        else "我" * (2 * REACH + at)
    )
    context, inner = filling[:REACH], filling[REACH:-REACH]
    one = before + filling + after
    other = other_before + filling + other_after
    assert seen(one, len(before) + len(context), len(before) + len(context) + len(inner)) == seen(
        other, len(other_before) + len(context), len(other_before) + len(context) + len(inner)
    )


@given(texts)
def test_stretches_lie_in_the_text_in_order(text: str) -> None:
    normalised = normalise(text)
    starts, ends = normalised.starts, normalised.ends
    assert len(normalised.text) == len(starts) == len(ends)
    assert starts.dtype == ends.dtype == np.int32
    assert (starts < ends).all()
    assert (np.diff(starts) >= 0).all()
    assert ((ends[:-1] <= starts[1:]) | (starts[:-1] == starts[1:])).all()
    assert len(starts) == 0 or (starts[0] >= 0 and ends[-1] <= len(text))
