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
import csv
import hashlib
import json
import platform
import subprocess
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

import numpy as np
from benchmarks.robustness.disturbances import (
    CLEAN,
    DISTURBANCES,
    Disturbance,
    Leg,
    Material,
    at_level,
    caller,
)
from numpy.typing import NDArray

from shengdun.fingerprint.voice.activity import FRAME_SAMPLES, Framer, VoiceActivity
from shengdun.fingerprint.voice.codecs import TelephoneBand
from shengdun.fingerprint.voice.model_store import ModelStore
from shengdun.fingerprint.voice.models import VoiceModel
from shengdun.fingerprint.voice.recordings import DEFAULT_LIMIT_S, decode_recording
from shengdun.fingerprint.voice.samples import MODEL_RATE_HZ, Samples, Seconds
from shengdun.fingerprint.voice.speakers import SpeakerCount
from shengdun.fingerprint.voice.windows import NetSpeech, Window
from shengdun.index.accuracy.bootstrap import speaker_draws
from shengdun.index.accuracy.measures import cllr, eer
from shengdun.index.calibration import default_profile
from shengdun.index.overlap import OverlapShare
from shengdun.index.prompts import HousePrompts
from shengdun.index.scoring import QueryStatistics, Scorer, aggregate
from shengdun.index.snapshot import Snapshot
from shengdun.service.evidence import VoiceEvidence
from shengdun.service.lines import Line
from shengdun.service.prompts import read_prompts
from shengdun.service.settings import LineSettings

UNDER_TEST: Final = ("hyke_ivr", "fdu_dspspeech20")
OTHERS: Final = ("librispeech_test_other", "librispeech_voicefilter")
PROMPTS: Final = "fs_callie"
MIXED_MUSIC: Final = "paa_music"
WINDOWS: Final = 3
"""Ten seconds of net speech are three windows: a rest of one second isn't embedded."""
REPLICATES: Final = 200
HEADER: Final = (
    "| disturbance | of it alone taken for speech | caller's net speech | one voice: LLR 10 / 50 % "
    "| strangers: LLR 50 / 99 % | two strangers' calls: LLR 99 % | EER % | Cllr "
    "| windows asked about overlap / left out | calls with overlap / several voices |"
)
COMMIT: Final = ("git", "rev-parse", "--short", "HEAD")
LONGEST_TURN: Final = 12 * MODEL_RATE_HZ


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Speaker:
    """One person: recordings to enrol, and turns of a call."""

    corpus: str
    name: str
    enrolled: list[Samples] = field(repr=False)
    turns: list[Samples] = field(repr=False)


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


class Asking:
    """Asks how much two people talk at once, and counts what it is asked and what that takes."""

    def __init__(self, share_of: OverlapShare) -> None:
        self._share_of = share_of
        self.windows = 0
        self.processor_s = 0.0

    def __call__(self, samples: Samples) -> float:
        """As ``OverlapShare``."""
        before_s = time.process_time()
        share = self._share_of(samples)
        self.processor_s += time.process_time() - before_s
        self.windows += 1
        return share


