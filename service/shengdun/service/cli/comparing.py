"""``shengdun models compare``."""

from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Final

import typer

from shengdun.fingerprint.voice.acoustics import Acoustics
from shengdun.fingerprint.voice.activity import VoiceActivity
from shengdun.fingerprint.voice.catalogue import ModelState
from shengdun.fingerprint.voice.conditions import Condition
from shengdun.fingerprint.voice.model_store import AskedPrecision, ModelStore
from shengdun.index.accuracy.comparison import ComparisonPlan, Contender, compare
from shengdun.index.accuracy.comparison_report import markdown, write_comparison
from shengdun.index.accuracy.corpus import read_corpus
from shengdun.index.accuracy.cost import ROUNDS
from shengdun.index.accuracy.embeddings import Embedder, EmbeddingCache, processors
from shengdun.index.accuracy.evaluation import REPLICATES
from shengdun.index.calibration import CalibrationProfile, load
from shengdun.index.profile_library import ProfileLibrary
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
from shengdun.service.profile_places import profile_keys, profile_library

_SECONDS: Final = (3.0, 10.0)
_SIZE: Final = 100


def compare_models(
    corpus: Annotated[
        Path,
        typer.Argument(
            metavar="CORPUS",
            help="A folder <speaker>/<recording>, or a CSV manifest, as `shengdun evaluate` takes it.",
        ),
    ],
    *,
    model: Annotated[
        list[str] | None,
        typer.Option(
            "--model",
            metavar="NAME",
            help="An installed voice model; may be repeated; the others are compared with the first. All, if none.",
        ),
    ] = None,
    output: Annotated[
        Path | None,
        typer.Option(
            "--output", metavar="DIR", help="Write report.md and report.json there; else print."
        ),
    ] = None,
    condition: Conditions = None,
    seconds: NetSpeech = None,
    size: Annotated[int, typer.Option("--size", min=1, help="Actors on the watchlist.")] = _SIZE,
    only: Only = None,
    same_speaker: SameSpeaker = None,
    profile: Annotated[
        list[Path] | None,
        typer.Option(
            "--profile",
            metavar="FILE",
            help="Calibration profile of one of the models, over the one it has; may be repeated.",
        ),
    ] = None,
    noise_and_rooms: NoiseAndRooms = None,
    cache: Cache = None,
    jobs: Jobs = None,
    replicates: Replicates = REPLICATES,
    rounds: Annotated[
        int, typer.Option("--rounds", min=1, help="Of the measurement of costs.")
    ] = ROUNDS,
    seed: Seed = 1,
    config: Config = None,
    data_dir: DataDir = None,
) -> None:
    """Set installed voice models side by side on a corpus: accuracy in the same calls, and cost.

    Nobody's voice is enrolled in a watchlist and no server is needed.
    """
    settings = settings_of(config, data_dir)
    store = ModelStore(settings.models_directory)
    names = _names(store, model or (), first=settings.voice.model)
    plan = ComparisonPlan(
        conditions=available(condition or list(Condition)),
        seconds=tuple(sorted(set(seconds or _SECONDS))),
        size=size,
        seed=seed,
        replicates=replicates,
        jobs=jobs or processors(),
        rounds=rounds,
        limit_s=settings.server.recording_max_s,
    )
    recordings = read_corpus(corpus, only=only or (), same_speaker=same_speaker or ())
    for warning in recordings.warnings:
        note(f"warning: {warning}")
    acoustics = Acoustics.recorded(noise_and_rooms) if noise_and_rooms else Acoustics.made()
    library, keys = profile_library(settings), profile_keys(settings)
    bench = _Bench(
        store,
        library,
        acoustics,
        EmbeddingCache(cache),
        limit_s=plan.limit_s,
        precision=settings.voice.precision,
    )
    named = settings.voice.calibration_profile
    given = [*([named.expanduser()] if named else []), *(profile or ())]
    contenders = bench.contenders(names, [load(one, keys) for one in given])
    measured = compare(recordings, plan, contenders, progress=tell)
    about = [f"Noises and rooms {acoustics.described}."]
    if output is None:
        say(markdown(measured, about=about))
    else:
        models = ", ".join(one.model_id for one in measured.models)
        say(f"{models}: {write_comparison(measured, output, about=about)}")


class _Bench:
    """What all models are measured with."""

    def __init__(
        self,
        store: ModelStore,
        library: ProfileLibrary,
        acoustics: Acoustics,
        cache: EmbeddingCache,
        *,
        limit_s: float,
        precision: AskedPrecision,
    ) -> None:
        self._store = store
        self._precision = precision
        self._library = library
        self._activity: VoiceActivity = store.voice_activity()
        self._acoustics = acoustics
        self._cache = cache
        self._limit_s = limit_s

    def contenders(
        self, names: Sequence[str], given: Sequence[CalibrationProfile]
    ) -> list[Contender]:
        """The models of these names, each with the last profile given for it, or else the one in use."""
        contenders = [self._contender(name, given) for name in names]
        known = {one.model.model_id for one in contenders}
        for profile in given:
            if profile.model_id not in known:
                note(f"warning: {profile.profile_id} is for {profile.model_id}, not compared here")
        return contenders

    def _contender(self, name: str, given: Sequence[CalibrationProfile]) -> Contender:
        path = self._store.verify(name)
        model = self._store.voice_model(name, precision=self._precision, tell=note)
        own = [profile for profile in given if profile.model_id == model.model_id]
        return Contender(
            model=model,
            embedder=Embedder(
                model=model,
                activity=self._activity,
                acoustics=self._acoustics,
                cache=self._cache,
                limit_s=self._limit_s,
            ),
            size_bytes=path.stat().st_size,
            profile=own[-1] if own else self._in_use(model.model_id),
        )

    def _in_use(self, model_id: str) -> CalibrationProfile | None:
        """The profile that is active in the library, or the one that ships with the model."""
        active = self._library.select(model_id).active
        if active is None:
            note(f"{model_id} has no calibration profile; it is compared by centred cosine only")
        return active


def _names(store: ModelStore, asked: Sequence[str], *, first: str) -> list[str]:
    """The models to compare, each once; of those installed, the one that the settings name comes first."""
    names = list(dict.fromkeys(asked)) or sorted(
        installed_voice_models(store), key=lambda name: name != first
    )
    if len(names) < 2:
        raise typer.BadParameter(
            f"there is nothing to compare {names[0] if names else 'with'}: two voice models at least must be "
            "installed and named; `shengdun models convert` makes a further one"
        )
    return names


def installed_voice_models(store: ModelStore) -> list[str]:
    """The names of the voice models that are installed and unaltered."""
    default = store.default_voice_model
    shipped = [
        status.artefact.name
        for status in store.status()
        if status.artefact.name == default and status.state is ModelState.INSTALLED
    ]
    converted = [one.name for one in store.converted() if one.state is ModelState.INSTALLED]
    return [*shipped, *converted]
