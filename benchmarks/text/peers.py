"""The peers of the text benchmark, each run by an interpreter that has them, and each with the view that suits it best.

A peer is a sketch of the runs of five characters in a text. Compared whole, a call with a tenth of a script in it is
like no script; so each peer also looks through windows, of a script's length or short ones against short pieces of the
scripts. The report has all of them, and takes the best as the peer.
"""

import json
import subprocess
from collections.abc import Mapping, Sequence
from enum import StrEnum
from pathlib import Path
from types import TracebackType
from typing import Any, Final, Self

from benchmarks.text.systems import NOTHING, SEGMENT, Finding, Findings, Stretch

_WORKER: Final = Path(__file__).with_name("peer_worker.py")
_BATCH: Final = 200


class PeerUnavailable(Exception):
    """A peer can't be run here; the message says what is missing."""


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


class Peer:
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
        try:
            self._process = subprocess.Popen(
                [str(python), str(_WORKER), peer, view],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                text=True,
                encoding="utf-8",
            )
        except OSError as error:
            raise PeerUnavailable(f"{python} can't be run: {error.strerror}") from error
        try:
            self._version = str(self._answer()["version"])
        except PeerUnavailable:
            self.close()
            raise

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def close(self) -> None:
        """End the other interpreter."""
        for pipe in (self._process.stdin, self._process.stdout):
            if pipe is not None:
                pipe.close()
        self._process.wait()

    @property
    def name(self) -> str:
        """What the report calls it."""
        return f"{self.peer}, {self.view}"

    @property
    def version(self) -> str:
        """Of the peer's package."""
        return self._version

    def build(self, scripts: Mapping[str, str]) -> float:
        """As ``System.build`` says."""
        return float(self._asked({"build": dict(scripts)})["seconds"])

    def find(self, texts: Sequence[str]) -> Findings:
        """As ``System.find`` says; the time is the other interpreter's own, without the pipe between."""
        found: list[Finding] = []
        seconds = 0.0
        for start in range(0, len(texts), _BATCH):
            answer = self._asked({"texts": list(texts[start : start + _BATCH])})
            found.extend(_finding(*row) for row in answer["found"])
            seconds += answer["seconds"]
        return Findings(found=tuple(found), seconds=seconds)

    def listen(self, text: str) -> list[float]:
        """As ``System.listen`` says, of the one window that ends with each segment."""
        return [float(s) for s in self._asked({"listen": text, "segment": SEGMENT})["seconds"]]

    def _asked(self, request: dict[str, Any]) -> dict[str, Any]:
        assert self._process.stdin is not None
        try:
            self._process.stdin.write(json.dumps(request) + "\n")
            self._process.stdin.flush()
        except OSError as error:
            raise PeerUnavailable(f"{self.peer} stopped: {error.strerror}") from error
        return self._answer()

    def _answer(self) -> dict[str, Any]:
        assert self._process.stdout is not None
        line = self._process.stdout.readline()
        if not line:
            raise PeerUnavailable(
                f"{self.peer} stopped; what it said is above. `make .venv-text` installs it"
            )
        answer: dict[str, Any] = json.loads(line)
        return answer


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
