"""How a decision looks in one line of a terminal."""

from collections import Counter

from shengdun.service.cli.in_shadow import shadow_notes
from shengdun.service.client import Decision

_DASH = "-"


def decision_line(decision: Decision, *, timed: bool) -> str:
    """Time in the call, state, level, probability, net speech, latency if it is timed, candidate, action."""
    best = decision.best
    parts = [
        f"{decision.audio_position.total_seconds():6.1f} s",
        f"{decision.state.name:<17}",
        f"{level(decision):<6}",
        f"p {probability(decision):>7}",
        f"net {decision.net_speech.total_seconds():4.1f} s",
        *([f"after {decision.latency.total_seconds() * 1000:4.0f} ms"] if timed else []),
        _DASH if best is None else f"{best.actor_id} LLR {best.llr:+.1f}",
        decision.recommended_action,
    ]
    reasons = [finding.value for finding in decision.audio_quality.findings]
    reasons += [reason.value for reason in decision.partial_reasons]
    reasons += shadow_notes(decision)
    reasons += word_notes(decision)
    reasons += handover_notes(decision)
    reasons += repeat_notes(decision)
    if decision.advisory:
        reasons.append("advisory: " + " ".join(each.value for each in decision.advisory_reasons))
    return "  ".join(parts) + (f"  [{', '.join(reasons)}]" if reasons else "")


def summary_row(decision: Decision | None) -> tuple[str, ...]:
    """State, level, probability, net speech, best actor and its LLR; for a failure only that."""
    if decision is None:
        return ("failed", *[_DASH] * 5)
    best = decision.best
    return (
        decision.state.name,
        level(decision),
        probability(decision),
        f"{decision.net_speech.total_seconds():.1f} s",
        _DASH if best is None else best.actor_id,
        _DASH if best is None else f"{best.llr:+.1f}",
    )


def word_notes(decision: Decision) -> list[str]:
    """What the words may follow, labels in them, and what is unusual about the transcript."""
    if decision.words is None:
        return []
    scripts = [
        f"script {each.script_id} LLR {each.llr:+.1f} {each.script_share:.0%}"
        for each in decision.words.scripts
    ]
    campaigns = [
        f"campaign {flag.script_campaign.campaign_id} LLR {flag.llr:+.1f}"
        for flag in decision.flags
        if flag.script_campaign is not None
    ]
    labels = Counter(each.label for each in decision.words.labels)
    notices = [f"{each.count} {each.issue.value}" for each in decision.words.notices]
    return [
        *scripts,
        *campaigns,
        *([f"labels: {' '.join(map(_counted, labels.items()))}"] if labels else []),
        *([f"transcript: {', '.join(notices)}"] if notices else []),
    ]


def _counted(label: tuple[str, int]) -> str:
    name, count = label
    return name if count == 1 else f"{name} x{count}"


def handover_notes(decision: Decision) -> list[str]:
    """Where another voice took over, how sure that is, and who it may be."""
    found = [(flag.llr, flag.speaker_handover) for flag in decision.flags if flag.speaker_handover]
    return [
        f"handover at {handover.position.total_seconds():.1f} s LLR {llr:+.1f}, second voice "
        f"{_DASH if (best := handover.second.best) is None else f'{best.actor_id} LLR {best.llr:+.1f}'}"
        for llr, handover in found
    ]


def repeat_notes(decision: Decision) -> list[str]:
    """For how many others the voice has called, how sure that is, and where to see more."""
    found = [(flag.llr, flag.repeat_voice) for flag in decision.flags if flag.repeat_voice]
    return [
        f"repeat voice: {repeat.other_customers} other customers in {len(repeat.calls)} calls, "
        f"p {repeat.probability:.0%} LLR {llr:+.1f}{f', voice {repeat.voice_id}' if repeat.voice_id else ''}"
        for llr, repeat in found
    ]


def level(decision: Decision) -> str:
    """The level of risk, or a dash while there is none."""
    return _DASH if decision.level is None else decision.level.name


def probability(decision: Decision) -> str:
    """The probability in per cent, or a dash while there is none."""
    return _DASH if decision.probability is None else f"{decision.probability:.2%}"
