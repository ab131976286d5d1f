"""How well a handover is found, and how often one is told of where one person speaks, beside two plain baselines.

    python -m benchmarks.unknown.handover CORPUS NOISE_AND_ROOMS MODELS OUTPUT [--bank FILE] [--one N] [--two N]

``CORPUS`` holds ``MANIFEST.csv`` and corpora, ``NOISE_AND_ROOMS`` noises and rooms. Calls are put together from windows
of real speakers over telephone lines, kept in ``--bank`` for the next time, and looked at window by window as a server
does. The map of the product and the thresholds of all three ways are fitted on half of the speakers, so that of 10,000
calls of one voice ``TARGET`` are told of there, and judged on the others. Writes ``OUTPUT.md`` and ``OUTPUT.json``.
"""

import argparse
import json
import math
import platform
import subprocess
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import numpy as np
from benchmarks.robustness.hearing import VoicePath
from benchmarks.unknown.handover_bank import Side, Tape, load_bank, make_bank, save_bank
from benchmarks.unknown.handover_calls import ONE_VOICE, TWO_VOICES, Call, Callers
from numpy.typing import NDArray

from shengdun.fingerprint.voice.model_store import ModelStore
from shengdun.index.calibration import default_profile
from shengdun.index.handover import FITTED, LEAST_WINDOWS, HandoverMap, divisions, find_handover
from shengdun.index.scoring import Scorer, aggregate
from shengdun.service.line_settings import HandoverSettings

SEEDS: Final = {Side.FIT: 1, Side.EVALUATE: 2}
TARGET: Final = 100
"""False alarms of 10,000 calls of one voice, at which the three ways are compared."""
SHARES: Final = dict(zip(ONE_VOICE, (0.7, 0.1, 0.1, 0.1), strict=True))
"""Of calls of one voice that are fitted on: most are nothing but one voice. An assumption."""
WINDOW_S: Final = 3.0
SETTLED_AFTER: Final = 3
"""Windows after which a call may be settled at the soonest, and be looked at half as often."""
CALM_LLR: Final = 5.0
_DRAWS: Final = 400
_BIC_PENALTY: Final = 1.0

