"""What disturbances on the caller's leg do to net speech and to evidence: hold music, keys, echo, second voices, loss.

    python -m benchmarks.robustness.measure CORPUS NOISE_AND_ROOMS MODELS OUTPUT [--only NAME]

``CORPUS`` holds ``MANIFEST.csv`` and corpora; ``NOISE_AND_ROOMS/music`` the music. Each speaker of the corpora under
test, and of the demo recordings, makes one call to each disturbance: recordings as turns with pauses between them. The
others are enrolled. A call is heard until as many windows count as evidence as ``--windows`` says. With ``--prompts``,
a directory as ``voice.prompts`` takes it, windows that are one of these prompts are left out, as a server does, and so
are windows with two voices at once, but for ``--with-overlap``. Writes ``OUTPUT.md`` and ``OUTPUT.json``. Two versions
of the voice path are compared on the same trials when speakers whom one of them can't enrol are left out of both
(``--leave-out``). What is chosen on ``--half 0`` of the speakers is reported on ``--half 1``.
"""

import argparse
import hashlib
import json
import platform
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import numpy as np
from benchmarks.robustness.disturbances import (
    CLEAN,
    DISTURBANCES,
    Disturbance,
    Leg,
    Material,
    caller,
)
from benchmarks.robustness.hearing import WINDOWS, VoicePath
from benchmarks.robustness.speakers import Speaker, load_material, load_speakers
from numpy.typing import NDArray

from shengdun.fingerprint.voice.activity import FRAME_SAMPLES
from shengdun.fingerprint.voice.codecs import TelephoneBand
from shengdun.fingerprint.voice.model_store import ModelStore
from shengdun.fingerprint.voice.recordings import DEFAULT_LIMIT_S
from shengdun.fingerprint.voice.samples import Seconds
from shengdun.fingerprint.voice.speakers import SpeakerCount
from shengdun.index.accuracy.bootstrap import speaker_draws
from shengdun.index.accuracy.measures import cllr, eer
from shengdun.index.calibration import default_profile
from shengdun.index.scoring import QueryStatistics, Scorer
from shengdun.service.prompts import read_prompts

REPLICATES: Final = 200
HEADER: Final = (
    "| disturbance | of it alone taken for speech | caller's net speech | one voice: LLR 10 / 50 % "
    "| strangers: LLR 50 / 99 % | two strangers' calls: LLR 99 % | EER % | Cllr "
    "| windows asked about overlap / left out | calls with overlap / several voices |"
)
COMMIT: Final = ("git", "rev-parse", "--short", "HEAD")


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Heard:
    """What the voice path made of one call."""

    voiceprint: NDArray[np.float32] | None
    net_s: float
    first_windows_s: float
    of_caller_s: float
    of_intruder_s: float
    intruder_alone_s: float
    windows: int
    windows_left_out: int
    windows_asked: int
    overlap: bool
    several_voices: bool
    processor_s: Seconds
    asking_s: Seconds


def enroll(speaker: Speaker, path: VoicePath) -> tuple[NDArray[np.float32], float] | None:
    band = TelephoneBand()
    windows, _ = path.windows(band.push(np.concatenate(speaker.enrolled), last=True))
    if not windows:
        return None
    return path.voiceprint(windows), sum(window.net_speech_s for window in windows)


def call(
    speaker: Speaker, disturbance: Disturbance, material: Material, path: VoicePath, *, draw: int
) -> Heard:
    rng = _generator(f"{speaker.name} call")
    leg = caller(speaker.turns, rng)
    what = disturbance.name if draw == 1 else f"{disturbance.name} #{draw}"
    leg = disturbance.disturb(leg, material, _generator(f"{speaker.name} {what}"))
    windows, added_s = path.windows(disturbance.carry(leg.samples, rng))
    listened = path.listen(windows)
    evidence = listened.evidence
    callers = evidence.heard.callers if evidence.windows else None
    talking, alone = _per_frame(leg, len(added_s))
    return Heard(
        voiceprint=callers.voiceprint if callers else None,
        net_s=float(added_s.sum()),
        first_windows_s=evidence.net_speech_s,
        of_caller_s=float(added_s[talking].sum()),
        of_intruder_s=float(added_s[alone].sum()),
        intruder_alone_s=float((leg.intruding & ~leg.talking).sum()) / 16_000,
        windows=listened.windows,
        windows_left_out=listened.windows - (len(callers.net_speech_s) if callers else 0),
        windows_asked=listened.asked,
        overlap=evidence.has_overlap,
        several_voices=evidence.has_several_voices,
        processor_s=listened.processor_s,
        asking_s=listened.asking_s,
    )


def _per_frame(leg: Leg, frames: int) -> tuple[NDArray[np.bool_], NDArray[np.bool_]]:
    centres = np.minimum(
        np.arange(frames) * FRAME_SAMPLES + FRAME_SAMPLES // 2, len(leg.samples) - 1
    )
    # Net speech is found up to a tenth of a second late.
    talking = leg.talking[centres] | leg.talking[np.maximum(centres - 3 * FRAME_SAMPLES, 0)]
    return talking, ~talking


