"""Systems that find scripts in texts, behind one adapter: the product's here, the peers' in ``peers.py``."""

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from importlib import metadata
from typing import Final, Protocol

SEGMENT: Final = 20
"""Characters of a transcript that a line sends at a time."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Stretch:
    """Characters ``[start, end)`` of a text that a system says come from the script, and how sure it is of them."""

    start: int
    end: int
    score: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """What a system says of one text: the script that it finds likeliest."""

    script_id: str | None
    """None where nothing speaks for any."""
    score: float
    """In the system's own measure, more is surer; ``-inf`` with no script. Compared with one threshold."""
    stretches: tuple[Stretch, ...]


NOTHING: Final = Finding(script_id=None, score=float("-inf"), stretches=())


@dataclass(frozen=True, slots=True, kw_only=True)
class Findings:
    """What a system says of several texts, and how long it took over them."""

    found: tuple[Finding, ...]
    seconds: float = field(compare=False)


class System(Protocol):
    """A system that knows scripts and finds them in texts."""

    @property
    def name(self) -> str:
        """What the report calls it."""
        ...

    @property
    def version(self) -> str:
        """Of what does the work."""
        ...

    def build(self, scripts: Mapping[str, str]) -> float:
        """Take scripts in, by id, once; seconds that it took."""
        ...

    def find(self, texts: Sequence[str]) -> Findings:
        """The likeliest script of each text, one text after the other on one core."""
        ...

    def listen(self, text: str) -> list[float]:
        """Seconds for each segment of ``SEGMENT`` characters, as they arrive during a call."""
        ...


class Ours:
    """The product's ``ScriptIndex``; its score is the log-likelihood ratio of the best script."""

    def __init__(self) -> None:
        # Imported here: the peers run, and are tested, on their own.
        from shengdun.index.scripts.matching import ScriptIndex  # noqa: PLC0415

        self._index = ScriptIndex()

    @property
    def name(self) -> str:
        """What the report calls it."""
        return "ours"

    @property
    def version(self) -> str:
        """The package's."""
        return f"shengdun {metadata.version('shengdun')}"

    def build(self, scripts: Mapping[str, str]) -> float:
        """As ``System.build`` says."""
        begun_s = time.perf_counter()
        self._index.extend(scripts.items())
        return time.perf_counter() - begun_s

    def find(self, texts: Sequence[str]) -> Findings:
        """As ``System.find`` says."""
        begun_s = time.perf_counter()
        found = tuple(self._best(text) for text in texts)
        return Findings(found=found, seconds=time.perf_counter() - begun_s)

    def listen(self, text: str) -> list[float]:
        """As ``System.listen`` says."""
        listener = self._index.listener()
        taken_s = []
        for start in range(0, len(text), SEGMENT):
            begun_s = time.perf_counter()
            listener.hear(text[start : start + SEGMENT])
            taken_s.append(time.perf_counter() - begun_s)
        return taken_s

    def _best(self, text: str) -> Finding:
        matches = self._index.match(text, limit=1)
        if not matches:
            return NOTHING
        best = matches[0]
        return Finding(
            script_id=best.script_id,
            score=best.llr,
            stretches=tuple(
                Stretch(start=passage.text_start, end=passage.text_end, score=best.llr)
                for passage in best.passages
            ),
        )
