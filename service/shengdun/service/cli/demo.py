"""``shengdun demo``."""

import asyncio
import signal
from collections.abc import Coroutine
from typing import Annotated, Any

import typer

from shengdun.service.cli.output import say
from shengdun.service.cli.places import Config, DataDir, settings_of
from shengdun.service.demo.run import run_demo

app = typer.Typer()


@app.command()
def demo(
    config: Config = None,
    data_dir: DataDir = None,
    model: Annotated[
        str | None,
        typer.Option(
            "--model",
            metavar="NAME|DIR",
            help="Run with another voice model: an installed one, or SpeechBrain's files in a directory, converted "
            "first (`pip install 'shengdun[ecapa]'`, or `make demo MODEL=DIR`).",
        ),
    ] = None,
    fast: Annotated[
        bool, typer.Option("--fast", help="Send the calls as fast as the server takes them.")
    ] = False,
) -> int:
    """Enrol real voices, screen calls over a telephone codec, print every decision.

    Fetches the models and 30 MB of recordings at the first run. It starts a server of its own on a free port, with a
    store of its own that is gone afterwards; the server's log stays in DIR/server.log.
    """
    settings = settings_of(config, data_dir)
    work = run_demo(
        settings.data_dir,
        settings.models_directory,
        voice=settings.voice,
        paced=not fast,
        say=say,
        model=model,
    )
    try:
        went_well = asyncio.run(_until_told(work))
    except asyncio.CancelledError:
        raise KeyboardInterrupt from None
    return int(not went_well)


async def _until_told(work: Coroutine[Any, Any, bool]) -> bool:
    """A demo that is told to stop, by SIGTERM as by SIGINT, stops its server too."""
    task = asyncio.ensure_future(work)
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, task.cancel)
    return await task
