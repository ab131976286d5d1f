import re
import subprocess
import sys
import zipfile
from datetime import timedelta
from pathlib import Path

import numpy as np
import pytest

from fixtures.command_line import assert_one_error_line, clean_environment, shengdun
from fixtures.converted_models import NAME, network, record_of
from shengdun.enrollment.agreement import pairwise_llrs
from shengdun.fingerprint.voice.activity import VoiceActivity
from shengdun.fingerprint.voice.catalogue import CATALOGUE
from shengdun.fingerprint.voice.demo_recordings import DemoRecording
from shengdun.fingerprint.voice.model_store import ModelStore
from shengdun.fingerprint.voice.models import VoiceModel
from shengdun.fingerprint.voice.recordings import decode_recording
from shengdun.index.scoring import Scorer
from shengdun.service.demo.cast import ENROLLED, KNOWN_AGENTS, SHARED, Cast, choose
from shengdun.service.demo.model import profile_for
from shengdun.service.demo.scripts import REFUND_SAID, segments
from shengdun.service.demo.story import percentile
from shengdun.service.errors import DemoFailed


@pytest.fixture
def cast(recordings: list[DemoRecording]) -> Cast:
    """Everyone in the demo."""
    return choose(recordings)


def test_nobody_is_tested_on_the_session_of_enrolment(cast: Cast) -> None:
    """Every call is from another meeting than the one of enrolment."""
    assert {taken.meeting for one in cast.enrolled for taken in one.recordings} == {cast.meeting}
    assert cast.meeting not in {call.meeting for call in cast.calls}


def test_strangers_and_silence_are_among_the_callers(cast: Cast) -> None:
    """Everyone who is enrolled calls, others call too, and one call is without speech."""
    known = {one.speaker for one in cast.enrolled}
    callers = {call.speaker for call in cast.calls if call.known}
    strangers = {call.speaker for call in cast.calls if not call.known and call.speaker}
    assert known == callers
    assert len(known) == ENROLLED
    assert len(strangers) == 3
    assert not strangers & known
    assert [call.speaker for call in cast.calls].count(None) == 1


def test_someone_is_on_both_watchlists(cast: Cast) -> None:
    """Each watchlist has actors, and one actor is on both."""
    lists = [set(one.watchlist_ids) for one in cast.enrolled]
    assert {KNOWN_AGENTS, SHARED} in lists
    assert {KNOWN_AGENTS} in lists
    assert {SHARED} in lists


def test_the_choice_does_not_depend_on_the_order(
    recordings: list[DemoRecording], cast: Cast
) -> None:
    """The rule chooses, not the order in which an archive lists its files."""
    again = choose(sorted(recordings, key=lambda one: (one.meeting, one.speaker, one.start_s)))
    assert again == cast


@pytest.mark.parametrize(("per_cent", "value"), [(50, 2.0), (99, 4.0), (0, 1.0), (75, 3.0)])
def test_percentiles_are_by_nearest_rank(per_cent: int, value: float) -> None:
    """A percentile is one of the values, never one in between."""
    assert percentile([1.0, 2.0, 3.0, 4.0], per_cent) == value


def test_the_demo_runs(tmp_path: Path, models_dir: Path, recordings: list[DemoRecording]) -> None:
    """It ends as it should, within 120 columns, without a name, and leaves nothing but the log."""
    result = shengdun(
        *("demo", "--fast", "--data-dir", tmp_path),
        environment={"SHENGDUN_MODELS_DIR": str(models_dir), "NO_COLOR": "1"},
    )
    assert result.returncode == 0, result.stdout + result.stderr
    lines = result.stdout.splitlines()
    assert max(map(len, lines)) <= 120
    assert "\x1b" not in result.stdout
    assert lines[-1].startswith("as it should be")
    assert re.search(r"false flags +0$", result.stdout, re.MULTILINE)
    assert "GetDecision(" in result.stdout
    assert "no longer found; GetActor: NOT_FOUND" in result.stdout
    assert "=> level MEDIUM: by the voice LOW, by the words MEDIUM" in result.stdout
    assert re.search(
        r"=> level \w+: by the voice (MEDIUM|HIGH), by the words MEDIUM", result.stdout
    )
    with zipfile.ZipFile(recordings[0].archive) as archive:
        names = {name.split("/")[1] for name in archive.namelist() if name.endswith(".wav")}
    assert not [name for name in names if name in result.stdout]
    assert [path.name for path in tmp_path.iterdir()] == ["server.log"]


