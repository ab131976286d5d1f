"""Set the product beside other systems on the same audio, in one run.

    python -m benchmarks.accuracy.compare CORPUS MODELS OUTPUT --cache DIR [--resemblyzer PYTHON]
        [--condition NAME ...] [--only NAME ...] [--same-speaker NAME=OTHER ...] [--seconds S ...]

``CORPUS`` is what ``shengdun evaluate`` takes, ``MODELS`` the directory of installed models. ``OUTPUT`` gets
``peers.md``, ``peers.json`` and DET plots. The cache of ``shengdun evaluate`` serves here too; peers have one beside
it. A run that was stopped goes on where it was. What is kept are voiceprints, personal biometric data, unprotected.
``PYTHON`` is an interpreter with Resemblyzer (``requirements/peers.lock``); without it that peer is left out. Options
of ``shengdun evaluate`` that say nothing here (``--sizes``, ``--jobs``, ``--line``) are taken and not used, so that one
line of options serves both.
"""

import argparse
import contextlib
import subprocess
import sys
from functools import partial
from pathlib import Path
from typing import Final

from benchmarks.accuracy.peer_sides import PeerEmbedder
from benchmarks.accuracy.peers import Peer, PlainPath, Resemblyzer
from benchmarks.accuracy.profiles import HELD_OUT, shipped_profiles, site_profiles
from benchmarks.accuracy.side_by_side import COMPARED_S, ComparisonPlan, compare
from benchmarks.accuracy.side_by_side_report import write_report
from benchmarks.other_interpreter import PeerUnavailable

from shengdun.fingerprint.errors import ShengdunError
from shengdun.fingerprint.voice.acoustics import Acoustics
from shengdun.fingerprint.voice.conditions import Condition
from shengdun.fingerprint.voice.model_store import ModelStore
from shengdun.index.accuracy.corpus import read_corpus
from shengdun.index.accuracy.embeddings import Embedder, EmbeddingCache
from shengdun.index.accuracy.evaluation import SECONDS
from shengdun.index.calibration import default_profile

_STEPS: Final = 20


def main() -> None:
    try:
        with contextlib.ExitStack() as stack:
            _run(_arguments(), stack)
    except (ShengdunError, PeerUnavailable) as error:
        raise SystemExit(str(error)) from error


def _run(arguments: argparse.Namespace, stack: contextlib.ExitStack) -> None:
    corpus = read_corpus(arguments.corpus, only=arguments.only, same_speaker=arguments.same_speaker)
    store = ModelStore(arguments.models)
    model = store.voice_model(arguments.model, precision=arguments.precision)
    noise: Path | None = arguments.noise_and_rooms
    acoustics = Acoustics.recorded(noise) if noise else Acoustics.made()
    cache: Path | None = arguments.cache
    embedder = Embedder(
        model=model,
        activity=store.voice_activity(),
        acoustics=acoustics,
        cache=EmbeddingCache(cache),
    )
    peers: list[Peer] = [PlainPath(model)]
    if arguments.resemblyzer:
        peers.append(stack.enter_context(Resemblyzer(arguments.resemblyzer)))
    seconds = tuple(sorted(set(arguments.seconds)))
    kept = EmbeddingCache(cache and cache / "peers")
    shipped = shipped_profiles(model.model_id, arguments.held_out)
    # A profile that was fitted on the spot for some other voice model may know nothing of sites.
    knows_sites = default_profile(model.model_id).site_coefficients is not None
    site = partial(site_profiles, shipped, corpus) if knows_sites else None
    found = compare(
        corpus,
        ComparisonPlan(
            conditions=tuple(dict.fromkeys(arguments.condition)) or tuple(Condition),
            seconds=seconds or COMPARED_S,
            cut_s=seconds or SECONDS,
            seed=arguments.seed,
            replicates=arguments.replicates,
        ),
        embedder,
        [
            PeerEmbedder(peer=peer, audio=embedder, acoustics=acoustics, cache=kept)
            for peer in peers
        ],
        shipped,
        site=site,
        dimension=model.dimension,
        progress=_tell,
    )
    about = [f"Commit {_commit()}.", f"Noises and rooms {acoustics.described}."]
    print(write_report(found, arguments.output, about=about))


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("corpus", type=Path)
    parser.add_argument("models", type=Path)
    parser.add_argument("output", type=Path)
    parser.add_argument("--cache", type=Path)
    parser.add_argument("--resemblyzer", type=Path, metavar="PYTHON")
    parser.add_argument("--condition", action="append", default=[], type=Condition)
    parser.add_argument("--only", action="append", default=[])
    parser.add_argument("--same-speaker", action="append", default=[], metavar="NAME=OTHER")
    parser.add_argument("--seconds", action="append", default=[], type=float)
    parser.add_argument("--model", default="campplus-zh-en")
    parser.add_argument("--precision", choices=("auto", "float32", "bfloat16"), default="float32")
    parser.add_argument("--noise-and-rooms", type=Path)
    parser.add_argument("--held-out", type=Path, default=HELD_OUT)
    parser.add_argument("--replicates", type=int, default=200)
    parser.add_argument("--seed", type=int, default=1)
    for meant_for_evaluate in ("--sizes", "--jobs", "--line"):
        parser.add_argument(meant_for_evaluate, action="append", help=argparse.SUPPRESS)
    return parser.parse_args()


def _commit() -> str:
    git = ["git", "-C", str(Path(__file__).parent), "rev-parse", "--short", "HEAD"]
    try:
        said = subprocess.run(git, capture_output=True, text=True, check=True)
    except (OSError, subprocess.CalledProcessError):
        return "unknown"
    return said.stdout.strip()


def _tell(stage: str, done: int, of: int) -> None:
    if done == of or done % max(of // _STEPS, 1) == 0:
        print(f"{stage}: {done} of {of}", file=sys.stderr, flush=True)


if __name__ == "__main__":
    main()
