"""``shengdun evaluate``."""

from pathlib import Path
from typing import Annotated

import typer

from shengdun.fingerprint.voice.acoustics import Acoustics
from shengdun.fingerprint.voice.conditions import Condition
from shengdun.fingerprint.voice.model_store import ModelStore
from shengdun.index.accuracy.corpus import read_corpus
from shengdun.index.accuracy.embeddings import Embedder, EmbeddingCache, processors
from shengdun.index.accuracy.evaluation import REPLICATES, SECONDS, SIZES, Plan, evaluate
from shengdun.index.accuracy.identification import LinePolicy
from shengdun.index.accuracy.report import write_report
from shengdun.index.calibration import default_profile, load
from shengdun.index.scoring import Scorer
from shengdun.service.cli.measuring import (
    Cache,
    Conditions,
    Jobs,
    NetSpeech,
    NoiseAndRooms,
    Only,
    Replicates,
    SameSpeaker,
    Seed,
    available,
    tell,
)
from shengdun.service.cli.output import note, say
from shengdun.service.cli.places import Config, DataDir, settings_of
from shengdun.service.lines import DEFAULT_LINE, Lines
from shengdun.service.profile_places import profile_keys
from shengdun.service.settings import Settings

app = typer.Typer()


@app.command(
    name="evaluate",
    epilog="Exit code 0 also when recordings can't be enrolled: they are counted as misses and listed in the report.",
)
def evaluate_corpus(
    corpus: Annotated[
        Path,
        typer.Argument(
            metavar="CORPUS",
            help="A folder <speaker>/<recording>, or a CSV manifest with the columns path and speaker, and maybe "
            "session, language, sex and corpus.",
        ),
    ],
    *,
    output: Annotated[
        Path, typer.Option("--output", metavar="DIR", help="Directory to write the report into.")
    ],
    condition: Conditions = None,
    seconds: NetSpeech = None,
    sizes: Annotated[
        list[int] | None,
        typer.Option("--sizes", min=1, help="Actors on the watchlist; may be repeated."),
    ] = None,
    only: Only = None,
    same_speaker: SameSpeaker = None,
    line: Annotated[
        str, typer.Option("--line", metavar="NAME", help="Line whose prior and levels are applied.")
    ] = DEFAULT_LINE,
    profile: Annotated[
        Path | None,
        typer.Option("--profile", metavar="FILE", help="Calibration profile; else the default."),
    ] = None,
    noise_and_rooms: NoiseAndRooms = None,
    cache: Cache = None,
    jobs: Jobs = None,
    replicates: Replicates = REPLICATES,
    seed: Seed = 1,
    config: Config = None,
    data_dir: DataDir = None,
) -> None:
    """Measure how well speakers of a corpus are recognised on the telephone, alone and on watchlists.

    Writes report.md, report.json and DET plots. Nobody's voice is enrolled in a watchlist and no server is needed.
    """
    settings = settings_of(config, data_dir)
    plan = Plan(
        conditions=available(condition or list(Condition)),
        seconds=tuple(sorted(set(seconds or SECONDS))),
        sizes=tuple(sorted(set(sizes or SIZES))),
        policy=_policy(settings, line),
        seed=seed,
        replicates=replicates,
        jobs=jobs or processors(),
    )
    recordings = read_corpus(corpus, only=only or (), same_speaker=same_speaker or ())
    output.mkdir(parents=True, exist_ok=True)
    for warning in recordings.warnings:
        note(f"warning: {warning}")
    store = ModelStore(settings.models_directory)
    model = store.voice_model(settings.voice.model, precision=settings.voice.precision, tell=note)
    calibration = (
        load(profile, profile_keys(settings)) if profile else default_profile(model.model_id)
    )
    calibration.require_model(model.model_id)
    acoustics = Acoustics.recorded(noise_and_rooms) if noise_and_rooms else Acoustics.made()
    embedder = Embedder(
        model=model,
        activity=store.voice_activity(),
        acoustics=acoustics,
        cache=EmbeddingCache(cache),
        limit_s=settings.server.recording_max_s,
    )
    scorer = Scorer(calibration)
    measured = evaluate(
        recordings, plan, embedder, scorer, dimension=model.dimension, progress=tell
    )
    about = [f"Noises and rooms {acoustics.described}.", *_not_applied(settings, line)]
    report = write_report(measured, output, about=about)
    failed = f", {len(measured.failures)} can't be enrolled" if measured.failures else ""
    say(f"{measured.recordings} recordings of {measured.speakers} speakers{failed}: {report}")


def _not_applied(settings: Settings, line: str) -> list[str]:
    """What to tell of a line whose levels are derived from its own lists and the site's callers, which aren't here."""
    policy = Lines(settings.lines).get(line).policy
    if policy.false_flags_per_10000_calls is None and policy.costs is None:
        return []
    told = (
        f"Line `{line}` has its levels derived by the server, for its own lists and callers. Those aren't known here: "
        f"what is measured is what {policy.levels.medium:g} and {policy.levels.high:g} give."
    )
    return [told]


def _policy(settings: Settings, line: str) -> LinePolicy:
    policy = Lines(settings.lines).get(line).policy
    return LinePolicy(
        name=line, prior=policy.prior, medium=policy.levels.medium, high=policy.levels.high
    )
