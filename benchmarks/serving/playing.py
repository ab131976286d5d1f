"""Plays plans with the product's load harness, whatever system answers, and from the same recordings every time."""

import asyncio
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Final

from shengdun.service.load.crew import Crew, Played
from shengdun.service.load.job import Rules, Server
from shengdun.service.load.lengths import CallLengths, LengthKind
from shengdun.service.load.plan import Draw, Plan
from shengdun.service.load.reel import Reel, record_reel
from shengdun.service.load.tally import Tally

BUDGET_S: Final = 0.3
CHUNK_S: Final = 0.1
LATE_S: Final = 0.02
GRACE_S: Final = 3.0
CONNECTIONS: Final = 4

Watch = Callable[[Tally, float], bool]
"""Told once a second what was counted and how many seconds were played; says whether to stop."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Stage:
    """What every system is asked with.

    Attributes:
        reel: what callers say.
        seed: of everything that is drawn.
    """

    reel: Reel
    seed: int

    def draw(self, call_s: float, *, repetition: int = 0) -> Draw:
        """Calls of one length; the same for every system of a repetition."""
        return Draw(
            seed=self.seed + repetition,
            lengths=CallLengths(kind=LengthKind.FIXED, low_s=call_s, high_s=call_s),
            clips_s=[clip.length_s for clip in self.reel.clips],
        )

    def play(self, address: str, plan: Plan, watch: Watch = lambda *_: False) -> Played:
        """Plays a plan to a server, to its end or until ``watch`` says so."""
        return asyncio.run(self._play(address, plan, watch))

    async def _play(self, address: str, plan: Plan, watch: Watch) -> Played:
        stopping = asyncio.Event()

        def tell(tally: Tally, played_s: float, _planned_s: float, _live: int) -> None:
            if watch(tally, played_s):
                stopping.set()

        crew = Crew(
            server=Server(address=address),
            rules=Rules(
                chunk_s=CHUNK_S,
                budget_s=BUDGET_S,
                late_s=LATE_S,
                grace_s=GRACE_S,
                connections=CONNECTIONS,
            ),
            reel=self.reel,
            processes=1,
            stopping=stopping,
            tell=tell,
        )
        return await crew.play(plan)


@contextmanager
def stage(models: Path, *, seed: int) -> Iterator[Stage]:
    """The demonstration's recordings through telephone codecs, while they are used."""
    with TemporaryDirectory() as directory:
        reel = record_reel(None, models, Path(directory), tell=lambda *_: None)
        yield Stage(reel=reel, seed=seed)
