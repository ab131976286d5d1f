"""The options of every command that talks to a server."""

import asyncio
import functools
import inspect
import re
from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Any, Concatenate, Final, ParamSpec

import typer

from shengdun.service.client import ShengdunClient

DEFAULT_ADDRESS: Final = "127.0.0.1:50051"
_ADDRESS: Final = re.compile(r".+:\d{1,5}")
_Parameters = ParamSpec("_Parameters")


@dataclass(frozen=True, slots=True, kw_only=True)
class Target:
    """The server that a command talks to, and what is shown to it."""

    server: str
    token: str | None = field(repr=False)
    ca_certificate: Path | None
    client_certificate: Path | None
    client_key: Path | None

    @asynccontextmanager
    async def connect(self, *, own_connection: bool = False) -> AsyncIterator[ShengdunClient]:
        """A client of the server; with a connection of its own it may reach another worker."""
        async with ShengdunClient.connect(
            self.server,
            token=self.token,
            ca_certificate=self.ca_certificate,
            client_certificate=self.client_certificate,
            client_key=self.client_key,
            own_connection=own_connection,
        ) as client:
            yield client


def target_of(
    *,
    server: Annotated[
        str,
        typer.Option(
            "--server",
            "--target",
            envvar="SHENGDUN_SERVER_ADDRESS",
            metavar="HOST:PORT",
            help="Address of the server.",
        ),
    ] = DEFAULT_ADDRESS,
    token: Annotated[
        str | None,
        typer.Option(
            envvar="SHENGDUN_TOKEN",
            metavar="TOKEN",
            help="Access token. Others on this machine can see it here; prefer the variable or --token-file.",
        ),
    ] = None,
    token_file: Annotated[
        Path | None, typer.Option(metavar="FILE", help="File that holds the access token.")
    ] = None,
    ca_certificate: Annotated[
        Path | None,
        typer.Option(
            envvar="SHENGDUN_CA_CERTIFICATE",
            metavar="PEM",
            help="Authority that signed the server's certificate; turns TLS on.",
        ),
    ] = None,
    client_certificate: Annotated[
        Path | None,
        typer.Option(
            envvar="SHENGDUN_CLIENT_CERTIFICATE", metavar="PEM", help="Certificate of this client."
        ),
    ] = None,
    client_key: Annotated[
        Path | None,
        typer.Option(envvar="SHENGDUN_CLIENT_KEY", metavar="PEM", help="Its private key."),
    ] = None,
) -> Target:
    """The target that the options describe.

    Raises:
        OSError: the token file can't be read.
        BadParameter: the options don't go together.
    """
    if not _ADDRESS.fullmatch(server):
        raise typer.BadParameter(f"--server must be HOST:PORT, for instance {DEFAULT_ADDRESS}")
    if token_file is not None:
        token = token_file.read_text(encoding="utf-8").strip()
    if (client_certificate is None) != (client_key is None):
        raise typer.BadParameter("--client-certificate and --client-key go together")
    if client_certificate is not None and ca_certificate is None:
        raise typer.BadParameter("--client-certificate needs --ca-certificate as well")
    return Target(
        server=server,
        token=token,
        ca_certificate=ca_certificate,
        client_certificate=client_certificate,
        client_key=client_key,
    )


def with_server(
    command: Callable[
        Concatenate[Target, _Parameters], Coroutine[Any, Any, int | None] | int | None
    ],
) -> Callable[..., int | None]:
    """Give a command, as its first argument, the target that its own added options describe."""
    options = inspect.signature(target_of).parameters
    own = list(inspect.signature(command).parameters.values())[1:]

    @functools.wraps(command)
    def run(**given: Any) -> int | None:  # noqa: ANN401 - typer gives what the signature says
        target = target_of(**{name: given.pop(name) for name in options})
        result = command(target, **given)  # type: ignore[call-arg]
        return asyncio.run(result) if isinstance(result, Coroutine) else result

    shown = [parameter.replace(kind=inspect.Parameter.KEYWORD_ONLY) for parameter in own]
    run.__signature__ = inspect.Signature([*shown, *options.values()])  # type: ignore[attr-defined]
    run.__annotations__ = {p.name: p.annotation for p in (*shown, *options.values())}
    return run
