"""``shengdun demo``."""

import asyncio
import signal
from typing import Annotated

import typer

from shengdun.service.cli.output import say
from shengdun.service.cli.places import Config, DataDir, settings_of
from shengdun.service.demo.run import run_demo

app = typer.Typer()


@app.command()
def demo(
    config: Config = None,
    data_dir: DataDir = None,
    fast: Annotated[
        bool, typer.Option("--fast", help="Send the calls as fast as the server takes them.")
    ] = False,
) -> int:
    """Enrol real voices, screen calls over a telephone codec, print every decision.

    Fetches the models and 30 MB of recordings at the first run. It starts a server of its own on a free port, with a
    store of its own that is gone afterwards; the server's log stays in DIR/server.log.
    """
    # A demo that is told to stop, by whatever signal, stops its server too.
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    settings = settings_of(config, data_dir)
    went_well = asyncio.run(
        run_demo(
            settings.data_dir,
            settings.models_directory,
            profile=settings.voice.calibration_profile,
            paced=not fast,
            say=say,
        )
    )
    return int(not went_well)
