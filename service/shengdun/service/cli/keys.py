"""``shengdun keys``."""

from pathlib import Path
from typing import Annotated

import typer

from shengdun.index.keys import KeyRing
from shengdun.service.cli.output import note, say, say_json, table
from shengdun.service.cli.places import Config, DataDir, settings_of

app = typer.Typer()

Json = Annotated[bool, typer.Option("--json", help="Write JSON, one value a line.")]


@app.command("list")
def list_(config: Config = None, data_dir: DataDir = None, json: Json = False) -> None:
    """List the master keys, without the keys themselves."""
    ring = KeyRing.load(settings_of(config, data_dir).keys_file)
    if json:
        for key_id, created_at in ring.created.items():
            is_active = key_id == ring.active_key_id
            say_json({"key_id": key_id.hex(), "created_at": created_at, "active": is_active})
        return
    rows = [
        (key_id.hex(), created_at, "seals" if key_id == ring.active_key_id else "opens")
        for key_id, created_at in ring.created.items()
    ]
    say(table(("KEY", "CREATED", "USE"), rows))


@app.command()
def rotate(config: Config = None, data_dir: DataDir = None) -> None:
    """Make a new master key, which seals everything from the next start of the server on.

    The server then seals what it has anew by itself. Older keys stay in the file: pseudonyms, receipts and backups need
    them.
    """
    path: Path = settings_of(config, data_dir).keys_file
    ring = KeyRing.load(path).rotate()
    note(
        f"added to {path}: back it up, copy it to every machine of the same store, then restart all servers"
    )
    say(ring.active_key_id.hex())
