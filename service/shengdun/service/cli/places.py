"""The options of every command that works on this machine's settings and files."""

from pathlib import Path
from typing import Annotated

import typer

from shengdun.service.settings import Settings, load_settings

Config = Annotated[
    Path | None,
    typer.Option(
        metavar="FILE", help="Settings file; else SHENGDUN_CONFIG, ./shengdun.toml, /etc/shengdun."
    ),
]
DataDir = Annotated[
    Path | None, typer.Option(metavar="DIR", help="Data directory, over what the settings say.")
]


def settings_of(config: Path | None, data_dir: Path | None, **others: object) -> Settings:
    """The settings with what the command line says last; ``None`` says nothing.

    Args:
        config: the settings file.
        data_dir: the data directory.
        **others: further values by key, with two underscores for the dot: ``server__port``.

    Raises:
        SettingsInvalid: the settings have mistakes.
    """
    given = {"data_dir": data_dir} | {
        key.replace("__", "."): value for key, value in others.items()
    }
    stated = {key: value for key, value in given.items() if value is not None}
    return load_settings(file=config, overrides=stated)
