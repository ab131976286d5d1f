"""``shengdun screen --transcript`` with a real server."""

import json
from datetime import timedelta
from pathlib import Path

import pytest

from fixtures.command_line import Served, assert_one_error_line
from fixtures.scripts import COERCED
from fixtures.signals import ringback, wav_file
from shengdun.service.client import Speaker
from shengdun.service.errors import InvalidRequest
from shengdun.service.transcript_files import read_transcript


@pytest.fixture
def recording(tmp_path: Path) -> Path:
    """A call in which nobody speaks, so that the words are all there is."""
    file = tmp_path / "call.wav"
    file.write_bytes(wav_file(ringback(3.0)))
    return file


def _file(tmp_path: Path, *lines: str) -> Path:
    file = tmp_path / "words.jsonl"
    file.write_text("\n".join(lines), encoding="utf-8")
    return file


def test_a_transcript_is_sent_beside_a_recording(
    served: Served, recording: Path, tmp_path: Path
) -> None:
    """The script that the words follow is told, and so is what is unusual about them."""
    added = served.run("script", "add", str(_file(tmp_path, COERCED)), "--kind", "chat", "--json")
    script_id = json.loads(added.stdout)["script_id"]
    transcript = _file(
        tmp_path,
        json.dumps({"text": "您好请讲", "speaker": "agent"}, ensure_ascii=False),
        json.dumps({"text": COERCED[:80], "start_s": 0.5, "end_s": 2.5}, ensure_ascii=False),
        json.dumps({"text": "就这样"}),
    )
    screening = ("screen", recording, "--transcript", transcript, "--fast")
    shown, asked = served.run(*screening), served.run(*screening, "--json")
    text = tmp_path / "words.txt"
    text.write_text(COERCED[:80], encoding="gb18030")
    whole = served.run("screen", recording, "--recording", "--transcript", text, "--json")
    served.run("script", "erase", script_id, "--reason", "test")
    assert f"script {script_id} LLR +" in shown.stdout
    assert "transcript: 1 no_clock" in shown.stdout
    last = json.loads(asked.stdout.splitlines()[-1])["decision"]
    assert last["level"] == "medium"
    assert last["flags"][0]["script_match"]["script_id"] == script_id
    assert last["words"]["segments_of_agent"] == 1
    of_recording = json.loads(whole.stdout)["decision"]
    assert of_recording["flags"][0]["script_match"]["script_id"] == script_id


def test_a_transcript_goes_with_one_call(served: Served, recording: Path, tmp_path: Path) -> None:
    """Not with several recordings."""
    words = _file(tmp_path, '{"text": "喂"}')
    refused = served.run("screen", recording, recording, "--transcript", words)
    assert refused.returncode == 2
    assert "--transcript" in refused.stderr
    missing = served.run("screen", recording, "--transcript", tmp_path / "none.jsonl")
    assert_one_error_line(missing, "none.jsonl")


def test_the_fields_of_a_segment(tmp_path: Path) -> None:
    """Only the text is needed; blank lines are passed over, and a separator within words is no end of a line."""
    full = {"text": "a\u2028b", "speaker": "unknown", "is_final": False, "segment_id": "u1"}
    times = {"start_s": 1.5, "end_s": 2}
    file = _file(tmp_path, json.dumps(full | times, ensure_ascii=False), "", '{"text": "喂"}')
    first, second = read_transcript(file)
    assert (first.text, first.speaker, first.is_final) == ("a\u2028b", Speaker.UNKNOWN, False)
    assert (first.start, first.end) == (timedelta(seconds=1.5), timedelta(seconds=2))
    assert (second.text, second.speaker, second.is_final) == ("喂", Speaker.CALLER, True)
    assert second.start is None


@pytest.mark.parametrize(
    ("line", "why"),
    [
        ("喂，秘密", "not JSON"),
        ('{"speaker": "caller"}', "text"),
        ('{"text": "秘密", "speaker": "bank"}', "speaker"),
        ('{"text": "秘密", "words": 1}', "words"),
        ('{"text": "秘密", "start_s": -1}', "start_s"),
        ('["秘密"]', "the line"),
    ],
)
def test_a_line_that_is_no_segment_is_named(tmp_path: Path, line: str, why: str) -> None:
    """With its number and what is wrong, and without what was said."""
    with pytest.raises(InvalidRequest, match=f"line 2 of .*{why}") as caught:
        read_transcript(_file(tmp_path, '{"text": "喂"}', line))
    assert "秘密" not in caught.value.message
