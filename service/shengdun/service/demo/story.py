"""What the demo prints: plain text, at most 120 columns."""

import os
import platform
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Final

from shengdun.service.client import (
    Decision,
    DecisionState,
    Enrollment,
    EnrollmentReport,
    ErasureReceipt,
    RiskLevel,
    ServerInfo,
)
from shengdun.service.demo.calls import Outcome, PlayedCall
from shengdun.service.demo.cast import CALL, LINE, PRIOR, Cast, Enrolled, PlannedCall

_DASH: Final = "-"
_COLUMNS: Final = 120
_HEADER: Final = (
    f"  {'in call':>8}  {'state':<17}  {'level':<6}  {'prob.':>7}  {'net speech':>10}  {'latency':>8}  "
    f"{'closest':<7}  {'LLR':>6}  recommended"
)
_LEGEND: Final = (
    "prob.       that the caller is on a watchlist; level and recommendation follow from it by the line's policy",
    "latency     from the arrival of the chunk that completed the evidence to the writing of the decision",
    "LLR         natural-log likelihood ratio: this actor against a stranger; 0 says nothing",
)


def opening(cast: Cast, info: ServerInfo) -> Iterator[str]:
    """What is about to happen."""
    known = sum(call.known for call in cast.calls)
    speakers = {call.speaker for call in cast.calls if call.speaker}
    yield f"server      Shengdun {info.version}, model {info.model_id}"
    yield f"            calibration profile {info.calibration_profile_id}"
    yield f"voices      {len(speakers)} speakers of public council meetings, shown as S1 to S9"
    yield (
        f"plan        enrol {len(cast.enrolled)} of them from meeting {cast.meeting}; play the first "
        f"{CALL.total_seconds():.0f} s of recordings of other meetings"
    )
    yield (
        f"            as live calls (PCMU 8 kHz, 100 ms chunks): {known} by enrolled speakers, "
        f"{len(cast.calls) - known - 1} by strangers, 1 without speech"
    )
    yield f"line        {LINE}: {PRIOR:.0%} of its calls are taken to come from listed agents before anything is heard"
    yield from _LEGEND


def unjudged() -> Iterator[str]:
    """That what follows says nothing about accuracy."""
    yield "note        this voice model has no calibration profile; one was fitted on the spot, from the recordings"
    yield "            that people are enrolled from. It shows that every step works with the model; who is"
    yield "            recognised says nothing about accuracy. `shengdun calibrate` makes a profile to rely on."


def enrolled(who: Enrolled, enrollment: Enrollment) -> Iterator[str]:
    """What the enrolment of one speaker found."""
    [report] = enrollment.report.recordings
    snr_db = report.audio_quality.snr_db
    voices = (
        "one voice"
        if not report.other_voice_share
        else f"other voices {report.other_voice_share:.0%}"
    )
    yield (
        f"  {who.speaker}  {enrollment.outcome.value:<10}  net speech {report.net_speech.total_seconds():5.1f} s  "
        f"SNR {_DASH if snr_db is None else format(snr_db, '.0f'):>3} dB  {voices:<16}  {', '.join(who.watchlist_ids)}"
    )
    for found in enrollment.report.likely_duplicates:
        yield f"      sounds like {found.display_name} (LLR {found.llr:+.1f}); registered all the same"


def refused(who: Enrolled, report: EnrollmentReport) -> Iterator[str]:
    """Why a recording of a speaker was not taken."""
    for recording in report.recordings:
        yield f"  {who.speaker}  refused: {recording.unfit_message}"


def played(call: PlayedCall, speakers: Mapping[str, str]) -> Iterator[str]:
    """One call, state by state."""
    yield from table(call.plan, call.decisions, speakers)
    last = level_name(call.decisions[-1].level) if call.decisions else _DASH
    yield f"  => {call.outcome.value} (level {last}){f': {call.problem}' if call.problem else ''}"


def table(
    plan: PlannedCall, decisions: Sequence[Decision], speakers: Mapping[str, str]
) -> Iterator[str]:
    """The decisions of a call, one on a line."""
    yield ""
    yield f"call {plan.call_id}: {_who(plan)}"
    yield _HEADER
    for decision in decisions:
        yield from _decision(decision, speakers)


def _who(plan: PlannedCall) -> str:
    if plan.speaker is None:
        return "nobody speaks, ringback tones only"
    known = "enrolled" if plan.known else "a stranger"
    return f"{plan.speaker}, {known}, in meeting {plan.meeting}"


