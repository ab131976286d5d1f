"""What callers of a load test say in words."""

from hypothesis import given
from hypothesis import strategies as st

from shengdun.service.load.wording import CHARACTERS_PER_S, Saying

WORDING = ("甲" * 30, "乙", "丙" * 7)


@given(
    st.integers(0, 10),
    st.floats(0.0, 60.0),
    st.lists(st.floats(0.0, 60.0), max_size=20),
)
def test_words_are_said_at_their_time(number: int, length_s: float, asked_s: list[float]) -> None:
    """Whenever it is asked: nothing before it has been said, nothing twice, and nothing left out."""
    saying = Saying(WORDING, number=number, length_s=length_s)
    said = []
    for position_s in (*sorted(asked_s), 100.0):
        segments = list(saying.until(position_s))
        assert all(
            each.end is not None and each.end.total_seconds() <= position_s for each in segments
        )
        said += segments
    final = "".join(each.text for each in said if each.is_final)
    assert len(final) == round(length_s * CHARACTERS_PER_S)
    assert said == list(Saying(WORDING, number=number, length_s=length_s).until(100.0))


def test_a_call_says_what_one_caller_says_and_goes_on_with_the_next() -> None:
    """A guess in the middle of each utterance, and then the utterance."""
    saying = Saying(WORDING, number=2, length_s=12.0)
    texts = [(each.text, each.is_final) for each in saying.until(8.0)]
    whole = "丙" * 7 + "甲" * 30 + "乙" + "丙" * 7
    assert texts == [
        (whole[:10], False), (whole[:20], True), (whole[20:30], False), (whole[20:40], True),
    ]  # fmt: skip
