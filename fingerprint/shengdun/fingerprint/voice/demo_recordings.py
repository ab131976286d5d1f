"""The recordings of the demo and the tests: nine speakers in several public meetings."""

import zipfile
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath

from shengdun.fingerprint.voice.samples import Seconds

_MILLISECONDS_PER_S = 1000


@dataclass(frozen=True, slots=True, kw_only=True)
class DemoRecording:
    """One stretch of speech of one speaker in one meeting.

    Attributes:
        meeting: the meeting, a stable identifier.
        speaker: ``S1`` to ``S9``, the same person in every meeting. Names are not shown.
        start_s: where it starts in the meeting.
        duration_s: how long it is.
    """

    meeting: str
    speaker: str
    start_s: Seconds
    duration_s: Seconds
    archive: Path = field(repr=False)
    member: str = field(repr=False)

    @property
    def key(self) -> str:
        """A stable name: meeting, speaker and start in milliseconds."""
        return f"{self.meeting}/{self.speaker}/{round(self.start_s * _MILLISECONDS_PER_S)}"

    def read(self) -> bytes:
        """Reads the recording: a WAV file, 16 kHz, mono, 16 bit."""
        with zipfile.ZipFile(self.archive) as archive:
            return archive.read(self.member)


def list_recordings(archive: Path) -> list[DemoRecording]:
    """Lists the recordings of the archive, by meeting, speaker and start.

    Args:
        archive: the ``demo-recordings`` artefact.
    """
    with zipfile.ZipFile(archive) as content:
        members = [PurePosixPath(name) for name in content.namelist() if name.endswith(".wav")]
    names = sorted({member.parts[-2] for member in members})
    speakers = {name: f"S{number}" for number, name in enumerate(names, start=1)}
    recordings = [_recording(archive, member, speakers) for member in members]
    return sorted(recordings, key=lambda item: (item.meeting, item.speaker, item.start_s))


def _recording(archive: Path, member: PurePosixPath, speakers: dict[str, str]) -> DemoRecording:
    start_ms, end_ms = (int(part) for part in member.stem.split("-"))
    return DemoRecording(
        meeting=member.parts[-3],
        speaker=speakers[member.parts[-2]],
        start_s=start_ms / _MILLISECONDS_PER_S,
        duration_s=(end_ms - start_ms) / _MILLISECONDS_PER_S,
        archive=archive,
        member=str(member),
    )
