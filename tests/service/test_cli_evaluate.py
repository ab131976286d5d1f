from pathlib import Path

from fixtures.command_line import assert_one_error_line, shengdun
from fixtures.corpora import write_manifest
from shengdun.fingerprint.voice.demo_recordings import DemoRecording


def test_a_corpus_is_measured_and_the_report_written(
    tmp_path: Path, models_dir: Path, recordings: list[DemoRecording]
) -> None:
    """A folder of real speech gives a report; what can't be measured is said and doesn't stop it."""
    short = [each for each in recordings if 5.0 <= each.duration_s <= 9.0]
    for number, each in enumerate(short[:10]):
        path = tmp_path / "corpus" / each.speaker / f"{number}.wav"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(each.read())
    (tmp_path / "corpus" / short[0].speaker / "empty.wav").touch()
    options = ["--condition", "pcmu", "--seconds", "3", "--sizes", "3", "--sizes", "20"]
    options += ["--replicates", "10", "--jobs", "1"]
    result = shengdun(
        "evaluate", tmp_path / "corpus", *options,
        "--output", tmp_path / "report", "--cache", tmp_path / "cache",
        environment={"SHENGDUN_MODELS_DIR": str(models_dir)},
    )  # fmt: skip
    assert result.returncode == 0, result.stderr
    assert result.stdout.startswith("10 recordings of ")
    assert result.stdout.strip().endswith("report.md")
    assert "empty.wav" in result.stderr
    assert "pcmu: " in result.stderr
    report = (tmp_path / "report" / "report.md").read_text(encoding="utf-8")
    assert "empty.wav" in report
    assert "synthetic" in report
    assert (tmp_path / "report" / "report.json").exists()


def test_a_corpus_of_one_speaker_is_one_line(tmp_path: Path) -> None:
    """The failure says what is missing, before any model is opened."""
    for name in ("1.wav", "2.wav"):
        (tmp_path / name).write_bytes(name.encode())
    manifest = write_manifest(
        tmp_path, [{"path": name, "speaker": "ann"} for name in ("1.wav", "2.wav")]
    )
    result = shengdun("evaluate", manifest, "--output", tmp_path / "report", "--condition", "pcmu")
    assert result.returncode == 1
    assert_one_error_line(result, "one speaker, ann", "add recordings")


def test_calls_without_end_are_refused(tmp_path: Path) -> None:
    """Before anything is heard, and as a wrong option."""
    given = ("--output", tmp_path / "report", "--seconds", "inf")
    result = shengdun("evaluate", tmp_path, *given)
    assert result.returncode == 2
    assert_one_error_line(result, "--seconds", "600")
