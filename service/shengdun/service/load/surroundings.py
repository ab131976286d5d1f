"""Where a load test was made: versions, hardware, commit."""

import os
import platform
import subprocess
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from typing import Any, Final

from shengdun.service.client import ServerInfo
from shengdun.service.demo.story import machine

_GIT: Final = "git"


def surroundings(server: ServerInfo | None) -> dict[str, Any]:
    """What a figure must be read with, as JSON has it.

    Args:
        server: what the server says of itself; None if it did not answer.
    """
    return {
        "at": datetime.now(UTC).isoformat(timespec="seconds"),
        "client": {
            "version": version("shengdun"),
            "python": platform.python_version(),
            "grpc": version("grpcio"),
            "machine": machine(),
            "memory_gb": round(os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 1e9, 1),
            "commit": commit(Path(__file__).parent),
        },
        "server": None
        if server is None
        else {
            "version": server.version,
            "model_id": server.model_id,
            "voice_precision": server.voice_precision,
            "calibration_profile_id": server.calibration_profile_id,
            "live_calls_before": server.live_calls,
        },
    }


def commit(directory: Path) -> str | None:
    """The commit of a checkout, with ``+changes`` if there are any; None outside of one."""
    try:
        # Installed beside another project's checkout, that one's commit would say nothing.
        _git(directory, "ls-files", "--error-unmatch", Path(__file__).name)
        found, changes = (
            _git(directory, "rev-parse", "HEAD"),
            _git(directory, "status", "--porcelain"),
        )
    except (OSError, subprocess.SubprocessError):
        return None
    return f"{found}+changes" if changes else found


def _git(directory: Path, *arguments: str) -> str:
    return subprocess.run(
        [_GIT, *arguments], cwd=directory, capture_output=True, text=True, check=True, timeout=10
    ).stdout.strip()
