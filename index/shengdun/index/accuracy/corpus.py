"""Corpora of recordings with their speakers: a folder ``<speaker>/<recording>`` or a CSV manifest.

A manifest has the columns ``path`` (relative to the manifest) and ``speaker``, and may have ``session``, ``language``,
``sex`` and ``corpus``. A speaker's name means one person within one corpus; impostors are drawn within a corpus, since
across corpora language, microphone and room would give the answer away. A folder with a ``MANIFEST.csv`` is read by it.
"""

import csv
import hashlib
from collections import Counter, defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import ClassVar, Final

from shengdun.fingerprint.errors import Status
from shengdun.index.errors import IndexRoomError

MANIFEST_NAME: Final = "MANIFEST.csv"
_REQUIRED: Final = ("path", "speaker")
_NAMED: Final = 5
SUFFIXES: Final = frozenset({
    ".3gp", ".aac", ".aif", ".aiff", ".amr", ".au", ".caf", ".flac", ".gsm", ".m4a", ".mka", ".mkv",
    ".mov", ".mp3", ".mp4", ".oga", ".ogg", ".opus", ".wav", ".webm", ".wma",
})  # fmt: skip
"""Files with another ending are not looked into."""


class CorpusInvalid(IndexRoomError):
    """A corpus that nothing can be measured on, or whose labels contradict each other; the message names the files."""

    status: ClassVar[Status] = Status.INVALID_ARGUMENT
    reason: ClassVar[str] = "CORPUS_INVALID"


@dataclass(frozen=True, slots=True, kw_only=True)
class CorpusRecording:
    """A recording and who speaks in it.

    Attributes:
        name: as the manifest or the folder names it.
        path: of the file.
        speaker: one person, ``corpus/speaker``.
        session: the call or meeting; the recording's own name where sessions are not known.
        corpus: the part of the corpus that impostors are drawn within.
        language: as the manifest says; empty where unknown.
        sex: as the manifest says; empty where unknown.
        sha256: of the file's content.
    """

    name: str
    path: Path
    speaker: str
    session: str
    corpus: str
    language: str
    sex: str
    sha256: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Corpus:
    """Recordings that are fit to measure on.

    Attributes:
        recordings: of at least two speakers, one of whom has at least two.
        sessions_known: whether the manifest names sessions.
        warnings: what was left out or looks wrong, for people; each names the files.
    """

    recordings: tuple[CorpusRecording, ...]
    sessions_known: bool
    warnings: tuple[str, ...]

    @property
    def speakers(self) -> tuple[str, ...]:
        """Every speaker once, in order."""
        return tuple(sorted({recording.speaker for recording in self.recordings}))

    def by_speaker(self) -> dict[str, list[CorpusRecording]]:
        """The recordings of each speaker, in the order of the corpus."""
        found: dict[str, list[CorpusRecording]] = defaultdict(list)
        for recording in self.recordings:
            found[recording.speaker].append(recording)
        return {speaker: found[speaker] for speaker in self.speakers}


@dataclass(frozen=True, slots=True, kw_only=True)
class _Row:
    name: str
    path: Path
    corpus: str
    speaker: str
    session: str = ""
    language: str = ""
    sex: str = ""

    @property
    def full_name(self) -> str:
        """The speaker as ``CorpusRecording.speaker`` has them."""
        return f"{self.corpus}/{self.speaker}" if self.corpus else self.speaker


