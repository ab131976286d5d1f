"""Whether this machine can serve, check by check, each with what to do."""

import os
import shutil
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack
from dataclasses import dataclass
from datetime import UTC, datetime
from enum import Enum
from importlib.metadata import PackageNotFoundError, requires, version
from pathlib import Path
from typing import Final

from packaging.requirements import Requirement

from shengdun.fingerprint.errors import ShengdunError
from shengdun.fingerprint.voice.catalogue import ModelState
from shengdun.fingerprint.voice.converted import ConvertedStatus
from shengdun.fingerprint.voice.model_store import ModelStatus, ModelStore
from shengdun.index.errors import StoreInUse
from shengdun.index.keys import KeyRing
from shengdun.index.registry import Registry
from shengdun.service.access import TokenFile
from shengdun.service.common_wording import read_common
from shengdun.service.errors import PortInUse
from shengdun.service.listening import address_of, check_free
from shengdun.service.neighbour import shengdun_at
from shengdun.service.profile_places import STORE_DIRECTORY
from shengdun.service.settings import ServerSettings, Settings
from shengdun.service.store_opening import open_store
from shengdun.service.text_labels import load_labels
from shengdun.service.tls import asks_for_tokens, check_exposure, server_credentials
from shengdun.service.voice_path import Voice, open_voice
from shengdun.service.workers.shares import Share

LITTLE_SPACE_BYTES: Final = 2 * 1024**3
"""Free space below which a person is warned: compacting the store needs room for a second copy."""
NO_SPACE_BYTES: Final = 128 * 1024**2
"""Free space below which the store refuses writes or is about to."""


class Verdict(Enum):
    """How a check came out."""

    OK = "OK"
    WARN = "WARN"
    FAIL = "FAIL"


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """What one check found.

    Attributes:
        verdict: how it came out.
        subject: what was checked.
        message: what was found and, unless all is well, what to do.
    """

    verdict: Verdict
    subject: str
    message: str


async def diagnose(settings: Settings) -> AsyncIterator[Finding]:
    """Check everything that a server of these settings needs; nothing is changed."""
    yield _packages()
    yield _data_directory(settings.data_dir)
    yield _free_space(settings.data_dir)
    yield _keys(settings)
    models = ModelStore(settings.models_directory)
    for status in models.status():
        yield _artefact(status)
    for converted in models.converted():
        yield _converted(converted)
    voice, finding = _voice(settings)
    yield finding
    if voice is not None:
        yield _calibration(settings, voice)
    yield _attempt("label packs", lambda: ", ".join(load_labels(settings.text).pack_ids))
    yield _attempt("common wording", lambda: _common(settings))
    yield await _server(settings.server)
    yield _attempt("workers", lambda: _workers(settings))
    yield await _store(settings, voice)
    yield _attempt("access", lambda: _access(settings))


def _ok(subject: str, message: str) -> Finding:
    return Finding(verdict=Verdict.OK, subject=subject, message=message)


def _warn(subject: str, message: str) -> Finding:
    return Finding(verdict=Verdict.WARN, subject=subject, message=message)


def _fail(subject: str, message: str) -> Finding:
    return Finding(verdict=Verdict.FAIL, subject=subject, message=message)


def _attempt(subject: str, check: Callable[[], str]) -> Finding:
    try:
        return _ok(subject, check())
    except ShengdunError as error:
        return _fail(subject, error.message)


def _packages() -> Finding:
    stated = [Requirement(line) for line in requires("shengdun") or ()]
    # Some are for other machines, or only for an extra.
    names = [one.name for one in stated if one.marker is None or one.marker.evaluate({"extra": ""})]
    missing = [name for name in names if not _installed(name)]
    if missing:
        remedy = "install Shengdun again: `pip install --force-reinstall shengdun`"
        return _fail("packages", f"missing: {', '.join(missing)}; {remedy}")
    return _ok("packages", f"shengdun {version('shengdun')} and the {len(names)} packages it needs")


def _installed(name: str) -> bool:
    try:
        version(name)
    except PackageNotFoundError:
        return False
    return True


def _data_directory(directory: Path) -> Finding:
    subject = "data directory"
    if not directory.exists():
        parent = _nearest(directory)
        if os.access(parent, os.W_OK | os.X_OK):
            return _ok(subject, f"{directory} is made at the first start")
        return _fail(
            subject,
            f"{directory} can't be made: {parent} can't be written to; give its owner's rights",
        )
    if not directory.is_dir():
        return _fail(subject, f"{directory} is no directory; name another in data_dir")
    if not os.access(directory, os.R_OK | os.W_OK | os.X_OK):
        return _fail(subject, f"{directory} can't be written to; run as its owner or `chown` it")
    if directory.stat().st_mode & 0o022:
        return _warn(subject, f"others can write to {directory}; run `chmod go-w {directory}`")
    return _ok(subject, str(directory))


def _nearest(path: Path) -> Path:
    return next(parent for parent in path.absolute().parents if parent.exists())


def _free_space(directory: Path) -> Finding:
    place = directory if directory.is_dir() else _nearest(directory)
    free = shutil.disk_usage(place).free
    found = f"{free / 1024**3:.1f} GiB free at {place}"
    if free < NO_SPACE_BYTES:
        return _fail("disk", f"{found}; enrolments are refused; free some space")
    if free < LITTLE_SPACE_BYTES:
        return _warn(
            "disk", f"{found}; below {LITTLE_SPACE_BYTES >> 30} GiB it gets tight; free some space"
        )
    return _ok("disk", found)


