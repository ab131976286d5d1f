"""The text that a command works on."""

import sys
from pathlib import Path
from typing import Annotated, Final

import typer

from shengdun.enrollment.text_files import MAX_TEXT_BYTES, read_text_file, text_of

STDIN: Final = Path("-")
TextFile = Annotated[
    Path, typer.Argument(metavar="FILE", help="The text: UTF-8, UTF-16 or GB 18030; - reads it from a pipe.")
]  # fmt: skip


def read_text(file: Path) -> str:
    """The text of a file, or of a pipe.

    Raises:
        TextFileUnreadable: it is not there, too large, or no text.
        BadParameter: what came through the pipe is too large.
    """
    if file != STDIN:
        return read_text_file(file)
    # One byte more than is taken, so that what is longer is refused and not cut.
    content = sys.stdin.buffer.read(MAX_TEXT_BYTES + 1)
    if len(content) > MAX_TEXT_BYTES:
        raise typer.BadParameter(f"the text has more than {MAX_TEXT_BYTES:,} bytes")
    return text_of("the text", content)