def llrs(
    scorer: Scorer, enrolled: Sequence[tuple[NDArray[np.float32], float]], heard: Sequence[Heard]
) -> NDArray[np.float64]:
    """LLR of each call (rows) against each enrolment (columns); 0 where nothing was heard."""
    templates = scorer.project(np.stack([voiceprint for voiceprint, _ in enrolled]))
    nets_s = np.array([net_s for _, net_s in enrolled])
    statistics = scorer.template_statistics(templates)
    rows = np.zeros((len(heard), len(enrolled)))
    for row, one in enumerate(heard):
        if one.voiceprint is not None:
            [query] = scorer.project(one.voiceprint[np.newaxis])
            rows[row] = scorer.llr(
                templates.astype(np.float64) @ query.astype(np.float64),
                statistics,
                QueryStatistics(mean=0.0, deviation=1.0),
                net_speech_s=one.first_windows_s,
                template_net_speech_s=nets_s,
            )
    return rows


def summarise(
    speakers: Sequence[Speaker],
    heard: Sequence[Heard],
    scores: NDArray[np.float64],
    between: NDArray[np.float64],
) -> dict[str, float]:
    corpora = np.array([speaker.corpus for speaker in speakers])
    same = np.eye(len(speakers), dtype=np.bool_)
    strangers = (corpora[:, np.newaxis] == corpora) & ~same
    others = scores[strangers]
    found = {
        "intruder_alone_s": float(np.mean([one.intruder_alone_s for one in heard])),
        "intruder_taken_s": float(np.mean([one.of_intruder_s for one in heard])),
        "caller_net_s": float(np.mean([one.of_caller_s for one in heard])),
        "windows": float(np.mean([one.windows for one in heard])),
        "windows_left_out": float(np.mean([one.windows_left_out for one in heard])),
        "windows_asked": float(np.mean([one.windows_asked for one in heard])),
        "overlap": float(np.mean([one.overlap for one in heard])),
        "several_voices": float(np.mean([one.several_voices for one in heard])),
        "processor_s": float(sum(one.processor_s for one in heard)),
        "asking_s": float(sum(one.asking_s for one in heard)),
        "unheard": float(sum(one.voiceprint is None for one in heard)),
        "same_median": float(np.median(scores[same])),
        "same_10": float(np.quantile(scores[same], 0.1)),
        "strangers_median": float(np.median(others)),
        "strangers_99": float(np.quantile(others, 0.99)),
        "calls_99": float(np.quantile(between[strangers], 0.99)),
    }
    for corpus in ("all", *dict.fromkeys(corpora.tolist())):
        of = (corpora == corpus) | (corpus == "all")
        targets, theirs = scores[same & of], scores[strangers & of]
        found |= {
            f"eer {corpus}": 100 * eer(targets, theirs),
            f"cllr {corpus}": cllr(targets, theirs),
        }
    return found | _intervals(scores, strangers)


def _intervals(scores: NDArray[np.float64], strangers: NDArray[np.bool_]) -> dict[str, float]:
    drawn = []
    for draw in speaker_draws(len(scores), replicates=REPLICATES, seed=1).astype(int):
        rows = np.repeat(np.arange(len(draw)), draw)
        picked = np.ix_(rows, rows)
        # A speaker who was drawn twice is no stranger of its own.
        targets = scores[rows, rows]
        theirs = scores[picked][strangers[picked]]
        drawn.append((100 * eer(targets, theirs), cllr(targets, theirs)))
    low, high = np.percentile(np.array(drawn), (2.5, 97.5), axis=0)
    names = ("eer", "cllr")
    return {f"{n}_low": float(v) for n, v in zip(names, low, strict=True)} | {
        f"{n}_high": float(v) for n, v in zip(names, high, strict=True)
    }


def _generator(name: str) -> np.random.Generator:
    digest = hashlib.sha256(name.encode()).digest()
    return np.random.default_rng(int.from_bytes(digest[:8], "big"))


def _half(name: str) -> int:
    return hashlib.sha256(name.encode()).digest()[0] % 2


