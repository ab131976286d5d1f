"""Files of Chinese text are read as they were meant, or not at all."""

from pathlib import Path

import pytest

from shengdun.enrollment.errors import TextFileUnreadable
from shengdun.enrollment.text_files import MAX_TEXT_BYTES, read_text_file

TEXT = "我要求贵行减免全部利息，否则我将向银保监会投诉，并拨打12378。\n"


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "gb18030", "gbk"])
def test_the_usual_encodings_are_read(tmp_path: Path, encoding: str) -> None:
    """As word processors, chat exports and a Chinese Windows write them."""
    file = tmp_path / "letter.txt"
    file.write_bytes(TEXT.encode(encoding))
    assert read_text_file(file) == TEXT


@pytest.mark.parametrize(
    ("content", "named"),
    [
        (TEXT.encode()[:-3], "breaks at byte 86"),
        (TEXT.encode().replace("贵".encode(), b"\xe8\xb4", 1), "breaks at byte 9;"),
        (b"\x7fELF\x02\x01\x01\x00\x80\xff", "not text"),
        (b"%PDF-1.7\n", "PDF or Office"),
        (b"PK\x03\x04\x14\x00", "PDF or Office"),
        (TEXT.encode() + b"\x00", "not text"),
        (b"a" * (MAX_TEXT_BYTES + 1), "4,194,305 bytes"),
    ],
)
def test_what_is_no_text_is_refused(tmp_path: Path, content: bytes, named: str) -> None:
    """Broken UTF-8 would otherwise be read as other characters in GB18030."""
    file = tmp_path / "letter.txt"
    file.write_bytes(content)
    with pytest.raises(TextFileUnreadable, match=named):
        read_text_file(file)


def test_a_file_that_is_not_there_is_named(tmp_path: Path) -> None:
    """With the system's own word on it; a directory too."""
    for path in (tmp_path / "none.txt", tmp_path):
        with pytest.raises(TextFileUnreadable, match=str(path)):
            read_text_file(path)
