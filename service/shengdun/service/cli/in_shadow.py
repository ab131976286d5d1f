"""How what is tried out in shadow looks in a terminal."""

from shengdun.service.client import Decision


def shadow_notes(decision: Decision) -> list[str]:
    """Level, probability and actor of every shadow, for the notes at the end of a decision's line."""
    notes = []
    for shadow in decision.shadows:
        model = shadow.model_id.partition("@")[0]
        best = "" if shadow.best is None else f" {shadow.best.actor_id} LLR {shadow.best.llr:+.1f}"
        notes.append(
            f"in shadow {model} by {shadow.calibration_profile_id}: {shadow.level.name} {shadow.probability:.2%}{best}"
        )
    return notes
