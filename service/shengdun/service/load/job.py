"""What one worker process is told to do; one line of JSON on its standard input."""

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Self

from shengdun.service.client import AudioEncoding
from shengdun.service.load.plan import PlannedCall
from shengdun.service.load.reel import Clip


@dataclass(frozen=True, slots=True, kw_only=True)
class Server:
    """The server under test, and what is shown to it.

    Attributes:
        address: host and port.
        token: access token.
        ca_certificate: PEM file; turns TLS on.
        client_certificate: PEM file.
        client_key: PEM file.
    """

    address: str
    token: str | None = None
    ca_certificate: str | None = None
    client_certificate: str | None = None
    client_key: str | None = None

    @property
    def options(self) -> dict[str, Any]:
        """As ``ShengdunClient.connect`` takes them beside the address."""
        files = {
            "ca_certificate": self.ca_certificate,
            "client_certificate": self.client_certificate,
            "client_key": self.client_key,
        }
        return {"token": self.token} | {
            name: None if file is None else Path(file) for name, file in files.items()
        }


@dataclass(frozen=True, slots=True, kw_only=True)
class Rules:
    """How calls are made and judged.

    Attributes:
        line: line of business; empty is the server's default.
        watchlist_ids: watchlists to screen; none means the line's.
        chunk_s: audio in one message.
        budget_s: within which decisions have to come, from the planned time of their chunk.
        ask_budget: whether calls ask the server for this budget, or leave it to its line.
        late_s: a chunk sent later than planned by more than this counts as late.
        grace_s: how long calls may still run after the plan has ended.
        connections: connections of each process; a server of several processes shares calls out by connection.
    """

    line: str = ""
    watchlist_ids: tuple[str, ...] = ()
    chunk_s: float
    budget_s: float
    ask_budget: bool = False
    late_s: float
    grace_s: float
    connections: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Job:
    """A share of a plan.

    Attributes:
        server: where calls go to.
        rules: how they are made and judged.
        run_id: begins every call id, so that runs don't meet.
        began_at: when the run begins, on the clock of ``time.monotonic``, which all processes of a machine share.
        duration_s: when the plan ends.
        reel: file of the audio.
        clips: what is in it.
        calls: the calls of this process.
        recordings: files to be screened whole instead of calls, and how many seconds each lasts.
        at_once: recordings that are screened at the same time.
        transcripts: file of what callers say in words; empty for calls without transcripts.
    """

    server: Server
    rules: Rules
    run_id: str
    began_at: float
    duration_s: float
    reel: str
    clips: tuple[Clip, ...]
    calls: tuple[PlannedCall, ...] = ()
    recordings: tuple[tuple[str, float], ...] = ()
    at_once: int = 1
    transcripts: str = ""

    def to_line(self) -> bytes:
        """The job as the line that a worker reads."""
        content = asdict(self)
        content["clips"] = [(clip.encoding.name, clip.start, clip.size) for clip in self.clips]
        content["calls"] = _rows(self.calls)
        return json.dumps(content).encode() + b"\n"

    @classmethod
    def from_line(cls, line: bytes) -> Self:
        """The job that ``to_line`` wrote."""
        content = json.loads(line)
        rules = content["rules"] | {"watchlist_ids": tuple(content["rules"]["watchlist_ids"])}
        given = {
            "server": Server(**content["server"]),
            "rules": Rules(**rules),
            "recordings": tuple((file, length_s) for file, length_s in content["recordings"]),
            "clips": tuple(
                Clip(encoding=AudioEncoding[encoding], start=start, size=size)
                for encoding, start, size in content["clips"]
            ),
            "calls": tuple(
                PlannedCall(
                    number=number,
                    start_s=start_s,
                    length_s=length_s,
                    clip=clip,
                    offset_s=offset_s,
                    cut=cut,
                )
                for number, start_s, length_s, clip, offset_s, cut in content["calls"]
            ),
        }
        return cls(**(content | given))


def _rows(calls: Sequence[PlannedCall]) -> list[tuple[Any, ...]]:
    return [(c.number, c.start_s, c.length_s, c.clip, c.offset_s, c.cut) for c in calls]
