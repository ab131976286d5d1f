"""What unknown voices cost a call, by the size of the window: ``python -m benchmarks.unknown.online OUT [SIZE ...]``.

Voices and calls are drawn from the spread that ships, which was fitted on real speakers. A window is filled with calls
of ordinary customers, some of whom call twice, and of agents who call for many. Then further calls come, and each is
looked at once, by its id, and put where it belongs, as a server does with a short call. Times are those of the
searching thread's processor (median and 99th percentile); recall is that of the nearest calls against a comparison with
every call.
"""

import json
import platform
import sys
import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from shengdun.index.archive.rows import ArchivedCall
from shengdun.index.calibration import default_profile
from shengdun.index.scoring import Scorer, unit_rows
from shengdun.index.voices.clusters import VoiceClusters
from shengdun.index.voices.evidence import VoiceEvidence
from shengdun.index.voices.repeat import RepeatWatch
from shengdun.index.voices.shipped import default_spread
from shengdun.index.voices.spread import Spread

MODEL_ID: Final = "campplus-zh-en@92f29b94e694"
SIZES: Final = (10_000, 100_000, 1_000_000)
_BEGINS: Final = datetime(2026, 3, 1, 8, tzinfo=UTC)
_BLOCK: Final = 50_000
_SEED: Final = 7
_ASKED: Final = 200
_COMPARED: Final = 20
_NEAREST: Final = 64
_AGENT_SHARE: Final = 0.02
_AGENT_CALLS: Final = 10
_SECOND_CALL: Final = 0.3

Floats = NDArray[np.float64]


class DrawnLine:
    """Calls of a line whose voices are drawn from a spread."""

    def __init__(self, spread: Spread, scorer: Scorer, *, seed: int) -> None:
        self._spread = spread
        self._rng = np.random.default_rng(seed)
        whitening = scorer.profile.whitening
        self._unwhiten = (
            np.eye(len(spread.centre)) if whitening is None else np.linalg.inv(whitening)
        )
        self._mean = scorer.profile.mean.astype(np.float64)
        self._made = 0

    def calls(self, count: int) -> Iterator[ArchivedCall]:
        """So many further calls."""
        voices, customers = self._who(count)
        net_speech_s = np.clip(self._rng.lognormal(2.2, 0.6, count), 3.0, 60.0)
        strayed = np.sqrt(self._spread.variances(net_speech_s, np.full(count, np.nan)))
        places = voices + strayed[:, np.newaxis] * self._rng.standard_normal(voices.shape)
        # Back to what the voice model would give: the scorer centres and whitens it again.
        projected = unit_rows(self._spread.centre + places @ self._spread.axes.T)
        rows = unit_rows(self._mean + 0.7 * unit_rows(projected @ self._unwhiten))
        for row in range(count):
            started = _BEGINS + timedelta(seconds=self._made)
            yield ArchivedCall(
                call_id=f"01jd{self._made:032d}",
                started_at=started,
                ended_at=started + timedelta(minutes=4),
                line="complaints",
                customer=f"{int(customers[row]):044d}",
                number=f"{int(customers[row]):044d}",
                model_id=MODEL_ID,
                voiceprint=rows[row],
                net_speech_s=float(net_speech_s[row]),
            )
            self._made += 1

    def _who(self, count: int) -> tuple[Floats, NDArray[np.int64]]:
        people = np.arange(count)
        again = self._rng.random(count) < _SECOND_CALL
        people[again] = self._rng.integers(0, count, int(again.sum()))
        customers = people + self._made
        agents = self._rng.random(count) < _AGENT_SHARE
        able = max(int(count * _AGENT_SHARE / _AGENT_CALLS), 1)
        people[agents] = count + self._rng.integers(0, able, int(agents.sum()))
        drawn = self._rng.standard_normal((count + able, len(self._spread.between)))
        voices: Floats = drawn * np.sqrt(self._spread.between)
        return voices[people], customers.astype(np.int64)


def measure(size: int, *, seed: int) -> dict[str, Any]:
    """The figures of one window."""
    scorer = Scorer(default_profile(MODEL_ID))
    clusters = VoiceClusters(VoiceEvidence(scorer, default_spread(MODEL_ID)))
    line = DrawnLine(default_spread(MODEL_ID), scorer, seed=seed)
    filled_s = time.process_time()
    for start in range(0, size, _BLOCK):
        clusters.fill(list(line.calls(min(_BLOCK, size - start))))
    filled_s = time.process_time() - filled_s
    watch = RepeatWatch(clusters)
    asked = list(line.calls(_ASKED))
    recall = _recall(clusters, asked[:_COMPARED])
    looks, takes = [], []
    for call in asked:
        assert call.voiceprint is not None
        begun = time.thread_time()
        watch.look(
            call.voiceprint,
            net_speech_s=call.net_speech_s,
            snr_db=None,
            customer=call.customer,
            number=call.number,
            at=call.ended_at,
            exclude_call_id=call.call_id,
        )
        looks.append(time.thread_time() - begun)
        begun = time.thread_time()
        clusters.take(call)
        takes.append(time.thread_time() - begun)
    return {
        "calls": size,
        "bytes_per_call": round(clusters.recent.nbytes / len(clusters.recent), 1),
        "recall_of_64": recall,
        "look_ms": _quantiles(looks),
        "take_ms": _quantiles(takes),
        "fill_us_per_call_with_drawing": round(1e6 * filled_s / size, 1),
    }


def _recall(clusters: VoiceClusters, asked: list[ArchivedCall]) -> float:
    evidence, recent = clusters.evidence, clusters.recent
    ones = [evidence.calls(recent.coder.columns([call])) for call in asked]
    queries = np.stack([evidence.direction(one) for one in ones])
    near = np.concatenate([recent.coder.decode(part.codes) @ queries.T for part in recent.parts()])
    keys = np.concatenate([part.id_hashes for part in recent.parts()])
    found = 0
    for column, query in zip(near.T, queries, strict=True):
        exact = keys[np.argpartition(-column, _NEAREST)[:_NEAREST]]
        found += len(np.intersect1d(recent.nearest(query, _NEAREST).keys, exact))
    return found / (_NEAREST * len(asked))


def _quantiles(seconds: list[float]) -> dict[str, float]:
    half, most = np.quantile(seconds, [0.5, 0.99])
    return {"p50": round(1000 * float(half), 2), "p99": round(1000 * float(most), 2)}


def main(out: Path, sizes: tuple[int, ...]) -> None:
    """Measure, and write and print the figures."""
    out.parent.mkdir(parents=True, exist_ok=True)
    windows: list[dict[str, Any]] = []
    for size in sizes:
        windows.append(measure(size, seed=_SEED))
        figures = {"machine": platform.machine(), "seed": _SEED, "windows": windows}
        out.write_text(json.dumps(figures, indent=1) + "\n", encoding="utf-8")
    sys.stdout.write(out.read_text(encoding="utf-8"))


if __name__ == "__main__":
    main(Path(sys.argv[1]), tuple(map(int, sys.argv[2:])) or SIZES)
