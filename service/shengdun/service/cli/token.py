"""``shengdun token``."""

from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Annotated

import typer

from shengdun.service.access import AccessToken, Role, TokenFile
from shengdun.service.cli.output import note, say, say_json, table
from shengdun.service.cli.places import Config, DataDir, settings_of

app = typer.Typer()

Json = Annotated[bool, typer.Option("--json", help="Write JSON, one value a line.")]


@app.command()
def issue(
    name: Annotated[str, typer.Argument(metavar="NAME", help="Who it is for, for instance ivr-1.")],
    role: Annotated[
        list[Role],
        typer.Option(
            metavar="ROLE",
            help="What it may do: telephony screens calls, investigator keeps watchlists, admin does everything; "
            "reviewer and auditor only see what the server is, as yet. Repeat it for several.",
        ),
    ],
    days: Annotated[
        int | None, typer.Option(min=1, help="Days until it expires; without it never.")
    ] = None,
    config: Config = None,
    data_dir: DataDir = None,
) -> None:
    """Issue a token. It is shown once, on standard output; the server keeps only its hash."""
    expires = None if days is None else datetime.now(UTC) + timedelta(days=days)
    file = _file(config, data_dir)
    token = file.issue(name, role, expires)
    note(f"added to {file.path}; a running server takes it at once; it can't be shown again:")
    say(token)


@app.command("list")
def list_(config: Config = None, data_dir: DataDir = None, json: Json = False) -> None:
    """List the tokens, without the tokens themselves."""
    now = datetime.now(UTC)
    entries = [_entry(token, now) for token in _file(config, data_dir).list()]
    if json:
        for entry in entries:
            say_json(entry)
    else:
        say(table(("TOKEN", "NAME", "ROLES", "CREATED", "STATE"), [_row(e) for e in entries]))


@app.command()
def revoke(
    token_id: Annotated[str, typer.Argument(metavar="TOKEN", help="Its id, as listed.")],
    config: Config = None,
    data_dir: DataDir = None,
) -> None:
    """Revoke a token; the server refuses it from the next request on."""
    revoked = _file(config, data_dir).revoke(token_id)
    say(f"revoked {revoked.token_id} of {revoked.name}")


def _file(config: Path | None, data_dir: Path | None) -> TokenFile:
    return TokenFile(settings_of(config, data_dir).tokens_file)


def _entry(token: AccessToken, now: datetime) -> dict[str, object]:
    return {
        "token_id": token.token_id,
        "name": token.name,
        "roles": sorted(role.value for role in token.roles),
        "created_at": token.created_at,
        "expires_at": token.expires_at,
        "expired": token.expired(now),
    }


def _row(entry: dict[str, object]) -> tuple[str, ...]:
    created, expires = entry["created_at"], entry["expires_at"]
    until = f"until {expires:%Y-%m-%d %H:%M}Z" if isinstance(expires, datetime) else "no expiry"
    roles = entry["roles"]
    return (
        str(entry["token_id"]),
        str(entry["name"]),
        ", ".join(roles) if isinstance(roles, list) else "",
        f"{created:%Y-%m-%d %H:%M}Z",
        "expired" if entry["expired"] else until,
    )
