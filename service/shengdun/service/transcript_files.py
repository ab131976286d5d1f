"""Transcripts in files: JSON Lines, a segment on each, in the order in which a speech recogniser sent them.

Or plain text, if the file's name ends with .txt: what the caller said, and nothing of the institution's own agent.
"""

import json
from datetime import timedelta
from pathlib import Path
from typing import Annotated, Final

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from shengdun.enrollment.text_files import read_text_file
from shengdun.service.client import Speaker, TranscriptSegment
from shengdun.service.errors import InvalidRequest

_AT_ONCE: Final = 10_000
"""Code points of plain text in a segment; where words are cut makes no difference."""
_FIELDS: Final = "text, speaker, is_final, segment_id, start_s, end_s"


class _Line(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)

    text: str
    speaker: Speaker = Speaker.CALLER
    is_final: bool = True
    segment_id: str = ""
    start_s: Annotated[float, Field(ge=0, le=1e6)] | None = None
    end_s: Annotated[float, Field(ge=0, le=1e6)] | None = None

    @property
    def segment(self) -> TranscriptSegment:
        return TranscriptSegment(
            text=self.text,
            speaker=self.speaker,
            is_final=self.is_final,
            segment_id=self.segment_id,
            start=None if self.start_s is None else timedelta(seconds=self.start_s),
            end=None if self.end_s is None else timedelta(seconds=self.end_s),
        )


def read_transcript(path: Path) -> tuple[TranscriptSegment, ...]:
    """The segments of a file; blank lines are passed over. JSON Lines are UTF-8, text as ``read_text_file`` takes it.

    Raises:
        InvalidRequest: it can't be read, or a line is no segment; the message names the line and none of the words.
        TextFileUnreadable: it is no text.
    """
    if path.suffix.lower() == ".txt":
        said = "\n".join(line for line in read_text_file(path).splitlines() if line.strip())
        return tuple(
            TranscriptSegment(text=said[start : start + _AT_ONCE], speaker=Speaker.CALLER)
            for start in range(0, len(said), _AT_ONCE)
        )
    try:
        lines = path.read_text(encoding="utf-8-sig").split("\n")
    except (OSError, UnicodeDecodeError) as error:
        why = error.strerror if isinstance(error, OSError) else "it is not UTF-8"
        raise InvalidRequest(f"cannot read the transcript {path}: {why}") from None
    return tuple(
        _segment(path, number, line) for number, line in enumerate(lines, start=1) if line.strip()
    )


def _segment(path: Path, number: int, line: str) -> TranscriptSegment:
    try:
        return _Line.model_validate(json.loads(line)).segment
    except (json.JSONDecodeError, ValidationError) as error:
        raise InvalidRequest(
            f"line {number} of {path} is no segment: {_why(error)}; write an object with {_FIELDS}"
        ) from None


def _why(error: json.JSONDecodeError | ValidationError) -> str:
    if isinstance(error, json.JSONDecodeError):
        return "it is not JSON"
    first = error.errors(include_url=False, include_input=False)[0]
    return f"{'.'.join(map(str, first['loc'])) or 'the line'}: {first['msg']}"
