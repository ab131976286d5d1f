"""Every occurrence of many words in one pass over a text, whatever the number of words.

Reference: Aho and Corasick, "Efficient string matching: an aid to bibliographic search" (1975).
"""

from collections import deque
from collections.abc import Iterator, Sequence


class Automaton:
    """Finds words. Immutable, so safe to share between threads.

    Args:
        words: none of them empty, each of them once.
    """

    def __init__(self, words: Sequence[str]) -> None:
        self._lengths = [len(word) for word in words]
        self._next: list[dict[str, int]] = [{}]
        self._word: list[int] = [-1]
        for index, word in enumerate(words):
            self._word[self._state_of(word)] = index
        self._fallback = [0] * len(self._next)
        self._shorter = [0] * len(self._next)
        self._link()

    def occurrences(self, text: str) -> Iterator[tuple[int, int, int]]:
        """Where words occur, overlapping ones too, as [start, end) and the word's index; by end, longest first."""
        following, fallback, word, shorter = self._next, self._fallback, self._word, self._shorter
        state = 0
        for end, character in enumerate(text, start=1):
            while state and character not in following[state]:
                state = fallback[state]
            state = following[state].get(character, 0)
            ending = state if word[state] >= 0 else shorter[state]
            while ending:
                yield end - self._lengths[word[ending]], end, word[ending]
                ending = shorter[ending]

    def _state_of(self, word: str) -> int:
        state = 0
        for character in word:
            following = self._next[state].get(character)
            if following is None:
                following = len(self._next)
                self._next[state][character] = following
                self._next.append({})
                self._word.append(-1)
            state = following
        return state

    def _link(self) -> None:
        """Gives each state the longest end of it that is a state too, and the longest that is a whole word."""
        waiting = deque(self._next[0].values())
        while waiting:
            state = waiting.popleft()
            for character, following in self._next[state].items():
                back = self._fallback[state]
                while back and character not in self._next[back]:
                    back = self._fallback[back]
                back = self._next[back].get(character, 0)
                self._fallback[following] = back
                self._shorter[following] = back if self._word[back] >= 0 else self._shorter[back]
                waiting.append(following)
