"""The peers of the text benchmark, each run by an interpreter that has them, and each with the view that suits it best.

A peer is a sketch of the runs of five characters in a text. Compared whole, a call with a tenth of a script in it is
like no script; so each peer also looks through windows, of a script's length or short ones against short pieces of the
scripts. The report has all of them, and takes the best as the peer.
"""

from collections.abc import Mapping, Sequence
from enum import StrEnum
from pathlib import Path
from typing import Final

from benchmarks.other_interpreter import OtherInterpreter
from benchmarks.text.systems import NOTHING, SEGMENT, Finding, Findings, Stretch

_WORKER: Final = Path(__file__).with_name("peer_worker.py")
_BATCH: Final = 200


class PeerName(StrEnum):
    """Which peer."""

    DATASKETCH = "datasketch"
    SIMHASH = "simhash"
    RENSA = "rensa"


class View(StrEnum):
    """What a peer compares with what."""

    WHOLE = "whole"
    """All of the text with all of the script."""
    SCRIPT = "script"
    """Every window of the text that is as long as a script with all of the script."""
    SHORT = "short"
    """Every window of 60 characters of the text with every such piece of the script."""


class Peer(OtherInterpreter):
    """One peer with one view, in a process of its own.

    Args:
        python: an interpreter with what ``requirements/text-peers.lock`` says.
        peer: which.
        view: what it compares.

    Raises:
        PeerUnavailable: the interpreter isn't there, or hasn't the peer.
    """

    def __init__(self, python: Path, peer: PeerName, view: View) -> None:
        self.peer: Final = peer
        self.view: Final = view
        super().__init__(
            python, _WORKER, peer, view, name=peer, hint="`make .venv-text` installs it"
        )

    @property
    def name(self) -> str:
        """What the report calls it."""
        return f"{self.peer}, {self.view}"

    @property
    def version(self) -> str:
        """Of the peer's package."""
        return str(self.about["version"])

    def build(self, scripts: Mapping[str, str]) -> float:
        """As ``System.build`` says."""
        return float(self.ask({"build": dict(scripts)})["seconds"])

    def find(self, texts: Sequence[str]) -> Findings:
        """As ``System.find`` says; the time is the other interpreter's own, without the pipe between."""
        found: list[Finding] = []
        seconds = 0.0
        for start in range(0, len(texts), _BATCH):
            answer = self.ask({"texts": list(texts[start : start + _BATCH])})
            found.extend(_finding(*row) for row in answer["found"])
            seconds += answer["seconds"]
        return Findings(found=tuple(found), seconds=seconds)

    def listen(self, text: str) -> list[float]:
        """As ``System.listen`` says, of the one window that ends with each segment."""
        return [float(s) for s in self.ask({"listen": text, "segment": SEGMENT})["seconds"]]


def _finding(script_id: str | None, score: float, stretches: list[list[float]]) -> Finding:
    if script_id is None:
        return NOTHING
    return Finding(
        script_id=script_id,
        score=score,
        stretches=tuple(
            Stretch(start=int(start), end=int(end), score=score) for start, end, score in stretches
        ),
    )
