"""``shengdun text``: what can be told of texts on this machine, without a server."""

from pathlib import Path
from typing import Annotated

import typer

from shengdun.fingerprint.text.labels.labelling import FoundLabel
from shengdun.service.cli.output import note, say, say_json
from shengdun.service.cli.places import Config, settings_of
from shengdun.service.cli.script_records import printable
from shengdun.service.cli.text_input import TextFile, read_text
from shengdun.service.text_labels import CUSTOMER_PACK, STAFF_PACK, load_labels

app = typer.Typer()


@app.callback()
def text() -> None:
    """Label a text, without a server."""


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