def read_corpus(
    source: Path, *, only: Sequence[str] = (), same_speaker: Sequence[str] = ()
) -> Corpus:
    """Read a corpus and check that something can be measured on it.

    Args:
        source: the folder or the manifest.
        only: names of corpora within a manifest; none means all of them.
        same_speaker: ``NAME=OTHER`` where two names are one person, who is then called by the second; names as
            ``CorpusRecording.speaker`` has them, of one corpus.

    Raises:
        CorpusInvalid: there is no such corpus, a listed file is missing, one recording has two speakers, no speaker
            could be compared with another, or ``same_speaker`` names somebody who isn't there.
    """
    warnings: list[str] = []
    rows = _rows(source, warnings)
    if only:
        rows = _only(rows, only)
    rows = _renamed(rows, same_speaker, warnings)
    missing = [row.name for row in rows if not row.path.is_file()]
    if missing:
        raise CorpusInvalid(
            f"{source.name} lists recordings that are not there: {names_of(missing)}. "
            "Correct their paths; they are relative to the manifest."
        )
    recordings = _distinct(_filled(rows, warnings), warnings)
    _check_sexes(recordings, warnings)
    _check_measurable(source, recordings, warnings)
    return Corpus(
        recordings=tuple(recordings),
        sessions_known=any(row.session for row in rows),
        warnings=tuple(warnings),
    )


def _rows(source: Path, warnings: list[str]) -> list[_Row]:
    if source.is_file():
        return _manifest_rows(source)
    if (source / MANIFEST_NAME).is_file():
        return _manifest_rows(source / MANIFEST_NAME)
    if source.is_dir():
        return list(_folder_rows(source, warnings))
    raise CorpusInvalid(
        f"There is no corpus {source}. Give a folder of <speaker>/<recording>, or a CSV manifest with the columns "
        "path and speaker."
    )


def _manifest_rows(manifest: Path) -> list[_Row]:
    try:
        with manifest.open(newline="", encoding="utf-8-sig") as file:
            reader = csv.DictReader(file)
            lacking = [name for name in _REQUIRED if name not in (reader.fieldnames or ())]
            if lacking:
                raise CorpusInvalid(
                    f"{manifest.name} has no column {' and no column '.join(lacking)}. Its first line must name the "
                    "columns path and speaker, and may name session, language, sex and corpus."
                )
            return [
                _manifest_row(manifest, number, row) for number, row in enumerate(reader, start=2)
            ]
    except (UnicodeDecodeError, csv.Error) as error:
        raise CorpusInvalid(f"{manifest.name} is no CSV file in UTF-8: {error}.") from error


def _manifest_row(manifest: Path, number: int, row: dict[str, str | None]) -> _Row:
    said = {name: (row.get(name) or "").strip() for name in (*_REQUIRED, *_OPTIONAL)}
    for name in _REQUIRED:
        if not said[name]:
            raise CorpusInvalid(
                f"{manifest.name} says no {name} in line {number}. Add it, or remove the line."
            )
    return _Row(
        name=said["path"],
        path=manifest.parent / said["path"],
        corpus=said["corpus"],
        speaker=said["speaker"],
        session=said["session"],
        language=said["language"],
        sex=said["sex"].lower(),
    )


_OPTIONAL: Final = ("session", "language", "sex", "corpus")


def _folder_rows(folder: Path, warnings: list[str]) -> Iterator[_Row]:
    others: list[str] = []
    for path in sorted(folder.rglob("*")):
        parts = path.relative_to(folder).parts
        if path.is_dir() or any(part.startswith(".") for part in parts):
            continue
        name = "/".join(parts)
        if len(parts) == 2 and path.suffix.lower() in SUFFIXES:
            yield _Row(name=name, path=path, corpus="", speaker=parts[0])
        else:
            others.append(name)
    if others:
        warnings.append(
            f"not read, because they are no recordings at <speaker>/<recording>: {names_of(others)}"
        )


def _only(rows: list[_Row], only: Sequence[str]) -> list[_Row]:
    known = {row.corpus for row in rows}
    unknown = [name for name in only if name not in known]
    if unknown:
        raise CorpusInvalid(
            f"The manifest has no corpus {names_of(unknown)}; it has: {', '.join(sorted(known - {''})) or 'none'}."
        )
    return [row for row in rows if row.corpus in only]


