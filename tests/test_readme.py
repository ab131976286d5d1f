"""What the READMEs and the documents show is run as it is written, against a server that their own words start."""

import os
import re
import shlex
import signal
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from itertools import takewhile
from pathlib import Path
from typing import Any

import pytest
import typer.main

from fixtures.calls import in_meeting, meetings_of, telephone
from fixtures.command_line import READY, TOO_LONG_S, clean_environment
from fixtures.signals import wav_file
from shengdun.fingerprint.voice.demo_recordings import DemoRecording
from shengdun.fingerprint.voice.recordings import decode_recording
from shengdun.fingerprint.voice.samples import MODEL_RATE_HZ, Samples
from shengdun.service.cli.program import program
from shengdun.service.settings import Settings, load_settings

ROOT = Path(__file__).parents[1]
READMES = ("README.md", "README.zh-CN.md")
OPERATIONS = "docs/operations.md"
INTEGRATION = "docs/integration.md"
DOCUMENTS = (*READMES, OPERATIONS, INTEGRATION, "CONTRIBUTING.md")
LONGEST_README = 150
CLIENTS = {"README.md": "caller.wav", "README.zh-CN.md": "caller.wav", INTEGRATION: "caller.pcmu"}
"""The documents that show a client, with the recording that theirs is given."""
ADDRESS = "127.0.0.1:50051"
AGENT_S, CALL_S = 10.0, 4.5