def test_a_demo_that_is_told_to_stop_stops_its_server(tmp_path: Path, models_dir: Path) -> None:
    """SIGTERM ends the demo with its server in order, and nothing is left but the log."""
    with subprocess.Popen(
        [sys.executable, "-m", "shengdun.service.cli", "demo", "--data-dir", str(tmp_path)],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        encoding="utf-8",
        env=clean_environment(SHENGDUN_MODELS_DIR=str(models_dir)),
    ) as process:
        assert process.stdout is not None
        assert process.stdout.readline().startswith("server ")
        process.terminate()
        _, complaints = process.communicate(timeout=60)
    assert process.returncode == 130
    assert complaints == "error: interrupted\n"
    assert '"event": "stopped"' in (tmp_path / "server.log").read_text(encoding="utf-8")
    assert [path.name for path in tmp_path.iterdir()] == ["server.log"]


def test_a_model_without_a_profile_gets_one_on_the_spot(
    tmp_path: Path, models_dir: Path, recordings: list[DemoRecording]
) -> None:
    """Every step works with any model; that nobody is recognised is no failure, and that it says nothing is said."""
    for artefact in CATALOGUE:
        (tmp_path / "models" / artefact.name).parent.mkdir(exist_ok=True)
        (tmp_path / "models" / artefact.name).symlink_to(models_dir / artefact.name)
    graph = network(1)
    ModelStore(tmp_path / "models").keep_converted(record_of(tmp_path, graph), graph)
    result = shengdun(
        *("demo", "--fast", "--model", NAME, "--data-dir", tmp_path / "data"),
        environment={"SHENGDUN_MODELS_DIR": str(tmp_path / "models")},
    )
    assert result.returncode == 0, result.stdout + result.stderr
    lines = result.stdout.splitlines()
    assert lines[0].endswith(f"model {NAME}@{record_of(tmp_path, graph).checkpoint_sha256[:12]}")
    assert max(map(len, lines)) <= 120
    assert "no calibration profile; one was fitted on the spot" in result.stdout
    assert "shengdun calibrate" in result.stdout
    assert "erasure" in result.stdout
    assert lines[-1] == (
        "as it should be: every step worked; who was recognised says nothing, see above"
    )


def test_a_directory_is_not_converted_without_the_extra(tmp_path: Path, models_dir: Path) -> None:
    """Where PyTorch can't be imported, the one line has what to install; nothing is left half made."""
    (tmp_path / "torch.py").write_text('raise ImportError("not on this machine")')
    result = shengdun(
        *("demo", "--model", tmp_path, "--data-dir", tmp_path / "data"),
        environment={"SHENGDUN_MODELS_DIR": str(models_dir), "PYTHONPATH": str(tmp_path)},
    )
    assert result.returncode == 1
    assert_one_error_line(result, "pip install 'shengdun[ecapa]'")


def test_the_profile_on_the_spot_tells_its_own_speakers_apart(
    recordings: list[DemoRecording], voice_model: VoiceModel, voice_activity: VoiceActivity
) -> None:
    """It is fitted on few recordings of those it is used for, and refuses when there is one person only."""
    speakers = ("S1", "S2", "S3", "S4")
    some = [
        one
        for name in speakers
        for one in [each for each in recordings if each.speaker == name and each.duration_s > 8][:2]
    ]
    scorer = Scorer(profile_for(voice_model, some, voice_activity))
    heard = voice_model.embed([decode_recording(one.read()).samples[:96_000] for one in some])
    pairs = pairwise_llrs(scorer, heard, np.full(len(heard), 6.0))
    first, second = np.triu_indices(len(some), k=1)
    same = first // 2 == second // 2
    assert pairs[first, second][same].mean() > 0 > pairs[first, second][~same].mean()
    with pytest.raises(DemoFailed, match="too few"):
        profile_for(voice_model, some[:2], voice_activity)


def test_a_recogniser_guesses_before_it_is_sure() -> None:
    """Each turn of a conversation comes partial and then final, in order, within the audio."""
    length = timedelta(seconds=12)
    sent = segments(REFUND_SAID, length=length)
    assert [(each.speaker, each.text) for each in sent if each.is_final] == list(REFUND_SAID)
    ends = [each.end for each in sent if each.end is not None]
    assert len(ends) == len(sent) == 3 * len(REFUND_SAID)
    assert ends == sorted(ends)
    assert abs(ends[-1] - length) < timedelta(milliseconds=1)