def _renamed(rows: list[_Row], same_speaker: Sequence[str], warnings: list[str]) -> list[_Row]:
    """The rows with people of two names under one; pairs whose corpus isn't read are left alone."""
    called = {row.full_name: row for row in rows}
    corpora = {row.corpus for row in rows}
    for pair in same_speaker:
        name, equals, other = pair.partition("=")
        if not equals or _corpus_of(name) != _corpus_of(other):
            raise CorpusInvalid(
                f"{pair!r} doesn't say which two names are one person. Write NAME=OTHER, each as CORPUS/SPEAKER of "
                "one corpus, or as SPEAKER where there are no corpora."
            )
        if _corpus_of(name) not in corpora:
            continue
        unknown = [each for each in (name, other) if each not in called]
        if unknown:
            raise CorpusInvalid(
                f"No recording is of {' or '.join(unknown)}, said to be one person in {pair!r}. The corpus has "
                f"{names_of(sorted(called))}."
            )
        rows = [
            replace(row, speaker=called[other].speaker) if row.full_name == name else row
            for row in rows
        ]
        warnings.append(f"{name} counts as {other}, who is said to be the same person")
    return rows


def _corpus_of(speaker: str) -> str:
    return speaker.partition("/")[0] if "/" in speaker else ""


def _filled(rows: list[_Row], warnings: list[str]) -> list[_Row]:
    empty = [row.name for row in rows if not row.path.stat().st_size]
    if empty:
        warnings.append(f"left out, because they are empty: {names_of(empty)}")
    return [row for row in rows if row.path.stat().st_size]


def _distinct(rows: list[_Row], warnings: list[str]) -> list[CorpusRecording]:
    """Every content once; the same content of two speakers can't be right."""
    found: dict[str, CorpusRecording] = {}
    copies: list[str] = []
    for row in rows:
        recording = _recording(row)
        known = found.setdefault(recording.sha256, recording)
        if known.speaker != recording.speaker:
            raise CorpusInvalid(
                f"{known.name} and {recording.name} are the same recording, but the first is said to be of "
                f"{known.speaker} and the second of {recording.speaker}. Correct the labels."
            )
        if known is not recording:
            copies.append(f"{recording.name} (is {known.name})")
    if copies:
        warnings.append(f"left out, because they are copies: {names_of(copies)}")
    return list(found.values())


def _recording(row: _Row) -> CorpusRecording:
    speaker = row.full_name
    with row.path.open("rb") as file:
        digest = hashlib.file_digest(file, "sha256").hexdigest()
    return CorpusRecording(
        name=row.name,
        path=row.path,
        speaker=speaker,
        session=f"{speaker}/{row.session or row.name}",
        corpus=row.corpus,
        language=row.language,
        sex=row.sex,
        sha256=digest,
    )


def _check_sexes(recordings: list[CorpusRecording], warnings: list[str]) -> None:
    said: dict[str, dict[str, str]] = defaultdict(dict)
    for recording in recordings:
        if recording.sex:
            said[recording.speaker].setdefault(recording.sex, recording.name)
    for speaker, by_sex in said.items():
        if len(by_sex) > 1:
            files = ", ".join(f"{sex} in {name}" for sex, name in sorted(by_sex.items()))
            warnings.append(f"{speaker} is said to be of two sexes: {files}")


def _check_measurable(source: Path, recordings: list[CorpusRecording], warnings: list[str]) -> None:
    counts = Counter(recording.speaker for recording in recordings)
    if not recordings:
        raise CorpusInvalid(f"{source.name} holds no recording.{_because(warnings)}")
    if len(counts) < 2:
        raise CorpusInvalid(
            f"{source.name} has one speaker, {next(iter(counts))}. Nothing can be said about strangers: add recordings "
            f"of others, as <speaker>/<recording>.{_because(warnings)}"
        )
    if max(counts.values()) < 2:
        raise CorpusInvalid(
            f"Every speaker of {source.name} has one recording, as {recordings[0].name}. Nothing can be said about "
            f"recognition: add a second recording of some of them.{_because(warnings)}"
        )


def _because(warnings: list[str]) -> str:
    return "".join(f" ({warning})" for warning in warnings)


def names_of(names: Sequence[str]) -> str:
    """The first few names, and how many more there are."""
    rest = f" and {len(names) - _NAMED} more" if len(names) > _NAMED else ""
    return ", ".join(names[:_NAMED]) + rest