def _keys(settings: Settings) -> Finding:
    path = settings.keys_file
    is_new = settings.store.url is None and not _store_directory(settings).exists()
    if is_new and not path.exists():
        return _ok("keys", f"{path} is made at the first start; back it up then")
    return _attempt("keys", lambda: f"{path}, active key {KeyRing.load(path).active_key_id.hex()}")


def _artefact(status: ModelStatus) -> Finding:
    name = status.artefact.name
    subject, again = f"model {name}", f"run `shengdun models install {name}`"
    if status.state is ModelState.INSTALLED:
        return _ok(subject, f"as released: {status.path}")
    if status.state is ModelState.ALTERED:
        return _fail(subject, f"{status.path} was altered; find out by whom, then {again}")
    if status.artefact.needed:
        return _fail(subject, f"is not installed; {again}")
    return _ok(subject, f"is not installed, and only the demo needs it; {again} for that")


def _converted(status: ConvertedStatus) -> Finding:
    subject = f"model {status.name}"
    if status.state is ModelState.INSTALLED and status.record is not None:
        return _ok(subject, f"as converted, {status.record.model_id}: {status.path}")
    again = "convert again, or copy its folder again from where that was done"
    if status.state is ModelState.MISSING:
        return _fail(subject, f"{status.path} is missing; {again}")
    return _fail(subject, f"{status.path} was altered; find out by whom, then {again}")


def _voice(settings: Settings) -> tuple[Voice | None, Finding]:
    slower: list[str] = []
    try:
        voice = open_voice(settings, slower.append)
        cosine = ModelStore(settings.models_directory).self_test(voice.model)
    except ShengdunError as error:
        return None, _fail("golden voiceprint", error.message)
    model, profile = voice.model, voice.scorer.profile_id
    found = f"{model.model_id} agrees (cosine {cosine:.6f}), computes in {model.precision}, profile {profile}"
    if slower:
        return voice, _warn("golden voiceprint", f"{found}; {slower[0]}")
    return voice, _ok("golden voiceprint", found)


def _calibration(settings: Settings, voice: Voice) -> Finding:
    subject = "calibration"
    if voice.chosen.problems:
        return _warn(subject, "not in shadow: " + "; ".join(voice.chosen.problems))
    pinned = settings.voice.calibration_profile
    (active,), shadow = voice.chosen.profile_ids
    decides = f"{active} decides" if pinned is None else f"{active} decides, pinned by {pinned}"
    return _ok(subject, f"{decides}; in shadow: {', '.join(shadow) or 'none'}")


async def _server(server: ServerSettings) -> Finding:
    subject, address = "port", address_of(server.host, server.port)
    if server.port == 0:
        return _ok(subject, "a free one is taken at every start")
    try:
        check_free(server)
    except PortInUse as error:
        answer = await shengdun_at(server)
        return (
            _fail(subject, error.message)
            if answer is None
            else _ok(subject, f"{address}: {answer}")
        )
    except ShengdunError as error:
        return _fail(subject, error.message)
    return _ok(subject, f"{address} is free")


def _workers(settings: Settings) -> str:
    workers, share = settings.server.workers, Share.of(settings, 1)
    if workers == 1:
        return f"one process on {share.cores} cores"
    return f"{workers} processes, each on {share.cores} cores and with {share.calls} calls at most"


def _store_directory(settings: Settings) -> Path:
    return settings.data_dir / STORE_DIRECTORY


async def _store(settings: Settings, voice: Voice | None) -> Finding:
    subject = "store"
    embedded = settings.store.url is None
    if embedded and not _store_directory(settings).exists():
        return _ok(subject, "is made at the first start")
    if voice is None:
        return _warn(subject, "is not checked before the model is; do first what is said above")
    try:
        return _ok(subject, await _verify_store(settings, voice))
    except StoreInUse:
        return _ok(subject, "in use by a running server, which verified it at its start")
    except ShengdunError as error:
        return _fail(subject, error.message)


async def _verify_store(settings: Settings, voice: Voice) -> str:
    async with AsyncExitStack() as stack:
        store = await open_store(settings, None, stack)
        registry = await Registry.open(
            store,
            data_directory=settings.data_dir,
            key_path=settings.keys_file,
            scorers=[voice.scorer],
        )
        stack.push_async_callback(registry.close)
        sequence = registry.health.journal_sequence
        watchlists = await registry.list_watchlists()
        return f"agrees with its journal of {sequence} entries; {len(watchlists)} watchlists"


def _common(settings: Settings) -> str:
    files = settings.text.common
    read_common(files)
    named = (
        ", ".join(map(str, files)) or "none of the institution's own; name its texts in text.common"
    )
    return f"what everybody says, and {named}"


def _access(settings: Settings) -> str:
    tokens = TokenFile(settings.tokens_file)
    check_exposure(settings, tokens)
    if settings.server.tls is not None:
        server_credentials(settings.server.tls)
    now = datetime.now(UTC)
    valid = sum(not token.expired(now) for token in tokens.list())
    transport = "TLS" if settings.server.tls else "no TLS, loopback only"
    asked = f"{valid} valid tokens" if asks_for_tokens(settings) else "no token asked for"
    return f"{transport}; {asked}"
