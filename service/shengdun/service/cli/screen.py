"""``shengdun screen``."""

import asyncio
import uuid
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Annotated

import typer

from shengdun.fingerprint.errors import ShengdunError
from shengdun.service.cli.decisions import decision_line, summary_row
from shengdun.service.cli.hints import with_hint
from shengdun.service.cli.output import complain, note, say, say_json, table
from shengdun.service.cli.target import Target, with_server
from shengdun.service.client import (
    AudioEncoding,
    AudioFormat,
    CallConfig,
    ClientError,
    Decision,
    ShengdunClient,
    TranscriptSegment,
    TranscriptUse,
)
from shengdun.service.client.telephone import converse, telephone_audio
from shengdun.service.transcript_files import read_transcript

app = typer.Typer()


@dataclass(frozen=True, slots=True, kw_only=True)
class _Plan:
    """How recordings are screened."""

    live: bool
    paced: bool
    line: str
    customer: str
    watchlists: tuple[str, ...]
    audio_format: AudioFormat
    budget: timedelta | None
    words: tuple[TranscriptSegment, ...] | None
    json: bool
    several: bool


@app.command()
@with_server
async def screen(
    target: Target,
    files: Annotated[list[Path], typer.Argument(metavar="FILE", help="Recordings of callers.")],
    *,
    live: Annotated[
        bool,
        typer.Option("--live/--recording", help="As live calls over a telephone codec, or whole."),
    ] = True,
    paced: Annotated[
        bool,
        typer.Option("--paced/--fast", help="Live: at the pace of speech, or as fast as it goes."),
    ] = True,
    line: Annotated[str, typer.Option(help="Line of business; without it `default`.")] = "",
    customer: Annotated[
        str,
        typer.Option(
            metavar="REFERENCE", help="Whom the calls are about; words are compared with others'."
        ),
    ] = "",
    watchlist: Annotated[
        list[str] | None,
        typer.Option(
            metavar="WATCHLIST",
            help="Id of a watchlist to screen; repeat it; without it the line's.",
        ),
    ] = None,
    codec: Annotated[AudioEncoding, typer.Option(help="Live: how the call is encoded.")] = (
        AudioEncoding.PCMU
    ),
    rate: Annotated[int, typer.Option(help="Live: samples a second, for L16 also 16000.")] = 8_000,
    budget_ms: Annotated[
        int | None, typer.Option(min=1, help="Live: time to a decision; without it the line's.")
    ] = None,
    transcript: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE",
            help="Words of the one call: JSON Lines of segments, or the caller's as .txt.",
        ),
    ] = None,
    concurrency: Annotated[int, typer.Option(min=1, help="Calls at once.")] = 8,
    json: Annotated[bool, typer.Option("--json", help="Write every decision as JSON.")] = False,
) -> int:
    """Screen recordings and show the decisions, state by state; several end in a table."""
    if transcript is not None and len(files) > 1:
        raise typer.BadParameter("--transcript goes with one recording")
    plan = _Plan(
        words=None if transcript is None else read_transcript(transcript),
        live=live,
        paced=paced,
        line=line,
        customer=customer,
        watchlists=tuple(watchlist or ()),
        audio_format=AudioFormat(encoding=codec, sample_rate_hz=rate),
        budget=None if budget_ms is None else timedelta(milliseconds=budget_ms),
        json=json,
        several=len(files) > 1,
    )
    async with target.connect() as client:
        screened = await _screen_all(client, files, plan, asyncio.Semaphore(concurrency))
    if plan.several and not json:
        say()
        rows = [(file.name, *summary_row(one)) for file, one in zip(files, screened, strict=True)]
        headers = ("FILE", "STATE", "LEVEL", "PROBABILITY", "NET SPEECH", "BEST ACTOR", "LLR")
        say(table(headers, rows))
    return int(None in screened)


async def _screen_all(
    client: ShengdunClient, files: Sequence[Path], plan: _Plan, places: asyncio.Semaphore
) -> list[Decision | None]:
    async def one(file: Path) -> Decision | None:
        async with places:
            try:
                return await (_live if plan.live else _whole)(client, file, plan)
            except ShengdunError as error:
                complain(error.message)
            except ClientError as error:
                complain(f"{file}: {with_hint(error.message, error.reason)}")
            except OSError as error:
                complain(f"{file}: {error.strerror or error}")
            return None

    return list(await asyncio.gather(*(one(file) for file in files)))


async def _live(client: ShengdunClient, file: Path, plan: _Plan) -> Decision | None:
    audio = await asyncio.to_thread(telephone_audio, file, plan.audio_format)
    config = CallConfig(
        call_id=f"cli-{uuid.uuid4().hex}",
        line=plan.line,
        customer_reference=plan.customer,
        audio_format=plan.audio_format,
        watchlist_ids=plan.watchlists,
        budget=plan.budget,
        transcript_use=(
            TranscriptUse.UNSPECIFIED if plan.words is None else TranscriptUse.BESIDE_AUDIO
        ),
    )
    async with client.screen_call(config) as call:
        if not (plan.json or plan.several):
            note(f"call {config.call_id}")
        async for decision in converse(call, audio, paced=plan.paced, words=plan.words or ()):
            _show(file, decision, plan)
    return call.decision


async def _whole(client: ShengdunClient, file: Path, plan: _Plan) -> Decision:
    screened = await client.screen_recording(
        file,
        line=plan.line,
        customer_reference=plan.customer,
        watchlist_ids=plan.watchlists,
        words=plan.words or (),
    )
    _show(file, screened.decision, plan)
    return screened.decision


def _show(file: Path, decision: Decision, plan: _Plan) -> None:
    if plan.json:
        say_json({"file": file, "decision": decision})
    else:
        # What is sent faster than speech waits in line, so that its latency says nothing.
        line = decision_line(decision, timed=plan.live and plan.paced)
        say((f"{file.name}: " if plan.several else "") + line)