def _decision(decision: Decision, speakers: Mapping[str, str]) -> Iterator[str]:
    best = decision.best
    probability = _DASH if decision.probability is None else f"{decision.probability:.2%}"
    latency = (
        f"{decision.latency.total_seconds() * 1000:.0f} ms" if has_evidence(decision) else _DASH
    )
    seconds = decision.net_speech.total_seconds()
    line = (
        f"  {decision.audio_position.total_seconds():6.1f} s  {decision.state.name:<17}  "
        f"{level_name(decision.level):<6}  {probability:>7}  {seconds:8.1f} s  {latency:>8}  "
        f"{_DASH if best is None else speakers.get(best.actor_id, best.actor_id):<7}  "
        f"{_DASH if best is None else format(best.llr, '+.1f'):>6}  {decision.recommended_action}"
    )
    notes = [finding.value for finding in decision.audio_quality.findings]
    notes += [reason.value for reason in decision.partial_reasons]
    if decision.words is not None and decision.words.scripts:
        notes.append(f"script {decision.words.llr:+.1f}")
    remark = f"[{', '.join(notes)}]" if notes else ""
    if len(line) + 1 + len(remark) <= _COLUMNS:
        yield f"{line} {remark}".rstrip()
    else:
        yield line
        yield f"{'':>12}{remark}"


def level_name(level: RiskLevel | None) -> str:
    """A level, or that there is none."""
    return _DASH if level is None else level.name


def has_evidence(decision: Decision) -> bool:
    """Whether speech was evaluated for it, so that its latency is that of a window."""
    return decision.state is not DecisionState.NOT_ENOUGH_SPEECH


def receipt(speaker: str, given: ErasureReceipt) -> Iterator[str]:
    """The receipt of an erasure."""
    yield f"  {speaker} erased: receipt {given.receipt_id}, {given.voiceprints_erased} voiceprint(s) gone,"
    yield f"  journal entry {given.journal_sequence}, signature {given.signature[:16]}..."


def summary(
    calls: Sequence[PlayedCall], *, info: ServerInfo, wall_s: float, paced: bool
) -> Iterator[str]:
    """The table at the end."""
    known = [call for call in calls if call.plan.known]
    strangers = [call for call in calls if not call.plan.known]
    latencies = sorted(
        decision.latency.total_seconds() * 1000
        for call in calls
        for decision in call.decisions
        if has_evidence(decision)
    )
    yield "summary"
    yield f"  calls by enrolled speakers   {len(known)}"
    for outcome in (Outcome.DETECTED, Outcome.MISSED, Outcome.WRONG_ACTOR):
        yield f"    {outcome.value:<25}  {_count(known, outcome)}{_levels(known, outcome)}"
    yield f"  genuine calls                {len(strangers)} (one of them without speech)"
    false_flags = Outcome.FALSE_FLAG
    yield f"    false flags                {_count(strangers, false_flags)}{_levels(strangers, false_flags)}"
    yield f"  calls that failed            {_count(calls, Outcome.FAILED)}"
    if latencies:
        unpaced = "" if paced else " (sent faster than speech: it waited)"
        yield (
            f"  decision latency             p50 {percentile(latencies, 50):.0f} ms, "
            f"p99 {percentile(latencies, 99):.0f} ms of {len(latencies)} decisions{unpaced}"
        )
    yield f"  wall time                    {wall_s:.1f} s"
    yield f"  machine                      {machine()}"
    yield f"  model                        {info.model_id}"
    yield f"  calibration profile          {info.calibration_profile_id}"
    reasons = {
        reason for call in calls for each in call.decisions for reason in each.advisory_reasons
    }
    if reasons:
        told = ", ".join(sorted(reason.name for reason in reasons))
        yield f"  all this is advisory         {told}: no rate of false flags is promised"


def _levels(calls: Sequence[PlayedCall], outcome: Outcome) -> str:
    """At which levels the flagged ones of these calls ended."""
    last = [
        call.decisions[-1].level for call in calls if call.outcome is outcome and call.decisions
    ]
    counts = [(level, last.count(level)) for level in (RiskLevel.HIGH, RiskLevel.MEDIUM)]
    shown = ", ".join(f"{count} at {level.name}" for level, count in counts if count)
    return f" ({shown})" if shown else ""


def _count(calls: Sequence[PlayedCall], outcome: Outcome) -> int:
    return sum(call.outcome is outcome for call in calls)


def percentile(ordered: Sequence[float], per_cent: int) -> float:
    """The smallest value that so many per cent of the values don't exceed (nearest rank)."""
    rank = -(-len(ordered) * per_cent // 100)
    return ordered[max(rank, 1) - 1]


def machine() -> str:
    """Cores that may be used, and what they are."""
    return f"{len(os.sched_getaffinity(0))} cores, {_processor()}, {platform.system()} {platform.release()}"


def _processor() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    except OSError:
        lines = []
    names = (line.partition(":")[2].strip() for line in lines if line.startswith("model name"))
    return next(names, platform.machine())
