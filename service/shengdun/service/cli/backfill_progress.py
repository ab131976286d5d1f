"""How a backfill goes, for whoever waits for it: one line that is written over in a terminal, or one now and then."""

import sys
import time
from datetime import timedelta
from typing import Final

from shengdun.service.backfill.results import CallResult
from shengdun.service.backfill.run import Totals

_EVERY_S: Final = 10.0
_ON_TERMINAL_S: Final = 0.2
_MOST_TOLD: Final = 20


class Progress:
    """Tells on standard error how a run goes, while it is entered."""

    def __init__(self) -> None:
        self._began_s = time.monotonic()
        self._told_s = self._began_s
        self._told = 0
        self._line_is_open = False

    def close(self) -> None:
        """End the line that is written over."""
        if self._line_is_open:
            print(file=sys.stderr, flush=True)
            self._line_is_open = False

    def tell(self, result: CallResult, totals: Totals) -> None:
        """Tell of a call that is not in, and how the run goes, if it is time to."""
        if not result.outcome.is_in:
            self._tell_problem(result)
        now_s = time.monotonic()
        every_s = _ON_TERMINAL_S if sys.stderr.isatty() else _EVERY_S
        if now_s - self._told_s >= every_s:
            self._told_s = now_s
            self._write(in_words(totals, elapsed_s=now_s - self._began_s))

    def _tell_problem(self, result: CallResult) -> None:
        self._told += 1
        if self._told > _MOST_TOLD:
            return
        self.close()
        more = "; further ones are in --results" if self._told == _MOST_TOLD else ""
        print(
            f"row {result.row}: {result.path}: {result.outcome.value}: {result.message}{more}",
            file=sys.stderr,
            flush=True,
        )

    def _write(self, line: str) -> None:
        if sys.stderr.isatty():
            print(f"\r{line}\033[K", end="", file=sys.stderr, flush=True)
            self._line_is_open = True
        else:
            print(line, file=sys.stderr, flush=True)


def in_words(totals: Totals, *, elapsed_s: float) -> str:
    """How far a run is, how fast it is, and how long it still takes.

    Args:
        totals: so far.
        elapsed_s: since it began.
    """
    done = f"{totals.done} of {totals.rows} calls"
    if not totals.sent or elapsed_s <= 0.0:
        return done
    speed = f", {totals.audio_s / 3600:.1f} h of audio at {totals.audio_s / elapsed_s:.1f} times the speed of speech"
    left_s = elapsed_s * (totals.size - totals.sent) / totals.sent
    return f"{done}{speed}, {timedelta(seconds=round(left_s))} left"
