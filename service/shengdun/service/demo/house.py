"""The demo's own server: a child process with its embedded store, in a directory of its own."""

import asyncio
import json
import os
import sys
from asyncio.subprocess import DEVNULL, PIPE, Process
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Final

from shengdun.service.demo.cast import LINE, PRIOR
from shengdun.service.errors import DemoFailed
from shengdun.service.settings import ENVIRONMENT_PREFIX, VoiceSettings

_READY: Final = "listening on "
_START_S: Final = 60.0
_STOP_S: Final = 20.0
_LAST_LINES: Final = 10


@asynccontextmanager
async def running_server(
    directory: Path, *, models: Path, voice: VoiceSettings, log: Path
) -> AsyncIterator[str]:
    """A server for the time of the block; gives its address.

    Args:
        directory: its data directory.
        models: where the models are.
        voice: its voice model and calibration profile.
        log: where its log goes.

    Raises:
        DemoFailed: it does not start.
    """
    config = directory / "demo.toml"
    config.write_text(_settings(voice), encoding="utf-8")
    command = (
        *(sys.executable, "-m", "shengdun.service.cli", "serve"),
        *("--config", str(config), "--data-dir", str(directory), "--models-dir", str(models)),
        *("--host", "127.0.0.1", "--port", "0"),
    )
    # What this machine's own server is set to must not change the demo.
    environment = {k: v for k, v in os.environ.items() if not k.startswith(ENVIRONMENT_PREFIX)}
    with log.open("wb") as stream:
        process = await asyncio.create_subprocess_exec(
            *command,
            stdin=DEVNULL,
            stdout=PIPE,
            stderr=stream,
            env=environment,
            start_new_session=True,
        )
    try:
        yield await _address(process, log)
    finally:
        await _stop(process)


def _settings(voice: VoiceSettings) -> str:
    # A TOML basic string has the escapes of JSON.
    settings = f"[lines.{LINE}]\nprior = {PRIOR}\n\n[voice]\nmodel = {json.dumps(voice.model)}\n"
    profile = voice.calibration_profile
    if profile is None:
        return settings
    named = json.dumps(str(profile.expanduser().absolute()))
    return f"{settings}calibration_profile = {named}\n"


async def _address(process: Process, log: Path) -> str:
    assert process.stdout is not None
    try:
        async with asyncio.timeout(_START_S):
            line = (await process.stdout.readline()).decode()
    except TimeoutError:
        line = ""
    if not line.startswith(_READY):
        last = await asyncio.to_thread(_last_lines, log)
        raise DemoFailed("the server did not start; the end of its log:\n  " + "\n  ".join(last))
    return line.removeprefix(_READY).strip()


async def _stop(process: Process) -> None:
    if process.returncode is not None:
        return
    process.terminate()
    try:
        async with asyncio.timeout(_STOP_S):
            await process.wait()
    except TimeoutError:
        process.kill()
        await process.wait()


def _last_lines(log: Path) -> list[str]:
    return log.read_text(encoding="utf-8", errors="replace").splitlines()[-_LAST_LINES:]