_BLOCK = re.compile(r"^```(\w*)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
_LINK = re.compile(r"\[[^\]]*\]\(([^)#]+)[^)]*\)")
_JOINED = re.compile(r'"\s*\n\s*f?"')


def read(document: str) -> str:
    return (ROOT / document).read_text(encoding="utf-8")


def blocks(document: str, language: str) -> list[str]:
    return [body for kind, body in _BLOCK.findall(read(document)) if kind == language]


@dataclass(frozen=True, slots=True, kw_only=True)
class Ran:
    """What the quick start and the clients wrote, and how they ended."""

    commands: subprocess.CompletedProcess[str]
    clients: Mapping[str, subprocess.CompletedProcess[str]]


@contextmanager
def started(
    *command: str | Path, cwd: Path, environment: Mapping[str, str]
) -> Iterator[subprocess.Popen[str]]:
    """A child process with its own process group, which is told to stop at the end."""
    with subprocess.Popen(
        command,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        encoding="utf-8",
        cwd=cwd,
        env=environment,
        start_new_session=True,
    ) as process:
        try:
            yield process
        finally:
            if process.poll() is None:
                os.killpg(process.pid, signal.SIGTERM)
            # Ends when all that hold its output have ended: the shell and the server that it started.
            process.communicate(timeout=TOO_LONG_S)


def finished(process: subprocess.Popen[str]) -> subprocess.CompletedProcess[str]:
    output, _ = process.communicate(timeout=TOO_LONG_S)
    return subprocess.CompletedProcess(process.args, process.returncode, output)


def write_recordings(directory: Path, recordings: list[DemoRecording]) -> None:
    """One voice as agent and as caller, of two meetings."""
    first, second = meetings_of(recordings, "S4")[:2]
    agent, caller = (
        decode_recording(in_meeting(recordings, "S4", meeting)[0].read()).samples
        for meeting in (first, second)
    )
    for number in (1, 2):
        wav = wav_file(cut(agent, (number - 1) * AGENT_S / 2, AGENT_S / 2))
        (directory / f"agent-{number}.wav").write_bytes(wav)
    (directory / "caller.wav").write_bytes(wav_file(cut(caller, 0, CALL_S)))
    (directory / "caller.pcmu").write_bytes(telephone(cut(caller, 0, CALL_S)))


def cut(samples: Samples, start_s: float, length_s: float) -> Samples:
    start = round(start_s * MODEL_RATE_HZ)
    return samples[start : start + round(length_s * MODEL_RATE_HZ)]


@pytest.fixture(scope="module")
def ran(
    tmp_path_factory: pytest.TempPathFactory, models_dir: Path, recordings: list[DemoRecording]
) -> Ran:
    """Everything that can be run, in a folder that looks like a checkout with recordings in it."""
    checkout = tmp_path_factory.mktemp("checkout")
    (checkout / ".venv").symlink_to(sys.prefix, target_is_directory=True)
    (checkout / ".shengdun").mkdir()
    (checkout / ".shengdun" / "models").symlink_to(models_dir, target_is_directory=True)
    write_recordings(checkout, recordings)
    _demo, serve, commands = blocks("README.md", "sh")
    environment = clean_environment(
        SHENGDUN_DATA_DIR=str(checkout / "data"),
        SHENGDUN_SERVER__PORT="0",
    )
    with started("bash", "-ec", serve, cwd=checkout, environment=environment) as server:
        address = listening(server)
        environment["SHENGDUN_SERVER_ADDRESS"] = address
        return run_all(checkout, commands, address, environment)


def listening(server: subprocess.Popen[str]) -> str:
    """The address that a server says it listens on."""
    assert server.stdout is not None
    seen = []
    for line in server.stdout:
        seen.append(line)
        if line.startswith(READY):
            return line.removeprefix(READY).strip()
    pytest.fail("the server did not start:\n" + "".join(seen))


def run_all(checkout: Path, commands: str, address: str, environment: dict[str, str]) -> Ran:
    """The commands and the clients, all at once; documents that show the same client share its run."""
    with ExitStack() as stack:
        shell = stack.enter_context(
            started("bash", "-ec", commands, cwd=checkout, environment=environment)
        )
        running: dict[str, subprocess.Popen[str]] = {}
        for document, recording in CLIENTS.items():
            (client,) = blocks(document, "python")
            assert client.count(ADDRESS) == 1
            if client not in running:
                script = checkout / f"client-{len(running)}.py"
                script.write_text(client.replace(ADDRESS, address), encoding="utf-8")
                command = (sys.executable, script, recording)
                running[client] = stack.enter_context(
                    started(*command, cwd=checkout, environment=environment)
                )
        done = {client: finished(process) for client, process in running.items()}
        clients = {document: done[blocks(document, "python")[0]] for document in CLIENTS}
        return Ran(commands=finished(shell), clients=clients)


def test_the_quick_start_works_as_written(ran: Ran) -> None:
    """Every command succeeds: an agent is enrolled and listed, a call is decided, the doctor finds nothing."""
    output = ran.commands.stdout
    assert ran.commands.returncode == 0, output
    registered = re.search(r"^registered (act_\w+);", output, re.MULTILINE)
    assert registered, output
    assert re.search(rf"FINAL .*{registered[1]} LLR", output), output
    assert re.search(rf"^{registered[1]} +agent 1 +known-agents", output, re.MULTILINE)
    assert re.search(r"^OK +golden voiceprint", output, re.MULTILINE)
    assert not re.search(r"^(FAIL|error)", output, re.MULTILINE)


def test_the_quick_start_uses_the_models_that_make_fetched() -> None:
    """Its variable is the Makefile's, so that nothing is fetched a second time."""
    show = "show: ; @echo $$SHENGDUN_MODELS_DIR"
    made = subprocess.run(
        ["make", "--no-print-directory", "--eval", show, "show"],  # noqa: S607 - that of the README
        check=True,
        capture_output=True,
        encoding="utf-8",
        cwd=ROOT,
    )
    (stated,) = set(re.findall(r'^export SHENGDUN_MODELS_DIR="(.*)"$', read("README.md"), re.M))
    assert made.stdout.strip() == stated.replace("$PWD", str(ROOT))


@pytest.mark.parametrize("document", CLIENTS)
def test_the_client_that_is_shown_works(ran: Ran, document: str) -> None:
    """It prints the decisions of its call, the last one final."""
    client = ran.clients[document]
    assert client.returncode == 0, client.stdout
    states = [line.split()[0] for line in client.stdout.splitlines()]
    assert states[0] == "NOT_ENOUGH_SPEECH"
    assert states[-1] == "FINAL"


def test_both_readmes_have_the_same_blocks() -> None:
    """Commands, output and client are the same in both languages."""
    english, chinese = (_BLOCK.findall(read(name)) for name in READMES)
    assert english == chinese
    assert english


def test_both_readmes_state_the_same_figures_and_link_the_same_pages() -> None:
    """A figure that is measured anew is renewed in both."""
    rows = (re.findall(r"^\|.*", read(name), re.MULTILINE) for name in READMES)
    english, chinese = (sorted(re.findall(r"\d+", " ".join(row))) for row in rows)
    assert english == chinese
    links = [
        {link for link in _LINK.findall(read(name)) if link not in READMES} for name in READMES
    ]
    assert links[0] == links[1]


@pytest.mark.parametrize("name", READMES)
def test_a_readme_is_short(name: str) -> None:
    assert len(read(name).splitlines()) <= LONGEST_README


@pytest.mark.parametrize("document", DOCUMENTS)
def test_every_relative_link_leads_somewhere(document: str) -> None:
    for link in _LINK.findall(read(document)):
        if "://" not in link:
            assert ((ROOT / document).parent / link).exists(), link


def shown_commands(document: str) -> list[list[str]]:
    """Every ``shengdun`` command that stands in a block or in the text, split as a shell does."""
    text = read(document)
    lines = [line for _, body in _BLOCK.findall(text) for line in body.splitlines()]
    lines += re.findall(r"`((?:/\S*/)?shengdun [^`]*)`", _BLOCK.sub("", text))
    split = [shlex.split(line, comments=True) for line in lines if "shengdun " in line]
    return [words[1:] for words in split if words and words[0].endswith("shengdun")]


@pytest.mark.parametrize("document", [*READMES, OPERATIONS, INTEGRATION])
def test_every_command_that_is_shown_exists(document: str) -> None:
    """Commands and their options are spelled as the command line knows them."""
    commands = shown_commands(document)
    assert commands
    for words in commands:
        command: Any = typer.main.get_command(program(words))
        for word in takewhile(lambda word: not word.startswith("-"), words):
            inner = getattr(command, "commands", None)
            if inner is None:
                break
            assert word in inner, words
            command = inner[word]
        known = {name for parameter in command.params for name in parameter.opts} | {"--help"}
        assert {word for word in words if word.startswith("--")} <= known, words


def test_the_settings_that_operators_are_shown_are_valid(tmp_path: Path) -> None:
    """The example is accepted as it is, and every section is in the table."""
    (example,) = blocks(OPERATIONS, "toml")
    file = tmp_path / "shengdun.toml"
    file.write_text(example, encoding="utf-8")
    settings = load_settings(file=file, environment={})
    assert settings.lines["complaints"].watchlists == ("known-agents",)
    shown = read(OPERATIONS)
    for section in Settings.model_json_schema()["$defs"].keys() - {"LineSettings"}:
        words = section.removeprefix("Line").removesuffix("Settings")
        name = re.sub(r"(?<=[a-z])(?=[A-Z])", "_", words).lower()
        assert re.search(rf"^\| `\[(?:\w+\.)*(?:NAME\.)?{name}s?\]`", shown, re.MULTILINE), section


def test_the_messages_that_operators_are_told_about_are_real() -> None:
    """Every message in the table of what can be wrong is still written somewhere."""
    sources = "\n".join(
        _JOINED.sub("", path.read_text(encoding="utf-8"))
        for room in ("fingerprint", "index", "enrollment", "service")
        for path in sorted((ROOT / room).rglob("*.py"))
    )
    table = read(OPERATIONS).partition("## When something is wrong")[2].partition("\n## ")[0]
    rows = [line.split(" | ")[0] for line in table.splitlines() if line.startswith("| ")][1:]
    messages = [message for row in rows for message in re.findall(r"`([^`]+)`", row)]
    assert len(messages) > len(rows) / 2
    for message in messages:
        for piece in message.replace("keys.json", "…").split("…"):
            assert piece.strip(" :/") in sources, message