def table(results: dict[str, dict[str, float]]) -> str:
    clean = results[CLEAN.name]
    lines = [
        HEADER,
        "|---|---|---|---|---|---|---|---|---|---|",
    ]
    for name, row in results.items():
        kept = row["caller_net_s"] / clean["caller_net_s"]
        lines.append(
            f"| {name} | {row['intruder_taken_s']:.1f} of {row['intruder_alone_s']:.0f} s | {kept:.0%} "
            f"| {row['same_10']:.1f} / {row['same_median']:.1f} "
            f"| {row['strangers_median']:.1f} / {row['strangers_99']:.1f} | {row['calls_99']:.1f} "
            f"| {row['eer all']:.1f} ({row['eer_low']:.1f}–{row['eer_high']:.1f}) "
            f"| {row['cllr all']:.3f} ({row['cllr_low']:.3f}–{row['cllr_high']:.3f}) "
            f"| {row['windows_asked']:.2f} / {row['windows_left_out']:.2f} of {row['windows']:.1f} "
            f"| {row['overlap']:.0%} / {row['several_voices']:.0%} |"
        )
    return "\n".join(lines)


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("corpus", type=Path)
    parser.add_argument("noise_and_rooms", type=Path)
    parser.add_argument("models", type=Path)
    parser.add_argument("output", type=Path)
    parser.add_argument("--only", default="", help="part of a disturbance's name")
    parser.add_argument("--leave-out", action="append", default=[], metavar="SPEAKER")
    parser.add_argument("--prompts", type=Path, metavar="DIR", help="prompts to leave out")
    parser.add_argument(
        "--with-overlap", action="store_true", help="count windows with two voices at once"
    )
    parser.add_argument(
        "--windows", type=int, default=WINDOWS, help="windows that count until a call is judged"
    )
    parser.add_argument("--every", type=int, default=1, help="take every n-th speaker")
    parser.add_argument("--draw", type=int, default=1, help="which of many random disturbances")
    parser.add_argument("--half", type=int, choices=(0, 1), help="take half of the speakers")
    arguments = parser.parse_args()
    store = ModelStore(arguments.models)
    activity, model = store.voice_activity(), store.voice_model()
    scorer = Scorer(default_profile(model.model_id))
    prompts = (
        read_prompts(arguments.prompts, model=model, activity=activity, limit_s=DEFAULT_LIMIT_S)
        if arguments.prompts
        else None
    )
    path = VoicePath(
        activity,
        model,
        scorer,
        prompts=prompts,
        overlap_share=None
        if arguments.with_overlap
        else SpeakerCount(store.segmentation(), model).overlap_share,
        windows=arguments.windows,
    )
    speakers = [
        speaker
        for speaker in load_speakers(arguments.corpus, store)[:: arguments.every]
        if speaker.name not in arguments.leave_out
        and arguments.half in {None, _half(f"{speaker.corpus}{speaker.name}")}
    ]
    if len({speaker.corpus for speaker in speakers}) == len(speakers):
        raise SystemExit(
            f"{len(speakers)} speakers, no two of one corpus: nobody to compare them with. Take more of them with a "
            "smaller --every, or add speakers."
        )
    material = load_material(arguments.corpus, arguments.noise_and_rooms)
    tried = [(speaker, enroll(speaker, path)) for speaker in speakers]
    silent = [speaker.name for speaker, voiceprint in tried if voiceprint is None]
    speakers = [speaker for speaker, voiceprint in tried if voiceprint is not None]
    enrolled = [voiceprint for _, voiceprint in tried if voiceprint is not None]
    print(f"without enough net speech to enrol, left out: {silent}", file=sys.stderr)
    results: dict[str, dict[str, float]] = {}
    for disturbance in DISTURBANCES:
        if disturbance is CLEAN or arguments.only in disturbance.name:
            heard = [
                call(speaker, disturbance, material, path, draw=arguments.draw)
                for speaker in speakers
            ]
            as_enrolled = [
                (one.voiceprint, one.first_windows_s)
                if one.voiceprint is not None
                else (np.ones(path.model.dimension, np.float32), 1.0)
                for one in heard
            ]
            results[disturbance.name] = summarise(
                speakers, heard, llrs(scorer, enrolled, heard), llrs(scorer, as_enrolled, heard)
            )
            print(
                table(
                    {CLEAN.name: results[CLEAN.name], disturbance.name: results[disturbance.name]}
                ).splitlines()[-1],
                file=sys.stderr,
                flush=True,
            )
    about: dict[str, str | int] = {
        "model": path.model.model_id,
        "profile": scorer.profile_id,
        "speakers": len(speakers),
        "prompts": len(prompts) if prompts else 0,
        "draw": arguments.draw,
        "windows": arguments.windows,
        "overlap": "counted" if arguments.with_overlap else "left out",
    }
    write(arguments.output, results, about)


def write(output: Path, results: dict[str, dict[str, float]], found: dict[str, str | int]) -> None:
    about = found | {
        "machine": platform.platform(),
        "python": platform.python_version(),
        "commit": subprocess.run(
            COMMIT, capture_output=True, text=True, check=False
        ).stdout.strip(),
    }
    output.with_suffix(".json").write_text(
        json.dumps({"about": about, "results": results}, indent=1) + "\n", encoding="utf-8"
    )
    facts = ", ".join(f"{name} {value}" for name, value in about.items())
    output.with_suffix(".md").write_text(f"{table(results)}\n\n{facts}\n", encoding="utf-8")


if __name__ == "__main__":
    main()
