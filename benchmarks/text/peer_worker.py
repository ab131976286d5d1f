"""Runs a peer of the text benchmark, in the environment of ``requirements/text-peers.lock``.

    python peer_worker.py SYSTEM VIEW      SYSTEM: datasketch, simhash, rensa; VIEW: whole, script, short

Reads a line of JSON a request, from standard input, and writes a line of JSON for each. The first line that it writes
says its version. It imports nothing of the product.

    {"build": {id: text}}            -> {"seconds": s}
    {"texts": [text, ...]}           -> {"found": [[id or null, score, [[start, end, score], ...]], ...], "seconds": s}
    {"listen": text, "segment": n}   -> {"seconds": [s, ...]}

Every system takes runs of five characters, punctuation and spaces left out. A view says what is compared: whole text
with whole script; every window of a script's length with whole scripts; or short windows of the text with short pieces
of the scripts. LSH runs with one row a band, which loses no candidate: the most that it can find.
"""

import json
import sys
import time
from collections import defaultdict
from collections.abc import Iterable, Iterator
from importlib import metadata
from typing import Any, Final, NamedTuple, Protocol

import numpy as np

SHINGLE: Final = 5
PERMUTATIONS: Final = 128
SHORT: Final = 60
SEED: Final = 1


class Window(NamedTuple):
    """A stretch of a text, and its characters without punctuation."""

    start: int
    end: int
    characters: str


class Sketches(Protocol):
    """What the three have in common: sketches with names are put in, and one sketch finds those like it."""

    def put(self, name: int, characters: str) -> None:
        """Keep the sketch of a piece of a script."""
        ...

    def like(self, characters: str) -> Iterable[tuple[int, float]]:
        """Names of the kept sketches that are like that of a window, with how like they are, in [0, 1]."""
        ...


class Datasketch:
    """MinHash and MinHashLSH of datasketch."""

    def __init__(self) -> None:
        import datasketch  # type: ignore[import-not-found]  # noqa: PLC0415 (one system is loaded)

        self._minhash = datasketch.MinHash
        # Draws its permutations once; every other sketch is a copy with its own values.
        self._empty = datasketch.MinHash(num_perm=PERMUTATIONS, seed=SEED)
        self._lsh = datasketch.MinHashLSH(num_perm=PERMUTATIONS, params=(PERMUTATIONS, 1))
        self._kept: dict[int, Any] = {}

    def put(self, name: int, characters: str) -> None:
        """As ``Sketches.put`` says."""
        self._kept[name] = self._sketch(characters)
        self._lsh.insert(name, self._kept[name])

    def like(self, characters: str) -> Iterable[tuple[int, float]]:
        """As ``Sketches.like`` says."""
        sketch = self._sketch(characters)
        return [(name, sketch.jaccard(self._kept[name])) for name in self._lsh.query(sketch)]

    def _sketch(self, characters: str) -> Any:  # noqa: ANN401 (no types published)
        sketch = self._empty.copy()
        sketch.update_batch([shingle.encode() for shingle in shingles(characters)])
        return sketch


class Rensa:
    """RMinHash and RMinHashLSH of rensa."""

    def __init__(self) -> None:
        import rensa  # type: ignore[import-not-found]  # noqa: PLC0415 (one system is loaded)

        self._minhash = rensa.RMinHash
        self._lsh = rensa.RMinHashLSH(0.01, PERMUTATIONS, PERMUTATIONS)
        self._kept: dict[int, Any] = {}

    def put(self, name: int, characters: str) -> None:
        """As ``Sketches.put`` says."""
        self._kept[name] = self._sketch(characters)
        self._lsh.insert(name, self._kept[name])

    def like(self, characters: str) -> Iterable[tuple[int, float]]:
        """As ``Sketches.like`` says."""
        sketch = self._sketch(characters)
        return [(name, sketch.jaccard(self._kept[name])) for name in self._lsh.query(sketch)]

    def _sketch(self, characters: str) -> Any:  # noqa: ANN401 (no types published)
        sketch = self._minhash(PERMUTATIONS, SEED)
        sketch.update(shingles(characters))
        return sketch


class SimHash:
    """A 64-bit SimHash (Charikar, 2002), compared with every sketch there is."""

    def __init__(self) -> None:
        self._names: list[int] = []
        self._rows: list[np.uint64] = []
        self._array = np.zeros(0, np.uint64)

    def put(self, name: int, characters: str) -> None:
        """As ``Sketches.put`` says."""
        self._names.append(name)
        self._rows.append(self._sketch(characters))

    def like(self, characters: str) -> Iterable[tuple[int, float]]:
        """As ``Sketches.like`` says."""
        if len(self._array) != len(self._rows):
            self._array = np.array(self._rows)
        unlike = np.bitwise_count(self._array ^ self._sketch(characters))
        nearest = np.flatnonzero(unlike == unlike.min())
        return [(self._names[row], 1.0 - int(unlike[row]) / 64) for row in nearest]

    def _sketch(self, characters: str) -> np.uint64:
        hashes = hashed(characters)
        bits = (hashes[:, None] >> np.arange(64, dtype=np.uint64)) & np.uint64(1)
        set_in_most = 2 * bits.sum(axis=0) > len(hashes)
        return np.uint64(np.packbits(set_in_most, bitorder="little").view("<u8")[0])


