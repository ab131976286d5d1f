"""``shengdun calibrate`` as an operator runs it."""

import csv
import io
import wave
import zipfile
from collections import defaultdict
from pathlib import Path

import numpy as np
import pytest

from fixtures.calls import server_settings
from fixtures.command_line import assert_one_error_line, shengdun
from fixtures.enrolling import in_thread
from fixtures.store import until
from shengdun.fingerprint.voice.demo_recordings import DemoRecording
from shengdun.index.calibration import load
from shengdun.service.client import ShengdunClient
from shengdun.service.profile_places import profile_keys
from shengdun.service.server import Server

SPEEDS = (0.78, 0.88, 1.0, 1.1, 1.22, 1.35)
SECONDS = 4


def _at_speed(content: bytes, speed: float) -> bytes:
    """Real speech at another pitch and tempo, which to a voice model is another person."""
    with wave.open(io.BytesIO(content)) as recording:
        samples = np.frombuffer(recording.readframes(recording.getnframes()), np.int16)
    wanted = np.arange(0, min(len(samples), SECONDS * 16_000 * 2) - 1, speed)[: SECONDS * 16_000]
    changed = np.interp(wanted, np.arange(len(samples)), samples).astype(np.int16)
    written = io.BytesIO()
    with wave.open(written, "wb") as recording:
        recording.setnchannels(1)
        recording.setsampwidth(2)
        recording.setframerate(16_000)
        recording.writeframes(changed.tobytes())
    return written.getvalue()


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory, recordings: list[DemoRecording]) -> Path:
    """Calls of fifty-four voices, one of them there twice under two names, an empty one, and a note."""
    folder = tmp_path_factory.mktemp("calls")
    longest: dict[str, DemoRecording] = {}
    for each in recordings:
        known = longest.setdefault(each.speaker, each)
        if known.duration_s < each.duration_s <= 30.0:
            longest[each.speaker] = each
    for speaker, recording in longest.items():
        for number, speed in enumerate(SPEEDS):
            path = folder / f"day{number}" / f"{speaker}.wav"
            path.parent.mkdir(exist_ok=True)
            path.write_bytes(_at_speed(recording.read(), speed))
    rows = [(str(path.relative_to(folder)), str(path)) for path in sorted(folder.glob("*/*.wav"))]
    _labels(folder / "labels.csv", rows, ("path", "speaker"))
    (folder / "copy.wav").write_bytes((folder / "day2" / "S1.wav").read_bytes())
    (folder / "empty.wav").touch()
    (folder / "notes.txt").write_text("nothing to hear")
    return folder


async def test_a_site_is_calibrated_put_into_the_library_and_activated(
    site: Path, tmp_path: Path, models_dir: Path
) -> None:
    """A folder of calls gives a profile that a server decides with; what is left out is named, what it gains is said.

    It was made before any server ran here, and is sealed with the keys that the server then uses.
    """
    environment = {
        "SHENGDUN_MODELS_DIR": str(models_dir),
        "SHENGDUN_DATA_DIR": str(tmp_path / "data"),
    }
    labels = ("--labels", site / "labels.csv")
    made = await in_thread(
        lambda: shengdun("calibrate", site, *labels, "--name", "bank", environment=environment)
    )
    assert made.returncode == 0, made.stderr
    assert "copy.wav (is " in made.stderr or "day2/S1.wav (is copy.wav)" in made.stderr
    assert "empty.wav" in made.stderr
    assert "notes.txt" in made.stderr
    assert "54 of them labelled" in made.stdout
    assert "calls are kept to derive levels by" in made.stdout
    assert "Score drift will not be watched: 0 of them have about 6 s" in made.stdout
    profile_id = next(word for word in made.stdout.split() if word.startswith("bank@"))
    activated = await in_thread(
        lambda: shengdun(
            "profile", "activate", profile_id, "--reason", "test", environment=environment
        )
    )
    assert activated.returncode == 0, activated.stderr
    listed = await in_thread(lambda: shengdun("profile", "list", environment=environment))
    assert f"{profile_id}" in listed.stdout
    with zipfile.ZipFile(tmp_path / "data" / "profiles" / f"{profile_id}.npz") as kept:
        assert "sealed.npy" in kept.namelist()
        assert not [name for name in kept.namelist() if name.startswith("stranger")]
    settings = server_settings(tmp_path / "data", models_dir)
    async with Server(settings) as server, ShengdunClient.connect(server.address) as client:
        assert (await client.server_info()).calibration_profile_id == profile_id
    (tmp_path / "data" / "keys.json").unlink()
    refused = await in_thread(
        lambda: shengdun("profile", "show", profile_id, environment=environment)
    )
    assert refused.returncode == 1
    assert_one_error_line(refused, "keys.json is missing", "restore that from its backup")


