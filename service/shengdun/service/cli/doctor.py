"""``shengdun doctor``."""

import asyncio
from typing import Annotated

import typer

from shengdun.service.cli.output import pad, say, say_json
from shengdun.service.cli.places import Config, DataDir, settings_of
from shengdun.service.diagnosis import Verdict, diagnose
from shengdun.service.settings import Settings

app = typer.Typer()


@app.command()
def doctor(
    config: Config = None,
    data_dir: DataDir = None,
    json: Annotated[bool, typer.Option("--json", help="Write JSON, one finding a line.")] = False,
) -> int:
    """Check settings, packages, disk, keys, models, golden voiceprint, port, store and access.

    Nothing is changed. The exit code is 1 if any check fails; a warning alone is none.
    """
    return asyncio.run(_report(settings_of(config, data_dir), json=json))


async def _report(settings: Settings, *, json: bool) -> int:
    verdicts = []
    async for finding in diagnose(settings):
        verdicts.append(finding.verdict)
        if json:
            say_json(finding)
        else:
            say(f"{finding.verdict.value:<4}  {pad(finding.subject, 21)}  {finding.message}")
    return int(Verdict.FAIL in verdicts)