class Finder:
    """Scripts, cut as the view wants them, and texts looked for among them."""

    def __init__(self, sketches: Sketches, view: str) -> None:
        self._sketches = sketches
        self._view = view
        self._length = 0
        self._scripts: list[str] = []

    def build(self, scripts: dict[str, str]) -> None:
        """Take scripts in, by id."""
        lengths = [len(characters_of(text)[0]) for text in scripts.values()]
        self._length = {"whole": 0, "script": int(np.median(lengths)), "short": SHORT}[self._view]
        for script_id, text in scripts.items():
            pieces = (
                windows(text, SHORT, SHORT // 6) if self._view == "short" else windows(text, 0, 1)
            )
            for piece in pieces:
                self._sketches.put(len(self._scripts), piece.characters)
                self._scripts.append(script_id)

    def windows(self, text: str) -> Iterator[Window]:
        """The windows that the view looks through."""
        return windows(
            text, self._length, max(self._length // (3 if self._view == "short" else 6), 1)
        )

    def find(self, text: str) -> tuple[str | None, float, list[tuple[int, int, float]]]:
        """The script with the likest window, how like that is, and every window that is like that script."""
        best: dict[str, float] = defaultdict(float)
        stretches = defaultdict(list)
        for window in self.windows(text):
            for script_id, score in self.scores(window).items():
                best[script_id] = max(best[script_id], score)
                stretches[script_id].append((window.start, window.end, score))
        if not best:
            return None, 0.0, []
        first = max(best, key=best.__getitem__)
        return first, best[first], stretches[first]

    def scores(self, window: Window) -> dict[str, float]:
        """How like a window is to the likest piece of each script."""
        found: dict[str, float] = {}
        for name, score in self._sketches.like(window.characters):
            script_id = self._scripts[name]
            found[script_id] = max(found.get(script_id, 0.0), score)
        return found

    def listen(self, text: str, segment: int) -> list[float]:
        """Seconds for each segment: of the one window that ends with it, or of all that was said so far."""
        taken_s = []
        for end in range(segment, len(text) + segment, segment):
            begun_s = time.perf_counter()
            heard = characters_of(
                text[max(end - 2 * self._length, 0) if self._length else 0 : end]
            )[0]
            self.scores(Window(0, end, heard[-self._length :]))
            taken_s.append(time.perf_counter() - begun_s)
        return taken_s


def characters_of(text: str) -> tuple[str, list[int]]:
    """The letters and digits of a text, and where each stands."""
    places = [place for place, character in enumerate(text) if character.isalnum()]
    return "".join(text[place] for place in places), places


def windows(text: str, length: int, step: int) -> Iterator[Window]:
    """Stretches of so many characters, each ``step`` further; the whole text where ``length`` is 0 or it's shorter."""
    characters, places = characters_of(text)
    count = len(characters)
    if count < SHINGLE:
        return
    last = max(count - length, 0) if length else 0
    starts = sorted({*range(0, last + 1, step), last})
    for start in starts:
        stop = min(start + length, count) if length else count
        yield Window(places[start], places[stop - 1] + 1, characters[start:stop])


def shingles(characters: str) -> list[str]:
    """Every run of five characters."""
    return [characters[start : start + SHINGLE] for start in range(len(characters) - SHINGLE + 1)]


def hashed(characters: str) -> Any:  # noqa: ANN401 (an array; this file runs without the project's types)
    """A 64-bit hash of every run of five characters, mixed as SplitMix64 does (Steele et al., 2014)."""
    codes = np.frombuffer(characters.encode("utf-32-le"), "<u4").astype(np.uint64)
    value = np.zeros(max(len(codes) - SHINGLE + 1, 0), np.uint64)
    for place in range(SHINGLE):
        value = _mixed(value * np.uint64(31) + codes[place : place + len(value)])
    return value


def _mixed(value: Any) -> Any:  # noqa: ANN401 (as above)
    value = value + np.uint64(0x9E3779B97F4A7C15)
    value = (value ^ (value >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    value = (value ^ (value >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return value ^ (value >> np.uint64(31))


def version_of(system: str) -> str:
    """Version of the package; NumPy's for SimHash, which has no other."""
    package = "numpy" if system == "simhash" else system
    return f"{package} {metadata.version(package)}"


def answer(finder: Finder, request: dict[str, Any]) -> dict[str, Any]:
    begun_s = time.perf_counter()
    if "listen" in request:
        return {"seconds": finder.listen(request["listen"], request["segment"])}
    if "build" in request:
        finder.build(request["build"])
        return {"seconds": time.perf_counter() - begun_s}
    found = [finder.find(text) for text in request["texts"]]
    return {"found": found, "seconds": time.perf_counter() - begun_s}


def main() -> None:
    system, view = sys.argv[1:]
    made: dict[str, type[Sketches]] = {"datasketch": Datasketch, "rensa": Rensa, "simhash": SimHash}
    finder = Finder(made[system](), view)
    print(json.dumps({"version": version_of(system)}), flush=True)
    for line in sys.stdin:
        print(json.dumps(answer(finder, json.loads(line))), flush=True)


if __name__ == "__main__":
    main()