class VoicePath:
    """The product's way from samples in the telephone band to net speech, voiceprints and the evidence of calls."""

    def __init__(
        self,
        activity: VoiceActivity,
        model: VoiceModel,
        scorer: Scorer,
        *,
        prompts: HousePrompts | None = None,
        overlap_share: OverlapShare | None = None,
        windows: int = WINDOWS,
    ) -> None:
        self.model = model
        self._activity = activity
        self._snapshot = Snapshot.empty([scorer])
        self._line = Line.from_settings("default", LineSettings())
        self._prompts = prompts
        self._overlap_share = overlap_share
        self._windows = windows

    def windows(self, samples: Samples) -> tuple[list[Window], NDArray[np.float64]]:
        """The windows, and how much net speech each frame added."""
        framer = Framer()
        frames = np.concatenate([framer.push(samples), framer.finish()])
        [probabilities] = self._activity.speech_probabilities(
            [(self._activity.new_state(), frames)]
        )
        speech, windows, net_s = NetSpeech(window_s=self.model.window_s), [], [0.0]
        for index in range(len(probabilities)):
            frame = frames[index * FRAME_SAMPLES : (index + 1) * FRAME_SAMPLES]
            windows += speech.push(frame, probabilities[index : index + 1])
            net_s.append(speech.net_speech_s)
        last = speech.finish()
        return windows + ([last] if last else []), np.diff(net_s)

    def voiceprint(self, windows: Sequence[Window]) -> NDArray[np.float32]:
        """The running voiceprint."""
        rows = self.model.embed([window.samples for window in windows])
        return aggregate(rows, np.array([window.net_speech_s for window in windows]))

    def listen(self, windows: Sequence[Window]) -> "Listened":
        """What a call's windows amount to as soon as there is enough of them that count, as a server hears them."""
        asking = Asking(self._overlap_share) if self._overlap_share else None
        evidence = VoiceEvidence(
            model=self.model,
            snapshot=lambda: self._snapshot,
            watchlist_ids=(),
            line=self._line,
            prompts=self._prompts,
            overlap_share=asking,
        )
        heard, begun_s = 0, time.process_time()
        for window in windows:
            evidence.add(window, at=datetime.now(UTC))
            heard += 1
            if evidence.windows and len(evidence.heard.callers.net_speech_s) >= self._windows:
                break
        return Listened(
            evidence=evidence,
            windows=heard,
            asked=asking.windows if asking else 0,
            processor_s=time.process_time() - begun_s,
            asking_s=asking.processor_s if asking else 0.0,
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Listened:
    """The evidence of a call, and what it took."""

    evidence: VoiceEvidence
    windows: int
    asked: int
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


def load_speakers(corpus: Path, store: ModelStore) -> list[Speaker]:
    by_speaker: dict[tuple[str, str], list[Samples]] = {}
    for row in _manifest(corpus):
        if row["corpus"] in UNDER_TEST:
            samples = decode_recording(corpus / row["path"]).samples
            by_speaker.setdefault((row["corpus"], row["speaker"]), []).append(samples)
    speakers = [
        Speaker(corpus=name, name=speaker, enrolled=recordings[:2], turns=recordings[2:])
        for (name, speaker), recordings in by_speaker.items()
    ]
    return speakers + _council(store)


def _council(store: ModelStore) -> list[Speaker]:
    meetings: dict[str, dict[str, list[Samples]]] = {}
    for recording in store.demo_recordings():
        samples = decode_recording(recording.read()).samples
        meetings.setdefault(recording.speaker, {}).setdefault(recording.meeting, []).append(samples)
    speakers = []
    for speaker, own in meetings.items():
        longest = max(own, key=lambda meeting: sum(map(len, own[meeting])))
        turns = [
            one[:LONGEST_TURN] for meeting in own if meeting != longest for one in own[meeting]
        ]
        if turns:
            enrolled = [np.concatenate(own[longest])[: 2 * LONGEST_TURN]]
            speakers.append(
                Speaker(corpus="council", name=speaker, enrolled=enrolled, turns=turns[:3])
            )
    return speakers


def load_material(corpus: Path, noise_and_rooms: Path) -> Material:
    prompts: list[Samples] = []
    others: dict[str, list[Samples]] = {}
    for row in _manifest(corpus):
        if row["speaker"] == PROMPTS:
            prompts.append(decode_recording(corpus / row["path"]).samples)
        elif row["corpus"] in OTHERS:
            samples = at_level(decode_recording(corpus / row["path"]).samples, 0.0)
            others.setdefault(row["speaker"], []).append(samples)
    music = {
        path.stem: at_level(decode_recording(path).samples, 0.0)
        for path in sorted((noise_and_rooms / "music").glob("*.*"))
    }
    return Material(
        hold_music=tuple(track for name, track in music.items() if name != MIXED_MUSIC),
        mixed_music=(music[MIXED_MUSIC],),
        prompt=at_level(np.concatenate(prompts[:3]), 0.0),
        others=tuple(np.concatenate(parts) for parts in others.values()),
    )


def _manifest(corpus: Path) -> list[dict[str, str]]:
    with (corpus / "MANIFEST.csv").open(newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file))


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
