"""``shengdun text``: what can be told of texts on this machine, without a server."""

from collections.abc import Iterable, Iterator
from dataclasses import replace
from datetime import date
from pathlib import Path
from typing import Annotated, Final

import typer

from shengdun.enrollment.dated_texts import DatedText, day_of, read_dated_texts
from shengdun.enrollment.errors import TextFileUnreadable
from shengdun.fingerprint.text.labels.labelling import FoundLabel
from shengdun.index.trends.daily import CountedText, Period
from shengdun.index.trends.daily import trends as phrase_trends
from shengdun.index.trends.ranking import Floors
from shengdun.service.cli.output import note, say, say_json
from shengdun.service.cli.places import Config, settings_of
from shengdun.service.cli.script_records import printable
from shengdun.service.cli.text_input import TextFile, read_text
from shengdun.service.cli.trend_records import of_line, show_trends
from shengdun.service.text_labels import CUSTOMER_PACK, STAFF_PACK, load_labels
from shengdun.service.trend_days import periods

app = typer.Typer()

_NAMED: Final = 20


@app.callback()
def text() -> None:
    """Label a text, or tell what many texts have begun to say, without a server."""


@app.command()
def labels(
    file: TextFile,
    pack: Annotated[
        list[Path] | None,
        typer.Option(metavar="YAML", help="A further label pack; may be given several times."),
    ] = None,
    *,
    staff: Annotated[
        bool,
        typer.Option(
            "--staff", help="The text is the institution's own: look for what staff must not say."
        ),
    ] = False,
    config: Config = None,
    json: Annotated[bool, typer.Option("--json", help="Write JSON, one label a line.")] = False,
) -> None:
    """Show the words of a text that label packs name: those that ship with Shengdun, and those of the settings.

    A label marks words and not people.
    """  # fmt: skip
    content = read_text(file)
    shipped = (CUSTOMER_PACK, STAFF_PACK) if staff else (CUSTOMER_PACK,)
    found = load_labels(settings_of(config, None).text, shipped=shipped, more=pack or ())
    for each in (labelled := found.of(content)):
        _show(each, content, json=json)
    if not labelled:
        note(f"nothing that a label of {', '.join(found.pack_ids)} names")


@app.command(
    epilog='A line of the file: {"text": "...", "date": "2026-03-02", "line": "complaints", "customer": "c-17"}. '
    "Of line and customer either may be missing; a text without a customer counts as one of a customer of its own."
)
def trends(
    file: Annotated[Path, typer.Argument(metavar="FILE.jsonl", help="JSON Lines in UTF-8.")],
    *,
    by_line: Annotated[bool, typer.Option("--by-line", help="Each line by itself.")] = False,
    until: Annotated[
        str, typer.Option(metavar="DAY", help="Last day of the period; else the file's last.")
    ] = "",
    days: Annotated[int, typer.Option(min=1, max=3650, help="Days of the period.")] = 7,
    past_days: Annotated[
        int, typer.Option(min=1, max=3650, help="Days before it that it is compared with.")
    ] = 28,
    customers: Annotated[
        int, typer.Option(min=1, help="Tell phrases of so many customers at least.")
    ] = Floors().customers,
    limit: Annotated[int, typer.Option(min=1, max=200, help="So many of either at most.")] = 20,
    json: Annotated[
        bool, typer.Option("--json", help="Write JSON, one line of business a line.")
    ] = False,
) -> int:
    """Show the phrases that texts have begun to say, and those that they say more than everybody does.

    Phrases have no personal particulars: these are masked. The exit code is 1 if lines of the file can't be used.
    """
    rows, wrong = _dated(file)
    if not rows:
        raise TextFileUnreadable(f"{file.name} has no text that can be used.")
    last = _day(until) if until else max(row.day for row in rows)
    period, past = periods(last, days=days, past_days=past_days)
    lines = sorted({row.line for row in rows if row.day in period}) if by_line else [None]
    for line in lines:
        own = [row for row in rows if line in {None, row.line}]
        told = phrase_trends(
            _counted(own, period),
            _counted(own, past),
            floors=Floors(customers=customers),
            limit=limit,
        )
        show_trends(of_line(line or "", told), period.first, period.last, json=json)
    return int(wrong > 0)


def _dated(file: Path) -> tuple[list[DatedText], int]:
    """The texts of a file, and how many of its lines are none; the first of these are named."""
    rows: list[DatedText] = []
    wrong = 0
    for number, row in enumerate(read_dated_texts(file)):
        if isinstance(row, DatedText):
            # Nobody is known to have sent another text too, so each is taken as one customer's.
            rows.append(row if row.customer else replace(row, customer=f"\0{number}"))
        else:
            wrong += 1
            if wrong <= _NAMED:
                note(f"{file.name}:{row.line}: {row.message}")
    if wrong:
        note(f"{wrong} lines of {file.name} are not used")
    return rows, wrong


def _counted(rows: Iterable[DatedText], period: Period) -> Iterator[CountedText]:
    for row in rows:
        if row.day in period:
            yield CountedText(text=row.text, customer=row.customer)


def _day(text: str) -> date:
    try:
        return day_of(text)
    except ValueError:
        raise typer.BadParameter(
            f"--until is no ISO 8601 day, such as 2026-03-02: {text!r}"
        ) from None


def _show(found: FoundLabel, text: str, *, json: bool) -> None:
    hit = found.hit
    if json:
        say_json(
            {
                "label": hit.label,
                "severity": hit.severity.value.lower(),
                "term": hit.term,
                "start": hit.start,
                "end": hit.end,
                "meaning_zh": found.meaning.zh,
                "meaning_en": found.meaning.en,
                "pack_id": found.pack_id,
            }
        )
        return
    say(
        f"{hit.start}-{hit.end}  {hit.severity.value:<6}  {hit.label}  {printable(text[hit.start : hit.end])}"
    )
