"""What a run amounts to: shares, percentiles and rates of the part of it that is measured."""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import groupby
from typing import Any, Final

from shengdun.service.client import PartialReason
from shengdun.service.load.crew import End, Played
from shengdun.service.load.histogram import Histogram
from shengdun.service.load.tally import Slice

IN_TIME: Final = 0.99
"""The share of windows to be answered in time: p99 within the budget, what has no full answer counted as late."""
FEW: Final = 100
"""With fewer windows than this a 99th percentile is the slowest few."""
_MOST_LATE: Final = 0.01
_MOST_CPU: Final = 0.9
_PERCENTILES: Final = (50, 90, 95, 99, 99.9)


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """One run of a scenario.

    Attributes:
        name: what it is within the scenario.
        played: what was counted.
        from_s: where the measured part begins, in seconds of the plan.
        until_s: where it ends.
        budget_s: within which decisions have to come.
    """

    name: str
    played: Played
    from_s: float
    until_s: float
    budget_s: float

    @property
    def measured(self) -> Slice:
        """What was counted in the measured part."""
        return self.played.tally.between(self.from_s, self.until_s)

    @property
    def whole(self) -> Slice:
        """What was counted in all of the run, the warm-up and what came after the plan's end included."""
        return self.played.tally.between(0, float("inf"))

    @property
    def in_time_share(self) -> float | None:
        """Windows that were answered completely and in time, of all that were answered; None without any."""
        measured = self.measured
        return measured.in_time / measured.windows if measured.windows else None

    @property
    def passed(self) -> bool:
        """Whether the server kept the budget at this load: p99 in time, no call failed or refused, and it was asked."""
        share = self.in_time_share
        return (
            self.played.end is End.PLANNED
            and not self.whole.failed.total()
            and share is not None
            and share >= IN_TIME
        )

    @property
    def client_limits(self) -> tuple[str, ...]:
        """Why the client, and not the server, may have been the limit; empty when it was not."""
        whole = self.whole
        found = []
        late = whole.late - whole.held
        if whole.sent and late / whole.sent > _MOST_LATE:
            found.append(
                f"{late / whole.sent:.1%} of the chunks were sent late, though the server made nothing wait; "
                "give the client cores of its own, or more --processes"
            )
        busy = [share for share in self.played.cpu_shares if share > _MOST_CPU]
        if busy:
            found.append(
                f"{len(busy)} of {len(self.played.cpu_shares)} client processes used a whole core; "
                "give more --processes"
            )
        return tuple(found)


def summary(step: Step) -> dict[str, Any]:
    """The figures of a run as JSON has them; latencies in milliseconds, shares of 1, None where there is nothing."""
    played = step.played
    return {
        "step": step.name,
        "ended": played.end.value,
        "passed": step.passed,
        "plan_id": played.plan.plan_id,
        "rate_per_s": played.plan.rate_per_s,
        "lasted_s": played.lasted_s,
        "measured_from_s": step.from_s,
        "measured_until_s": min(step.until_s, played.lasted_s),
        "calls": _calls(step),
        "decisions": _decisions(step),
        "latency_ms": _latencies(step.measured),
        "by_net_speech": [
            {"net_speech_s": at, "decisions": histogram.count, **_percentiles(histogram)}
            for at, histogram in sorted(played.tally.by_net_speech.items())
        ],
        "client": _client(step),
        "server": server_usage(step),
        "store_unreachable": stale_spans(step),
        "clock_steps_s": played.clock_steps_s,
    }


def _calls(step: Step) -> dict[str, Any]:
    whole, played = step.whole, step.played
    return {
        "planned": len(played.plan.calls),
        "begun": whole.begun,
        "ended": whole.ended,
        "good": whole.good,
        "recorded_audio_s": whole.audio_s,
        "goodput": _share(whole.good, whole.begun),
        "shed_share": _share(whole.shed, whole.begun),
        "failed_share": _share(whole.failed.total() - whole.shed, whole.begun),
        "failed": dict(whole.failed),
        "examples": played.tally.examples,
        "most_live": played.most_live,
    }


def _decisions(step: Step) -> dict[str, Any]:
    whole, measured, tally = step.whole, step.measured, step.played.tally
    measured_s = min(step.until_s, step.played.lasted_s) - step.from_s
    return {
        "all": whole.decisions,
        "windows": measured.windows,
        "windows_per_s": measured.windows / measured_s if measured_s > 0 else None,
        "in_time_share": step.in_time_share,
        "unfinished": measured.unfinished,
        "partial": dict(whole.partial),
        "partial_share": _share(whole.partial.total(), whole.decisions),
        "lost": tally.lost,
        "unconcluded_calls": tally.unconcluded,
        "last_states": dict(tally.states),
        "chunk_inferred": whole.estimated,
    }


