"""The command line ``shengdun``: one module for each command, loaded only when it is asked for."""

from shengdun.service.cli.program import main

__all__ = ["main"]
