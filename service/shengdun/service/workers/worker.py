"""A worker: one complete server in a process of its own, which its parent starts with ``python -m``.

Standard input brings the plan, as one line, and ends when the parent does, however that died; the worker then stops by
itself. Standard output takes one line to the parent: that calls are taken, or why they can't be. The log goes to
standard error.
"""

import asyncio
import json
import os
import signal
import sys
import threading
import time
from contextlib import suppress
from typing import Final

import structlog

from shengdun.fingerprint.errors import ShengdunError
from shengdun.service import server, telemetry
from shengdun.service.workers.plan import Plan

STOP_S: Final = 20.0
"""What a stop may take beyond ``server.drain_s``, in seconds, before a worker is ended by force."""
SERVING: Final = "serving"
MESSAGE: Final = "message"
_FAILED: Final = 1
_log = structlog.get_logger(__name__)


def main() -> int:
    """Serve as the parent plans; gives the exit code."""
    line = _read_line()
    if not line.endswith(b"\n"):
        return _FAILED  # the parent is gone already
    plan = Plan.read(line)
    report = os.dup(1)
    os.dup2(2, 1)  # what libraries print is for the log, and not for the parent
    telemetry.configure_logging(plan.settings.log, worker=plan.place.number)
    _stop_with_parent(plan.settings.server.drain_s + STOP_S)
    try:
        asyncio.run(
            server.serve(
                plan.settings,
                place=plan.place,
                on_ready=lambda address: _tell(report, {SERVING: address}),
            )
        )
    except ShengdunError as error:
        _tell(report, {MESSAGE: error.message})
        return _FAILED
    except Exception:  # noqa: BLE001 - whatever it is belongs into the log with the worker's number
        _log.exception("worker failed")
        return _FAILED
    return 0


def _read_line() -> bytes:
    # Byte by byte: nothing may stay in a buffer, and it is read once.
    line = b""
    while not line.endswith(b"\n") and (byte := os.read(0, 1)):
        line += byte
    return line


def _stop_with_parent(longest_s: float) -> None:
    threading.Thread(target=_watch_parent, args=(longest_s,), name="parent", daemon=True).start()


def _watch_parent(longest_s: float) -> None:
    while os.read(0, 1):
        pass
    _log.warning("parent is gone, stopping")
    os.kill(os.getpid(), signal.SIGTERM)
    time.sleep(longest_s)
    os._exit(_FAILED)


def _tell(report: int, what: dict[str, str]) -> None:
    # A parent that has died meanwhile is noticed where it is watched.
    with suppress(BrokenPipeError):
        os.write(report, json.dumps(what).encode() + b"\n")


if __name__ == "__main__":
    sys.exit(main())
