"""``shengdun serve``."""

import asyncio
import importlib
from collections.abc import Callable, Coroutine
from pathlib import Path
from typing import Annotated, Literal, cast

import typer

from shengdun.index.memory import made_for_good
from shengdun.service import telemetry
from shengdun.service.cli.output import say
from shengdun.service.cli.places import Config, DataDir, settings_of
from shengdun.service.settings import Settings

Serving = Coroutine[None, None, None]
app = typer.Typer()


@app.command()
def serve(
    config: Config = None,
    data_dir: DataDir = None,
    models_dir: Annotated[
        Path | None, typer.Option(metavar="DIR", help="Directory of the models.")
    ] = None,
    host: Annotated[
        str | None,
        typer.Option(help="Address to listen on; anything but loopback needs TLS and tokens."),
    ] = None,
    port: Annotated[int | None, typer.Option(help="Port to listen on; 0 takes a free one.")] = None,
    workers: Annotated[
        int | None, typer.Option(help="Processes that take calls on this port, on many cores.")
    ] = None,
    tls_certificate: Annotated[
        Path | None,
        typer.Option(metavar="PEM", help="The server's certificate chain; turns TLS on."),
    ] = None,
    tls_key: Annotated[Path | None, typer.Option(metavar="PEM", help="Its private key.")] = None,
    client_ca: Annotated[
        Path | None,
        typer.Option(
            metavar="PEM", help="Authority of which clients must show a certificate (mTLS)."
        ),
    ] = None,
    log_level: Annotated[
        Literal["debug", "info", "warning", "error"] | None,
        typer.Option(help="Least severe level that is logged, to standard error."),
    ] = None,
    log_format: Annotated[
        Literal["json", "console"] | None, typer.Option(help="For machines or for people.")
    ] = None,
) -> None:
    """Run the server until it is told to stop (SIGTERM, SIGINT).

    Everything else is in the settings file; `shengdun config --example` writes one with every key. Once calls are
    taken, one line on standard output says where.
    """
    settings = settings_of(
        config,
        data_dir,
        models_dir=models_dir,
        server__host=host,
        server__port=port,
        server__workers=workers,
        server__tls__certificate=tls_certificate,
        server__tls__key=tls_key,
        server__tls__client_ca=client_ca,
        log__level=log_level,
        log__format=log_format,
    )
    telemetry.configure_logging(settings.log)
    asyncio.run(_serve(settings, lambda address: say(f"listening on {address}")))


def _serve(settings: Settings, on_ready: Callable[[str], None]) -> Serving:
    # Modules are 125,000 objects that stay: a tenth of the time of loading them is spent on looking for garbage.
    with made_for_good():
        if settings.server.workers > 1:
            # The parent of workers loads no models and needs nothing that does, which is 100 MB.
            serve_crew = importlib.import_module("shengdun.service.workers.crew").serve
            return cast("Serving", serve_crew(settings, on_ready=on_ready))
        # Most of the time that models take is their libraries', beside which other modules can be loaded.
        loading = importlib.import_module("shengdun.service.model_loading").ModelLoading(settings)
        serve_alone = importlib.import_module("shengdun.service.server").serve
    return cast("Serving", serve_alone(settings, loading=loading, on_ready=on_ready))
