"""The program: finds the command, runs it, and turns whatever went wrong into one line and an exit code.

Exit codes: 0 done, 1 failed, 2 wrong usage, 130 interrupted.
"""

import importlib
import os
import sys
from collections.abc import Sequence
from io import TextIOWrapper
from typing import Annotated, Final

import typer

from shengdun.service.cli.hints import with_hint
from shengdun.service.cli.output import complain

FAILED: Final = 1
WRONG_USAGE: Final = 2
INTERRUPTED: Final = 130
_STYLE: Final = {"max_content_width": 100, "help_option_names": ["-h", "--help"]}
_DEBUG: Final = "--debug"
_VERSION: Final = "--version"

COMMANDS: Final = {
    "serve": "Run the server.",
    "demo": "Enrol real voices, screen calls over a telephone codec, print every decision.",
    "enroll": "Register an actor from recordings, or many from a CSV manifest.",
    "screen": "Screen recordings as live calls, or whole.",
    "backfill": "Screen recorded calls of the past into the archive.",
    "watchlist": "Create, show, change and delete watchlists.",
    "actor": "Show, change and erase actors and their voiceprints.",
    "script": "Add, list, show, match and erase known scripts.",
    "campaign": "List and show wording that customers share, and make known scripts of it.",
    "calls": "List, show and erase finished calls.",
    "verify-erasure": "Check a receipt of an erasure against what there is.",
    "hunt": "Find every archived call of a voice or a script.",
    "cluster": "List and show voices that call for several customers, and make actors of them.",
    "allow": "Say who may call for many customers, and which voices are your own.",
    "network": "Show which agents, voices, customers, numbers and scripts belong together.",
    "text": "Label a text, or tell what many texts have begun to say, without a server.",
    "embed": "Compute voiceprints of recordings into a file, without a server.",
    "evaluate": "Measure accuracy on a corpus, by telephone condition and length of the watchlist.",
    "calibrate": "Make a site's calibration profile from its recorded calls.",
    "load": "Play calls to a server and measure how many it can take in time.",
    "metrics": "Write what a server counts, in the text format of Prometheus.",
    "models": "List, install and verify voice models.",
    "profile": "Install, compare, activate and roll back calibration profiles.",
    "keys": "List the master keys of what is stored, and make a new one.",
    "token": "Issue, list and revoke access tokens.",
    "config": "Show the settings as they are resolved, or an example file.",
    "doctor": "Check this machine and say what to do.",
    "version": "Show the versions of everything that decides.",
}
"""Every command with what it does; the module of the same name has its ``app``."""


def main(arguments: Sequence[str] | None = None) -> None:
    """Run one command and exit."""
    given = list(sys.argv[1:] if arguments is None else arguments)
    for stream in (sys.stdout, sys.stderr):
        assert isinstance(stream, TextIOWrapper)
        # A terminal that can't show a character must not turn an answer into a traceback.
        stream.reconfigure(errors="backslashreplace")
    # gRPC's own lines, in a form of their own, would stand between ours. What fails reaches a client as an exception;
    # of a server, nothing else tells an operator about an error.
    serves = given[:1] == ["serve"]
    os.environ.setdefault("GRPC_VERBOSITY", "ERROR" if serves else "NONE")
    if serves:
        # A message is then read by the thread that is woken for it, and not handed from gRPC's own threads to that one
        # (decision note 0024). gRPC knows this name in the version that is locked; of another it ignores it.
        os.environ.setdefault("GRPC_EXPERIMENTS", "-event_engine_listener")
    sys.exit(run(given))


def run(arguments: Sequence[str]) -> int:
    """Run one command and give its exit code."""
    debug = _DEBUG in arguments
    given = [argument for argument in arguments if argument != _DEBUG] or ["--help"]
    if given == [_VERSION]:
        given = ["version"]
    try:
        result = program(given)(given, prog_name="shengdun", standalone_mode=False)
        sys.stdout.flush()
    except BrokenPipeError:
        # The reader, for instance `head`, has what it wanted; there is nobody left to tell.
        sys.stdout = None
        return FAILED
    except typer.Abort:
        result = INTERRUPTED
    except Exception as error:
        if debug:
            raise
        return _explain(error)
    if result == INTERRUPTED:
        complain("interrupted")
    return result if isinstance(result, int) else 0


def program(arguments: Sequence[str]) -> typer.Typer:
    """The program with the one command loaded that the arguments ask for.

    Loading all of them would make ``--help`` wait for ONNX Runtime, FAISS and gRPC.
    """
    app = typer.Typer(
        add_completion=False,
        context_settings=_STYLE,
        rich_markup_mode=None,
        pretty_exceptions_enable=False,
        help="Tells a telephone line, while the caller is talking, that the voice is a known agent's.",
        epilog="Every command takes --help. With --debug before a command, failures show where they happened.",
    )
    app.callback()(_root)
    asked = next((argument for argument in arguments if not argument.startswith("-")), None)
    for name, summary in COMMANDS.items():
        if name == asked:
            _load(app, name, summary)
        else:
            app.command(name, help=summary)(_listed)
    return app


def _root(
    debug: Annotated[
        bool, typer.Option(_DEBUG, help="Show where a failure happened, for a report of a defect.")
    ] = False,
) -> None:
    """Take the options that come before a command; ``--debug`` was taken from the arguments before."""


def _listed() -> None:
    """Stand in the list of commands; a command that is asked for is loaded instead."""


def _load(app: typer.Typer, name: str, summary: str) -> None:
    module = name.replace("-", "_")
    loaded = importlib.import_module(f"shengdun.service.cli.{module}").app
    if len(loaded.registered_commands) == 1 and loaded.registered_callback is None:
        command = loaded.registered_commands[0]
        # Without a help of its own a command is explained by its docstring.
        app.command(name, help=command.help, epilog=command.epilog, context_settings=_STYLE)(
            command.callback
        )
    else:
        app.add_typer(loaded, name=name, help=summary)


def _explain(error: Exception) -> int:
    if isinstance(error, typer.TyperException):
        hint = " (--help says how it is used)" if error.exit_code == WRONG_USAGE else ""
        # Where a value is wrong, Pydantic puts the name of its error before what our types say.
        complain(error.format_message().replace("Value error, ", "").rstrip(".") + hint)
        return error.exit_code
    message = getattr(error, "message", None)
    if isinstance(error, OSError):
        message = _describe(error)
    if message is None:
        complain(
            f"{type(error).__name__}: {error}; this is a defect, repeat with --debug to report it"
        )
    else:
        complain(with_hint(message, getattr(error, "reason", "")))
    return FAILED


def _describe(error: OSError) -> str:
    what = error.strerror or str(error)
    return what if error.filename is None else f"{error.filename}: {what}"
