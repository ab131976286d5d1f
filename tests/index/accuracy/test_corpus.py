from pathlib import Path

import pytest

from fixtures.corpora import write_manifest
from shengdun.index.accuracy.corpus import CorpusInvalid, read_corpus


def put(folder: Path, *names: str) -> None:
    """Files with different content; what is in them doesn't matter to a corpus."""
    for name in names:
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(name.encode())


def test_a_folder_names_speakers_by_its_folders(tmp_path: Path) -> None:
    """<speaker>/<recording> needs no manifest; other files are named and not read."""
    put(tmp_path, "ann/1.wav", "ann/2.FLAC", "ben/1.wav", "notes.txt", "ben/old/3.wav")
    corpus = read_corpus(tmp_path)
    assert corpus.speakers == ("ann", "ben")
    assert len(corpus.recordings) == 3
    assert not corpus.sessions_known
    [warning] = corpus.warnings
    assert "notes.txt" in warning
    assert "ben/old/3.wav" in warning


def test_a_manifest_says_more_of_speakers(tmp_path: Path) -> None:
    """Sessions, languages and sexes are taken, and a name is a person within its corpus."""
    put(tmp_path, "a.wav", "b.wav", "c.wav")
    row = {"session": "m1", "language": "zh", "sex": "F"}
    manifest = write_manifest(
        tmp_path,
        [
            {"path": "a.wav", "speaker": "1", "corpus": "x"} | row,
            {"path": "b.wav", "speaker": "1", "corpus": "x"} | row,
            {"path": "c.wav", "speaker": "1", "corpus": "y"} | row,
        ],
    )
    corpus = read_corpus(manifest)
    assert corpus.speakers == ("x/1", "y/1")
    assert corpus.sessions_known
    assert {recording.sex for recording in corpus.recordings} == {"f"}
    assert read_corpus(tmp_path) == corpus
    with pytest.raises(CorpusInvalid, match="no corpus z; it has: x, y"):
        read_corpus(manifest, only=["z"])


def test_copies_are_found_by_content(tmp_path: Path) -> None:
    """A recording under two names would match itself: it is used once, and both names are told."""
    put(tmp_path, "ann/1.wav", "ann/2.wav", "ben/1.wav")
    (tmp_path / "ann/3.wav").write_bytes((tmp_path / "ann/1.wav").read_bytes())
    corpus = read_corpus(tmp_path)
    assert len(corpus.recordings) == 3
    assert "ann/3.wav (is ann/1.wav)" in corpus.warnings[0]


def test_one_recording_of_two_speakers_is_refused(tmp_path: Path) -> None:
    """Labels that contradict each other are an error that names both files and both speakers."""
    put(tmp_path, "ann/1.wav", "ann/2.wav", "ben/1.wav")
    (tmp_path / "ben/2.wav").write_bytes((tmp_path / "ann/1.wav").read_bytes())
    with pytest.raises(CorpusInvalid, match=r"ann/1\.wav and ben/2\.wav .* ann .* ben"):
        read_corpus(tmp_path)


def test_empty_files_are_named_and_left_out(tmp_path: Path) -> None:
    """An empty file is no recording of anybody."""
    put(tmp_path, "ann/1.wav", "ann/2.wav", "ben/1.wav")
    (tmp_path / "ben/empty.wav").touch()
    corpus = read_corpus(tmp_path)
    assert len(corpus.recordings) == 3
    assert "empty: ben/empty.wav" in corpus.warnings[0]


@pytest.mark.parametrize(
    ("names", "message"),
    [
        (["ann/1.wav", "ann/2.wav"], "one speaker, ann"),
        (["ann/1.wav", "ben/1.wav"], r"one recording, as ann/1\.wav"),
        (["1.wav"], r"no recording.*1\.wav"),
        ([], "no recording"),
    ],
)
def test_a_corpus_that_nothing_can_be_measured_on_is_refused(
    tmp_path: Path, names: list[str], message: str
) -> None:
    """One speaker, one recording each, nothing at all: said before anything is computed."""
    put(tmp_path, *names)
    with pytest.raises(CorpusInvalid, match=message):
        read_corpus(tmp_path)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("file,speaker\na.wav,ann\n", "no column path"),
        ("path,speaker\na.wav,\n", "no speaker in line 2"),
        ("path,speaker\ngone.wav,ann\na.wav,ben\n", r"not there: gone\.wav"),
        ("path,speaker\n\xff\n", "no CSV file in UTF-8"),
    ],
)
def test_a_manifest_with_mistakes_is_refused(tmp_path: Path, text: str, message: str) -> None:
    """The message says which line or file is wrong."""
    put(tmp_path, "a.wav")
    manifest = tmp_path / "list.csv"
    manifest.write_bytes(text.encode("latin-1"))
    with pytest.raises(CorpusInvalid, match=message):
        read_corpus(manifest)


def test_a_corpus_that_is_not_there_is_refused(tmp_path: Path) -> None:
    """The path is in the message."""
    with pytest.raises(CorpusInvalid, match="nowhere"):
        read_corpus(tmp_path / "nowhere")


def test_a_speaker_of_two_sexes_is_told(tmp_path: Path) -> None:
    """It may be two people under one name."""
    put(tmp_path, "a.wav", "b.wav", "c.wav")
    manifest = write_manifest(
        tmp_path,
        [
            {"path": "a.wav", "speaker": "ann", "sex": "f"},
            {"path": "b.wav", "speaker": "ann", "sex": "m"},
            {"path": "c.wav", "speaker": "ben", "sex": "m"},
        ],
    )
    [warning] = read_corpus(manifest).warnings
    assert "f in a.wav, m in b.wav" in warning


def test_two_names_of_one_person(tmp_path: Path) -> None:
    """They count as one, which is told; names that nobody has are refused, corpora that aren't read are left alone."""
    put(tmp_path, "a.wav", "b.wav", "c.wav")
    manifest = write_manifest(
        tmp_path,
        [
            {"path": "a.wav", "speaker": "ann", "corpus": "x"},
            {"path": "b.wav", "speaker": "nan", "corpus": "x"},
            {"path": "c.wav", "speaker": "ben", "corpus": "x"},
        ],
    )
    corpus = read_corpus(manifest, same_speaker=["x/nan=x/ann", "y/a=y/b"])
    assert corpus.speakers == ("x/ann", "x/ben")
    assert [len(own) for own in corpus.by_speaker().values()] == [2, 1]
    assert corpus.warnings == ("x/nan counts as x/ann, who is said to be the same person",)
    with pytest.raises(CorpusInvalid, match=r"No recording is of x/nancy.*x/ann, x/ben, x/nan"):
        read_corpus(manifest, same_speaker=["x/nancy=x/ann"])
    for unclear in ("x/nan", "x/nan=y/ann", "nan=x/ann"):
        with pytest.raises(CorpusInvalid, match="Write NAME=OTHER"):
            read_corpus(manifest, same_speaker=[unclear])
