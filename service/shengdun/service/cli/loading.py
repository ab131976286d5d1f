"""The options of ``shengdun load``."""

from pathlib import Path
from typing import Annotated, Final

import typer

from shengdun.service.load.scenarios import Scenario

_MOST_RATE: Final = 10_000
_LONGEST_S: Final = 30 * 86_400

Played = Annotated[
    Scenario,
    typer.Argument(
        help="One call at a time; the highest rate within the budget; twice that; a long run; a step up and back; "
        "whole recordings as fast as it goes."
    ),
]
Output = Annotated[Path, typer.Option(metavar="DIR", help="Directory to write the report into.")]
Recordings = Annotated[
    Path | None,
    typer.Option(metavar="DIR", help="Recordings of callers; else the demonstration's."),
]
Transcripts = Annotated[
    Path | None,
    typer.Option(
        metavar="FILE",
        help="Send words beside the audio of every call: a text file, on each line what one caller says.",
    ),
]
Rate = Annotated[
    float | None,
    typer.Option(
        min=0.001,
        max=_MOST_RATE,
        help="Calls begun each second. soak and burst need it; rated begins its search there; overload searches for "
        "the rated load if it isn't given.",
    ),
]
Calls = Annotated[int, typer.Option(min=0, help="Calls of single, recordings of offline.")]
Duration = Annotated[
    float | None,
    typer.Option(
        min=1, max=_LONGEST_S, help="Seconds that are measured of a run; 30, of soak 1800."
    ),
]
WarmUp = Annotated[
    float | None,
    typer.Option(
        min=0,
        max=_LONGEST_S,
        help="Seconds before that; else the mean length of a call, at most 30.",
    ),
]
CallLength = Annotated[
    str, typer.Option(metavar="SECONDS", help="30 fixed, 20-40 uniform, exp:60 exponential.")
]
ChunkMs = Annotated[int, typer.Option(min=10, max=10_000, help="Audio in one message.")]
BudgetMs = Annotated[
    int | None,
    typer.Option(min=10, max=60_000, help="Ask for this budget; without it the line's."),
]
Line = Annotated[str, typer.Option(help="Line of business; without it `default`.")]
Watchlists = Annotated[
    list[str] | None,
    typer.Option(metavar="WATCHLIST", help="Id of a watchlist to screen; may be repeated."),
]
BurstFactor = Annotated[float, typer.Option(min=1, max=1_000, help="burst: times the rate.")]
BurstSeconds = Annotated[float, typer.Option(min=1, max=_LONGEST_S, help="burst: how long.")]
Precision = Annotated[
    float, typer.Option(min=1.01, max=2, help="rated: factor between not kept and kept.")
]
MostRate = Annotated[float, typer.Option(min=0.1, max=_MOST_RATE, help="rated: where it ends.")]
Processes = Annotated[int, typer.Option(min=1, max=256, help="Client processes.")]
Connections = Annotated[int, typer.Option(min=1, max=256, help="Connections of each process.")]
Concurrency = Annotated[
    int, typer.Option(min=1, help="offline: recordings of each process at once.")
]
LateMs = Annotated[
    float, typer.Option(min=1, help="A chunk sent later than planned by more is late.")
]
Grace = Annotated[
    float, typer.Option(min=0, max=_LONGEST_S, help="Seconds that calls may run on after a run.")
]