Look = Callable[[NDArray[np.float32]], tuple[float, int]]
"""From the windows so far to how much speaks for a handover, and the first window of the second voice."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Seen:
    """What a way saw of one call, window by window.

    Attributes:
        call: the call.
        scores: after each window from the fourth on; what speaks for a handover.
        changes: where it would be.
        looked_at: windows that were made voiceprints of.
    """

    call: Call
    scores: NDArray[np.float64]
    changes: NDArray[np.int64]
    looked_at: int

    def told_at(self, threshold: float) -> int | None:
        """Place in ``scores`` at which a handover is told of first."""
        over = np.flatnonzero(self.scores >= threshold)
        return int(over[0]) if len(over) else None


def product(scorer: Scorer, fitted: HandoverMap = FITTED) -> Look:
    """What the server does."""

    def look(rows: NDArray[np.float32]) -> tuple[float, int]:
        found = find_handover(scorer, rows, np.full(len(rows), WINDOW_S), fitted=fitted)
        if found is None:
            return -math.inf, 0
        return found.llr, found.division.first_window

    return look


def halves(rows: NDArray[np.float32]) -> tuple[float, int]:
    """A baseline: how unlike the two halves are, by the cosine of their mean voiceprints."""
    middle, net = len(rows) // 2, np.full(len(rows), WINDOW_S)
    one, other = (aggregate(rows[part], net[part]) for part in (slice(middle), slice(middle, None)))
    return -float(one @ other), middle


def bic(rows: NDArray[np.float32]) -> tuple[float, int]:
    """A baseline: the Bayesian information criterion of two spherical Gaussians against one, for the best change."""
    count, dimension = rows.shape
    wide = rows.astype(np.float64)
    before = np.cumsum(wide, axis=0)[LEAST_WINDOWS - 1 : -LEAST_WINDOWS]
    sizes = np.arange(LEAST_WINDOWS, count - LEAST_WINDOWS + 1)
    total, squares = wide.sum(axis=0), float((wide**2).sum())
    one = squares - float(total @ total) / count
    two = squares - (before**2).sum(axis=1) / sizes
    two -= ((total - before) ** 2).sum(axis=1) / (count - sizes)
    gain = 0.5 * count * dimension * np.log(one / np.maximum(two, 1e-9))
    gain -= 0.5 * _BIC_PENALTY * (dimension + 1) * math.log(count)
    best = int(np.argmax(gain))
    return float(gain[best]), int(sizes[best])


def watch(call: Call, look: Look) -> Seen:
    """Look at a call after each of its windows."""
    least = 2 * LEAST_WINDOWS
    seen = [look(call.voiceprints[:count]) for count in range(least, len(call.voiceprints) + 1)]
    return Seen(
        call=call,
        scores=np.array([score for score, _ in seen]),
        changes=np.array([change for _, change in seen]),
        looked_at=len(call.voiceprints),
    )


def watch_at_half_pace(call: Call, scorer: Scorer, threshold: float) -> Seen:
    """As a server with ``look_at_every`` 2: every other window, and all of them while something is unlike."""
    look, taken, scores, changes = product(scorer), [0], [], []
    calm = skipped = False
    for number in range(1, len(call.voiceprints)):
        skipped = number >= SETTLED_AFTER and calm and not skipped
        score, change = -math.inf, 0
        if not skipped:
            taken.append(number)
            rows = call.voiceprints[taken]
            score, change = look(rows)
            calm = score < threshold and _is_like_others(scorer, rows)
        scores.append(score)
        changes.append(taken[change])
    first = 2 * LEAST_WINDOWS - 2
    return Seen(
        call=call,
        scores=np.array(scores[first:]),
        changes=np.array(changes[first:]),
        looked_at=len(taken),
    )


def _is_like_others(scorer: Scorer, rows: NDArray[np.float32]) -> bool:
    net = np.full(len(rows) - 1, WINDOW_S)
    llr = scorer.pairwise_llr(
        rows[-1], aggregate(rows[:-1], net), net_a_s=WINDOW_S, net_b_s=float(net.sum())
    )
    return llr >= CALM_LLR


def threshold_for(seen: Sequence[Seen], per_10000: float) -> float:
    """The score above which so many of 10,000 calls of one voice are told of."""
    highest = np.sort([float(one.scores.max(initial=-math.inf)) for one in seen])[::-1]
    return float(np.nextafter(highest[int(per_10000 / 10_000 * len(highest))], math.inf))


def fit_map(scorer: Scorer, calls: Sequence[Call], *, prior: float) -> tuple[float, float]:
    """Offset and slope of the map, by logistic regression at a prior on the likeliest division of each whole call."""
    offset, across = 0.0, -1.0
    two = np.array([call.change is not None for call in calls])
    weight = np.where(two, prior / two.mean(), (1.0 - prior) / (1.0 - two.mean()))
    found = [_one_voice_llrs(scorer, call) for call in calls]
    times = np.array([math.log(len(call.voiceprints)) for call in calls])
    base = math.log(prior / (1.0 - prior))
    likeliest = np.array([min(llrs) for llrs in found])
    for _ in range(50):
        told = np.clip(offset + across * likeliest - times + base, -30.0, 30.0)
        chance = 1.0 / (1.0 + np.exp(-told))
        rows = np.stack([np.ones(len(calls)), likeliest], axis=1)
        gradient = rows.T @ (weight * (two - chance))
        curvature = (rows * (weight * chance * (1.0 - chance))[:, np.newaxis]).T @ rows
        step = np.linalg.solve(curvature + 1e-6 * np.eye(2), gradient)
        step *= min(1.0, 2.0 / float(np.abs(step).max()))
        offset, across = offset + float(step[0]), across + float(step[1])
    return offset, across


def _one_voice_llrs(scorer: Scorer, call: Call) -> list[float]:
    net = np.full(len(call.voiceprints), WINDOW_S)
    return [division.one_voice for division in divisions(scorer, call.voiceprints, net)]


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """How one way did on one kind of call: share told of, with its interval; delay and error in windows."""

    way: str
    kind: str
    calls: int
    told: float
    lower: float
    upper: float
    delay_windows: float | None
    within_a_window: float | None
    looked_at: float


def row_of(way: str, kind: str, seen: Sequence[Seen], threshold: float) -> Row:
    """What became of the calls of one kind; a call of two voices counts once both have been heard."""
    told = [one.told_at(threshold) for one in seen]
    if kind in TWO_VOICES:
        told = [
            at if at is None or at + 2 * LEAST_WINDOWS > (one.call.change or 0) else None
            for at, one in zip(told, seen, strict=True)
        ]
    lower, upper = _interval([one.call.speakers[0] for one in seen], [t is not None for t in told])
    pairs = [(at, one) for at, one in zip(told, seen, strict=True) if at is not None]
    changed = [(at, one, one.call.change) for at, one in pairs if one.call.change is not None]
    delays = [at + 2 * LEAST_WINDOWS - change for at, _, change in changed]
    errors = [abs(int(one.changes[-1]) - change) for _, one, change in changed]
    return Row(
        way=way,
        kind=kind,
        calls=len(seen),
        told=len(pairs) / len(seen),
        lower=lower,
        upper=upper,
        delay_windows=float(np.median(delays)) if delays else None,
        within_a_window=float(np.mean(np.array(errors) <= 1)) if errors else None,
        looked_at=float(np.mean([one.looked_at / len(one.call.voiceprints) for one in seen])),
    )


def _interval(speakers: Sequence[str], told: Sequence[bool]) -> tuple[float, float]:
    """95 % interval by bootstrap over speakers."""
    names, place = np.unique(np.array(speakers), return_inverse=True)
    hits = np.bincount(place, weights=np.array(told, float), minlength=len(names))
    sizes = np.bincount(place, minlength=len(names))
    draws = np.random.default_rng(3).integers(len(names), size=(_DRAWS, len(names)))
    shares = hits[draws].sum(axis=1) / sizes[draws].sum(axis=1)
    lower, upper = np.quantile(shares, [0.025, 0.975])
    return float(lower), float(upper)


def measure(tapes: Sequence[Tape], store: ModelStore, *, one: int, two: int) -> dict[str, object]:
    """Fit on half of the speakers and judge on the others."""
    model = store.voice_model(precision="auto")
    scorer = Scorer(default_profile(model.model_id))
    calls = {}
    speakers = {}
    for side in Side:
        callers = Callers(tapes, side, model, seed=SEEDS[side])
        speakers[side.value] = len(callers.speakers)
        shares = SHARES if side is Side.FIT else dict.fromkeys(ONE_VOICE, 1 / len(ONE_VOICE))
        calls[side] = {
            kind: list(callers.calls(kind, round(one * len(ONE_VOICE) * share)))
            for kind, share in shares.items()
        } | {kind: list(callers.calls(kind, two)) for kind in TWO_VOICES}
    fitting = [each for kind in calls[Side.FIT] for each in calls[Side.FIT][kind]]
    policy = HandoverSettings()
    odds = math.log(policy.flag_at / (1 - policy.flag_at) * (1 - policy.prior) / policy.prior)
    offset, across = fit_map(scorer, fitting, prior=policy.prior)
    unlimited = HandoverMap(offset=FITTED.offset, across=FITTED.across, floor=-1_000.0, cap=1_000.0)
    ways: dict[str, tuple[Look, float | None]] = {
        "as shipped": (product(scorer), odds),
        "ours": (product(scorer, unlimited), None),
        "cosine of halves": (halves, None),
        "BIC": (bic, None),
    }
    rows, thresholds = [], {}
    for way, (look, fixed) in ways.items():
        alone = [watch(call, look) for kind in ONE_VOICE for call in calls[Side.FIT][kind]]
        thresholds[way] = threshold_for(alone, TARGET) if fixed is None else fixed
        for kind, judged in calls[Side.EVALUATE].items():
            rows.append(row_of(way, kind, [watch(call, look) for call in judged], thresholds[way]))
    for kind, judged in calls[Side.EVALUATE].items():
        seen = [watch_at_half_pace(call, scorer, odds) for call in judged]
        rows.append(row_of("as shipped, half pace", kind, seen, odds))
    return {
        "rows": rows,
        "thresholds": thresholds,
        "fitted": {"offset": offset, "across": across},
        "speakers": speakers,
        "model_id": model.model_id,
        "precision": model.precision,
        "profile_id": scorer.profile_id,
    }


def report(found: dict[str, object]) -> str:
    """The result as a table."""
    lines = [
        "| | calls | told of (95 %) | until told, windows | change within one | windows looked at |",
        "|---|---|---|---|---|---|",
    ]
    rows = found["rows"]
    assert isinstance(rows, list)
    for row in rows:
        delay = "" if row.delay_windows is None else f"{row.delay_windows:.0f}"
        near = "" if row.within_a_window is None else f"{row.within_a_window:.0%}"
        told = f"{row.told:.2%} ({row.lower:.1%}–{row.upper:.1%})"
        lines.append(
            f"| {row.way}: {row.kind} | {row.calls} | {told} | {delay} | {near} | {row.looked_at:.0%} |"
        )
    return "\n".join(lines) + "\n"


def main() -> None:
    """Measure, and write what was measured."""
    parser = argparse.ArgumentParser(description=__doc__)
    for name in ("corpus", "noise_and_rooms", "models", "output"):
        parser.add_argument(name, type=Path)
    parser.add_argument("--bank", type=Path, help="keep windows here, or take them from here")
    parser.add_argument("--one", type=int, default=2500, help="calls of each kind with one voice")
    parser.add_argument("--two", type=int, default=1000, help="calls of each kind with two")
    given = parser.parse_args()
    store = ModelStore(given.models)
    if given.bank and given.bank.exists():
        tapes = load_bank([given.bank])
    else:
        tapes = _heard(given.corpus, given.noise_and_rooms, store)
        if given.bank:
            save_bank(given.bank, tapes)
    found = measure(tapes, store, one=given.one, two=given.two)
    commit = subprocess.run(
        ["git", "rev-parse", "HEAD"],  # noqa: S607 - whichever git there is
        capture_output=True,
        text=True,
        check=True,
    )
    told = found | {
        "rows": [{name: getattr(row, name) for name in Row.__slots__} for row in found["rows"]],  # type: ignore[attr-defined]
        "commit": commit.stdout.strip(),
        "seeds": {side.value: seed for side, seed in SEEDS.items()},
        "machine": platform.processor() or platform.machine(),
        "python": platform.python_version(),
    }
    given.output.parent.mkdir(parents=True, exist_ok=True)
    given.output.with_suffix(".json").write_text(json.dumps(told, indent=1) + "\n")
    given.output.with_suffix(".md").write_text(report(found))
    print(report(found))


def _heard(corpus: Path, noise_and_rooms: Path, store: ModelStore) -> list[Tape]:
    model = store.voice_model(precision="auto")
    path = VoicePath(store.voice_activity(), model, Scorer(default_profile(model.model_id)))
    return list(make_bank(corpus, noise_and_rooms, store, path, part=0, parts=1))


if __name__ == "__main__":
    main()
