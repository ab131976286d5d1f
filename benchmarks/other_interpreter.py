"""A peer in an interpreter of its own, which has what ours must not have: one line of JSON each way."""

import json
import subprocess
from collections.abc import Mapping
from pathlib import Path
from types import TracebackType
from typing import Any, Final, Self


class PeerUnavailable(Exception):
    """A peer can't be run here; the message says what is missing."""


class OtherInterpreter:
    """A running worker, which has said a line about itself at its start.

    Args:
        python: the interpreter.
        worker: the program that it runs.
        arguments: of that program.
        name: of the peer, for messages.
        hint: what to do when it can't be run.

    Attributes:
        about: what the worker said at its start.

    Raises:
        PeerUnavailable: the interpreter isn't there, or hasn't the peer.
    """

    def __init__(
        self, python: Path | str, worker: Path, *arguments: str, name: str, hint: str
    ) -> None:
        self._name = name
        self._hint = hint
        try:
            self._process = subprocess.Popen(
                [str(python), str(worker), *arguments],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
            )
        except OSError as error:
            raise PeerUnavailable(f"{python} can't be run: {error.strerror}") from error
        try:
            self.about: Final = self._answer()
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
        """End it; idempotent."""
        for pipe in (self._process.stdin, self._process.stdout):
            if pipe is not None:
                pipe.close()
        self._process.wait()

    def ask(self, request: Mapping[str, Any], more: bytes = b"") -> dict[str, Any]:
        """What the worker answers.

        Args:
            request: becomes one line.
            more: bytes that follow the line, as the request says how many.

        Raises:
            PeerUnavailable: it stopped.
        """
        assert self._process.stdin is not None
        try:
            self._process.stdin.write(json.dumps(request).encode() + b"\n" + more)
            self._process.stdin.flush()
        except OSError as error:
            raise PeerUnavailable(f"{self._name} stopped: {error.strerror}") from error
        return self._answer()

    def _answer(self) -> dict[str, Any]:
        assert self._process.stdout is not None
        line = self._process.stdout.readline()
        if not line:
            raise PeerUnavailable(f"{self._name} stopped; what it said is above. {self._hint}")
        answer: dict[str, Any] = json.loads(line)
        return answer