def _client(step: Step) -> dict[str, Any]:
    whole, played = step.whole, step.played
    return {
        "chunks": whole.sent,
        "segments": whole.segments,
        "late_share": _share(whole.late, whole.sent),
        "late_by_server_share": _share(whole.held, whole.sent),
        "worst_late_ms": 1000 * played.tally.worst_late_s,
        "cpu_shares": played.cpu_shares,
        "limits": step.client_limits,
    }


def server_usage(step: Step) -> dict[str, Any] | None:
    """Memory and processor time of a server that could be watched."""
    usage = step.played.usage
    if len(usage) < 2:
        return None
    first, last = usage[0], usage[-1]
    cpu_s = last.cpu_s - first.cpu_s
    whole = step.whole
    half = usage[len(usage) // 2 :]
    return {
        "memory_mb_first": first.memory_bytes / 1e6,
        "memory_mb_last": last.memory_bytes / 1e6,
        "memory_mb_most": max(one.memory_bytes for one in usage) / 1e6,
        "memory_mb_growth_second_half": (half[-1].memory_bytes - half[0].memory_bytes) / 1e6,
        "cores": cpu_s / max(last.at_s - first.at_s, 1e-9),
        "cpu_s_per_call": cpu_s / whole.begun if whole.begun else None,
    }


def stale_spans(step: Step) -> list[tuple[int, int]]:
    """From which to which second of the plan decisions were made from watchlists of a last snapshot."""
    stale = PartialReason.WATCHLISTS_STALE.name
    slices = step.played.tally.slices
    seconds = sorted(at for at, part in slices.items() if part.partial[stale])
    # Neighbours have the same difference to their place among all.
    spans = groupby(enumerate(seconds), key=lambda entry: entry[1] - entry[0])
    found = [[second for _, second in span] for _, span in spans]
    return [(span[0], span[-1] + 1) for span in found]


def recovery_s(step: Step, after_s: float, *, steady_s: int = 5) -> float | None:
    """How long after a moment the budget was kept again: the first second that begins ``steady_s`` in which it was.

    None when that didn't happen before the run ended.
    """
    second = int(after_s)
    while second + steady_s <= step.until_s:
        part = step.played.tally.between(second, second + steady_s)
        if part.windows and part.in_time / part.windows >= IN_TIME:
            return second - after_s
        second += 1
    return None


def decisive(steps: Sequence[Step], *, searched: bool) -> Step | None:
    """The run that the outcome rests on: of a search the lowest rate that failed, otherwise the last run."""
    failed = [step for step in steps if searched and not step.passed]
    lowest = min(failed, key=lambda step: step.played.plan.rate_per_s, default=None)
    return lowest or (steps[-1] if steps else None)


def warnings(steps: Sequence[Step]) -> list[str]:
    """What a reader must know before believing the figures."""
    found = []
    for step in steps:
        played = step.played
        found += [f"{step.name}: the client was the limit: {why}" for why in step.client_limits]
        if not played.plan.calls and not step.measured.begun:
            found.append(
                f"{step.name}: no call was planned; raise the rate, the duration or the calls"
            )
        elif played.end is not End.PLANNED:
            found.append(
                f"{step.name}: ended after {played.lasted_s:.1f} of {played.plan.duration_s:.1f} s: {played.end.value}"
            )
        if played.clock_steps_s:
            found.append(
                f"{step.name}: the wall clock was set by {', '.join(f'{s:+.1f} s' for s in played.clock_steps_s)}; "
                "nothing here is measured by it"
            )
        found += [
            f"{step.name}: the server's store could not be reached from {start} to {end} s"
            for start, end in stale_spans(step)
        ]
        if 0 < step.measured.windows < FEW:
            found.append(
                f"{step.name}: only {step.measured.windows} windows; p99 is the slowest of them"
            )
        if step.measured.estimated:
            found.append(
                f"{step.name}: the server doesn't say which chunk a decision answers; latencies are off by up to one"
            )
    return found


def _latencies(measured: Slice) -> dict[str, Any]:
    named = {
        "complete": measured.complete,
        "first_answer": measured.first,
        "served": measured.served,
        "by_words": measured.by_words,
        "opened": measured.opened,
        "refused": measured.refused,
    }
    return {
        name: {"count": histogram.count, **_percentiles(histogram)}
        for name, histogram in named.items()
        if histogram.count
    }


def _percentiles(histogram: Histogram) -> dict[str, float | None]:
    read = {f"p{each:g}": histogram.percentile_s(each) for each in _PERCENTILES}
    read |= {"max": histogram.longest_s, "mean": histogram.mean_s}
    return {name: None if s is None else round(1000 * s, 3) for name, s in read.items()}


def _share(part: int, whole: int) -> float | None:
    return part / whole if whole else None
