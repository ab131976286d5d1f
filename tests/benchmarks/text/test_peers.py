"""The peers' worker with SimHash, which needs NumPy alone, and the command as people run it on made-up talk."""

import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from random import Random
from typing import Any

import pytest
from benchmarks.other_interpreter import PeerUnavailable
from benchmarks.text.families import honest_complaints, read_families, registered
from benchmarks.text.peers import Peer, PeerName, View
from benchmarks.text.systems import NOTHING, SEGMENT, Finding, Ours, System

REPOSITORY = Path(__file__).parents[3]
SCRIPTS = registered(read_families())


@pytest.fixture(params=["ours", *View])
def system(request: pytest.FixtureRequest) -> Iterator[System]:
    """Every adapter that can run here, with the committed scripts."""
    if request.param == "ours":
        ours = Ours()
        ours.build(SCRIPTS)
        yield ours
        return
    with Peer(Path(sys.executable), PeerName.SIMHASH, request.param) as peer:
        peer.build(SCRIPTS)
        yield peer


def test_a_script_finds_itself(system: System) -> None:
    """Each script's own text is named, in every order and in any batch, with stretches inside of the text."""
    texts = list(SCRIPTS.values())
    found = system.find(texts).found
    assert [finding.script_id for finding in found] == list(SCRIPTS)
    for text, finding in zip(texts, found, strict=True):
        assert finding.stretches
        assert all(0 <= each.start < each.end <= len(text) for each in finding.stretches)
    assert system.find(texts[::-1]).found == found[::-1]


def test_a_text_of_nothing_is_like_nothing(system: System) -> None:
    """Too few characters to compare are no error and no score."""
    assert system.find(["", "。。。", "你好"]).found == (NOTHING,) * 3


def test_every_segment_is_timed(system: System) -> None:
    """A call has as many times as segments, the last one shorter."""
    [text, *_] = SCRIPTS.values()
    times = system.listen(text)
    assert len(times) == -(-len(text) // SEGMENT)
    assert all(seconds > 0 for seconds in times)


def test_short_windows_find_a_passage_and_its_place() -> None:
    """Sixty characters of a script inside of other characters: the best window is the passage."""
    [script_id, *_] = SCRIPTS
    rng = Random(1)
    others = "".join(chr(rng.randrange(0x4E00, 0x9FA5)) for _ in range(200))
    passage = SCRIPTS[script_id][:70]
    with Peer(Path(sys.executable), PeerName.SIMHASH, View.SHORT) as peer:
        peer.build(SCRIPTS)
        [found] = peer.find([others[:100] + passage + others[100:]]).found
    assert found.script_id == script_id
    best = max(found.stretches, key=lambda stretch: stretch.score)
    assert best.start >= 90
    assert best.end <= 100 + len(passage) + 10


def test_a_peer_that_is_not_installed_is_named(capfd: pytest.CaptureFixture[str]) -> None:
    """The error says what to run; what the interpreter said is on standard error."""
    with pytest.raises(PeerUnavailable, match=r"make \.venv-text"):
        Peer(Path(sys.executable), PeerName.DATASKETCH, View.WHOLE)
    assert "datasketch" in capfd.readouterr().err
    with pytest.raises(PeerUnavailable, match="can't be run"):
        Peer(Path("/nowhere/python"), PeerName.RENSA, View.WHOLE)


@pytest.fixture(scope="module")
def report(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where a tiny run of the command has written what it found."""
    output = tmp_path_factory.mktemp("report")
    command = (
        *(
            sys.executable,
            "-m",
            "benchmarks.text.run",
            "small-talk",
            str(output),
            "--peers",
            sys.executable,
        ),
        *("--only", "ours", "--only", "simhash", "--trials", "8", "--repetitions", "2"),
        *("--share", "0.1", "--share", "0.4", "--rate", "0", "--rate", "0.2"),
    )
    run = subprocess.run(command, cwd=REPOSITORY, capture_output=True, text=True, check=False)
    assert run.returncode == 0, run.stderr
    return output


def test_the_report_has_every_system_cell_and_repetition(report: Path) -> None:
    """What is kept: exact counts, the highest innocent scores, and every repetition's times."""
    found: dict[str, Any] = json.loads((report / "report.json").read_text())
    assert [each["name"] for each in found["systems"]] == [
        "ours",
        *(f"simhash, {view}" for view in View),
    ]
    for each in found["systems"]:
        at = each["threshold"]
        assert at["false_flags"] <= at["innocents"] / 1_000
        assert len(each["cells"]) == 2 * 2 * 2 + 6 * 2
        assert all(cell["recall"]["of"] == 8 for cell in each["cells"])
        assert len(each["honest_complaints"]) == len(honest_complaints())
        assert [len(times) for times in each["speed"].values()] == [2, 2, 2]


def test_ours_finds_misheard_scripts_in_made_up_talk(report: Path) -> None:
    """A fifth of the characters misheard and a tenth of the words scripted: found, and in the right place."""
    found: dict[str, Any] = json.loads((report / "report.json").read_text())
    [cell] = [
        cell
        for cell in found["systems"][0]["cells"]
        if (cell["corruption"], cell["rate"], cell["share"]) == ("homophones", 0.2, 0.1)
    ]
    assert cell["recall"]["share"] >= 0.95
    assert cell["coverage"]["common"] > 0.8 * cell["coverage"]["planted"]


def test_the_markdown_says_what_was_compared_and_where_ours_is_behind(report: Path) -> None:
    """Each corruption has its table, and each system its row."""
    text = (report / "report.md").read_text()
    assert "## Cells where a peer finds more than ours, with any view" in text
    for heading in (
        "homophones",
        "characters",
        "reordered",
        "synonyms",
        "blanks",
        "spoken",
        "paraphrase",
        "combined",
    ):
        assert f"### {heading}\n" in text
    assert "| ours | shengdun" in text
    assert f"{len(SCRIPTS)} scripts registered" in text


def test_a_directory_that_is_no_corpus_is_refused(tmp_path: Path) -> None:
    """The message names what is missing and nothing is written."""
    command = (sys.executable, "-m", "benchmarks.text.run", str(tmp_path), str(tmp_path / "out"))
    run = subprocess.run(command, cwd=REPOSITORY, capture_output=True, text=True, check=False)
    assert run.returncode == 1
    assert "teleantifraud_dialogues.jsonl is missing" in run.stderr
    assert not (tmp_path / "out").exists()


def test_a_finding_of_nothing_has_no_score() -> None:
    """It's below every threshold."""
    assert Finding(script_id=None, score=float("-inf"), stretches=()) == NOTHING
