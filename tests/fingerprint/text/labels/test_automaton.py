"""Finding many words in one pass."""

from hypothesis import given, settings
from hypothesis import strategies as st

from shengdun.fingerprint.text.labels.automaton import Automaton

letters = st.text(alphabet="甲乙丙", max_size=60)
words = st.lists(st.text(alphabet="甲乙丙", min_size=1, max_size=6), unique=True, max_size=20)


@settings(deadline=None)
@given(words=words, text=letters)
def test_every_occurrence_is_found(words: list[str], text: str) -> None:
    """Overlapping and nested ones too, each once."""
    found = list(Automaton(words).occurrences(text))
    expected = {
        (start, start + len(word), index)
        for index, word in enumerate(words)
        for start in range(len(text))
        if text.startswith(word, start)
    }
    assert len(found) == len(set(found))
    assert set(found) == expected


def test_many_words_with_one_beginning_take_one_pass() -> None:
    """A text made to go deep into every word at every character is still searched at once."""
    words = ["甲" * length for length in range(2, 60)] + [
        "甲" * 50 + chr(0x4E00 + n) for n in range(3000)
    ]
    text = "甲" * 49 + "乙"
    assert sum(1 for _ in Automaton(words).occurrences(text * 200)) == 200 * sum(range(1, 49))
