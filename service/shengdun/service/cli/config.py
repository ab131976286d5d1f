"""``shengdun config``."""

from typing import Annotated

import typer

from shengdun.service.cli.output import say, say_json
from shengdun.service.cli.places import Config, DataDir, settings_of
from shengdun.service.settings_text import example, resolved

app = typer.Typer()


@app.command()
def config(
    config: Config = None,
    data_dir: DataDir = None,
    show_example: Annotated[
        bool,
        typer.Option("--example", help="Write a shengdun.toml with every key and its default."),
    ] = False,
    json: Annotated[bool, typer.Option("--json", help="Write JSON.")] = False,
) -> None:
    """Show the settings as they are resolved from defaults, file and environment; secrets are left out."""
    if show_example:
        say(example())
        return
    settings = settings_of(config, data_dir)
    if json:
        say_json(settings.model_dump(mode="json"))
    else:
        say(resolved(settings))