async def test_a_site_is_calibrated_by_its_archived_calls(
    site: Path, tmp_path: Path, models_dir: Path
) -> None:
    """Beside the server that has taken them, and while it is stopped: the profile of the same calls in a folder."""
    environment = {
        "SHENGDUN_MODELS_DIR": str(models_dir),
        "SHENGDUN_DATA_DIR": str(tmp_path / "data"),
    }
    settings = server_settings(tmp_path / "data", models_dir, archive__calibration_share=1.0)
    calls = await in_thread(lambda: sorted(site.glob("*/*.wav")))
    names = [str(path.relative_to(site)) for path in calls]
    labels = _labels(
        tmp_path / "calls.csv", [(name, name) for name in names], ("call_id", "speaker")
    )
    given = (
        *("calibrate", "--archive", "--line", "default", "--labels", labels),
        *("--output", tmp_path / "archive.npz"),
    )
    async with Server(settings) as server, ShengdunClient.connect(server.address) as client:
        for name, path in zip(names, calls, strict=True):
            await client.screen_recording(path, call_id=name)

        assert server._application is not None
        archive = server._application.archive
        assert archive is not None
        await until(lambda: archive.health.calls + archive.health.tail == len(calls))
        beside = await in_thread(lambda: shengdun(*given, environment=environment))
    assert beside.returncode == 0, beside.stderr
    assert "54 archived calls, 54 of which were drawn to calibrate by" in beside.stdout
    assert "54 of them labelled" in beside.stdout
    stopped = await in_thread(lambda: shengdun(*given, environment=environment))
    assert stopped.returncode == 0, stopped.stderr
    folder = tmp_path / "folder.npz"
    made = await in_thread(
        lambda: shengdun(
            *("calibrate", site, "--labels", site / "labels.csv", "--output", folder),
            environment=environment,
        )
    )
    assert made.returncode == 0, made.stderr
    keys = profile_keys(settings)
    of_archive, of_folder = (load(path, keys) for path in (tmp_path / "archive.npz", folder))
    assert of_archive.strangers is not None
    assert of_folder.strangers is not None
    assert of_archive.strangers.call_count == of_folder.strangers.call_count
    assert np.allclose(of_archive.mean, of_folder.mean, atol=1e-3)


def test_one_source_of_calls_is_asked_for(tmp_path: Path) -> None:
    """A folder or the archive; and what narrows the archive goes with it."""
    for arguments in ((), (tmp_path, "--archive")):
        assert "or --archive" in shengdun("calibrate", *arguments).stderr
    narrowed = shengdun("calibrate", tmp_path, "--line", "complaints")
    assert "go with --archive" in narrowed.stderr
    nothing = shengdun("calibrate", "--archive", "--data-dir", tmp_path)
    assert nothing.returncode == 1


def test_too_few_voices_are_refused_and_nothing_is_written(
    tmp_path: Path, models_dir: Path, recordings: list[DemoRecording]
) -> None:
    """Nine people are no site: one line says how many voices are needed."""
    by_speaker: dict[str, list[DemoRecording]] = defaultdict(list)
    for each in recordings:
        by_speaker[each.speaker].append(each)
    folder = tmp_path / "calls"
    folder.mkdir()
    for speaker, own in by_speaker.items():
        shortest = min(own, key=lambda each: each.duration_s)
        (folder / f"{speaker}.wav").write_bytes(shortest.read())
    result = shengdun(
        "calibrate", folder, "--output", tmp_path / "site.npz", "--jobs", "1",
        environment={"SHENGDUN_MODELS_DIR": str(models_dir)},
    )  # fmt: skip
    assert result.returncode == 1
    assert "needs 50" in result.stderr
    assert not (tmp_path / "site.npz").exists()


def _labels(path: Path, rows: list[tuple[str, str]], header: tuple[str, str]) -> Path:
    with path.open("w", newline="", encoding="utf-8") as file:
        csv.writer(file).writerows([header, *rows])
    return path


@pytest.mark.parametrize(
    ("rows", "header", "says"),
    [
        ([("day9/S1.wav", "ann")], ("path", "speaker"), "day9/S1.wav"),
        ([("day0/S1.wav", "ann"), ("day0/S1.wav", "ben")], ("path", "speaker"), "line 3"),
        ([("day0/S1.wav", "")], ("path", "speaker"), "line 2"),
        ([("day0/S1.wav", "ann")], ("file", "speaker"), "no column path"),
        ([("day2/S1.wav", "ann"), ("copy.wav", "ben")], ("path", "speaker"), "same recording"),
    ],
)
def test_labels_that_do_not_match_are_one_line(
    site: Path, tmp_path: Path, rows: list[tuple[str, str]], header: tuple[str, str], says: str
) -> None:
    """What is wrong with the labels is found before anything is heard, and named."""
    labels = _labels(tmp_path / "labels.csv", rows, header)
    result = shengdun("calibrate", site, "--labels", labels)
    assert result.returncode == 1
    assert_one_error_line(result, says)


def test_a_folder_without_calls_is_one_line(tmp_path: Path) -> None:
    """An empty folder and a missing one say what to give."""
    assert_one_error_line(shengdun("calibrate", tmp_path), "holds no recording")
    assert_one_error_line(shengdun("calibrate", tmp_path / "none"), "no folder")
    assert_one_error_line(shengdun("calibrate", tmp_path, "--name", "Our Site"), "--name")


def test_an_output_that_can_not_be_written_is_said_before_anything_is_heard(
    site: Path, tmp_path: Path
) -> None:
    """And not after hours."""
    for output in (tmp_path, tmp_path / "none" / "site.npz"):
        assert_one_error_line(shengdun("calibrate", site, "--output", output), "--output")
