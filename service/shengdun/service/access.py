"""Who may call what: roles, principals, access tokens, and the roles that each RPC asks for.

Tokens are ``sd_<id>_<secret>`` with 256 random bits of secret. The file keeps a plain SHA-256 of each: a slow hash
(scrypt, Argon2) defends secrets that people can guess, which 256 random bits are not, and would let a stranger burn
the server's CPU with made-up tokens; a key for the hash would lie beside the file and add nothing.
"""

import fcntl
import hashlib
import hmac
import json
import os
import re
import secrets
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, field
from datetime import UTC, datetime
from enum import Enum
from pathlib import Path
from types import MappingProxyType
from typing import Any, Final

from shengdun.service.errors import (
    InvalidRequest,
    TokenFileInvalid,
    TokenUnknown,
    Unauthenticated,
)

_FORMAT = "shengdun-tokens-1"
_TOKEN = re.compile(r"sd_([0-9a-f]{12})_([A-Za-z0-9_-]{43})")
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._@-]{0,63}")
_NO_DIGEST = "0" * 64
_ROOT = 0


class Role(Enum):
    """What a principal does."""

    TELEPHONY = "telephony"
    """Screens calls, recordings and texts."""
    INVESTIGATOR = "investigator"
    """Keeps watchlists, the actors on them, and scripts."""
    REVIEWER = "reviewer"
    """Approves what investigators propose."""
    AUDITOR = "auditor"
    """Reads the audit log."""
    ADMIN = "admin"
    """May do everything."""


EVERY_ROLE: Final = frozenset(Role)
_SCREENING = "/shengdun.v1.ScreeningService/"
_WATCHLISTS = "/shengdun.v1.WatchlistService/"
_SCRIPTS = "/shengdun.v1.ScriptService/"
_VOICES = "/shengdun.v1.VoiceService/"
_NETWORKS = "/shengdun.v1.NetworkService/"
_ARCHIVE = "/shengdun.v1.ArchiveService/"
_HUNTS = "/shengdun.v1.HuntService/"
_ALLOW = "/shengdun.v1.AllowService/"
_HEALTH = "/grpc.health.v1.Health/"
_REFLECTION = "/grpc.reflection.v1alpha.ServerReflection/"
_WATCHLIST_METHODS = (
    "CreateWatchlist",
    "GetWatchlist",
    "ListWatchlists",
    "UpdateWatchlist",
    "DeleteWatchlist",
    "EnrollActor",
    "AddVoiceprints",
    "RemoveVoiceprint",
    "GetActor",
    "ListActors",
    "UpdateActor",
    "EraseActor",
)
_VOICE_METHODS = ("ListVoices", "GetVoice", "PromoteVoice")
_ALLOW_METHODS = ("AddAllowed", "GetAllowed", "ListAllowed", "RemoveAllowed")
_SCRIPT_METHODS = (
    "AddScript",
    "GetScript",
    "ListScripts",
    "EraseScript",
    "MatchText",
    "ListCampaigns",
    "GetCampaign",
    "PromoteCampaign",
    "GetTrends",
)
_HUNT_METHODS = ("StartHunt", "GetHunt", "CancelHunt", "ResumeHunt", "ListHunts")

REQUIRED_ROLES: Final[Mapping[str, frozenset[Role]]] = MappingProxyType(
    {
        _SCREENING + "ScreenCall": frozenset({Role.TELEPHONY}),
        _SCREENING + "GetDecision": frozenset({Role.TELEPHONY}),
        _SCREENING + "ScreenRecording": frozenset({Role.TELEPHONY}),
        _SCREENING + "ScreenText": frozenset({Role.TELEPHONY}),
        _SCREENING + "GetServerInfo": EVERY_ROLE,
        _ARCHIVE + "VerifyErasure": frozenset({Role.INVESTIGATOR, Role.AUDITOR}),
        _NETWORKS + "GetNetwork": frozenset({Role.INVESTIGATOR}),
        _REFLECTION + "ServerReflectionInfo": EVERY_ROLE,
    }
    | {
        _ARCHIVE + method: frozenset({Role.INVESTIGATOR})
        for method in ("ListCalls", "GetCall", "ScoreCall", "EraseCalls")
    }
    | {_WATCHLISTS + method: frozenset({Role.INVESTIGATOR}) for method in _WATCHLIST_METHODS}
    | {_VOICES + method: frozenset({Role.INVESTIGATOR}) for method in _VOICE_METHODS}
    | {_SCRIPTS + method: frozenset({Role.INVESTIGATOR}) for method in _SCRIPT_METHODS}
    | {_HUNTS + method: frozenset({Role.INVESTIGATOR}) for method in _HUNT_METHODS}
    | {_ALLOW + method: frozenset({Role.INVESTIGATOR}) for method in _ALLOW_METHODS}
)
"""For each RPC by its full name, the roles of which one is enough. An RPC that is not named here is ADMIN's alone."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Principal:
    """Who calls.

    Attributes:
        name: the name that the access token was issued under; not a secret.
        roles: what it may do.
    """

    name: str
    roles: frozenset[Role]

    def may_call(self, method: str) -> bool:
        """Whether the roles allow an RPC, given by its full name ``/package.Service/Method``."""
        return bool(self.roles & roles_for(method))


LOCAL: Final = Principal(name="local", roles=EVERY_ROLE)
"""Who calls a server that listens on loopback and asks for no token."""

_principal: ContextVar[Principal] = ContextVar("shengdun_principal")


def current_principal() -> Principal:
    """Who called the RPC that is being served.

    Raises:
        LookupError: no RPC is being served.
    """
    return _principal.get()


@contextmanager
def acting_as(principal: Principal) -> Iterator[None]:
    """Make a principal the current one for a block of code."""
    token = _principal.set(principal)
    try:
        yield
    finally:
        _principal.reset(token)


def roles_for(method: str) -> frozenset[Role]:
    """The roles of which one is needed for an RPC, given by its full name ``/package.Service/Method``."""
    return REQUIRED_ROLES.get(method, frozenset()) | {Role.ADMIN}


def is_open_to_all(method: str) -> bool:
    """Whether an RPC needs no credentials: the health checks of load balancers, which tell nothing about anybody."""
    return method.startswith(_HEALTH)


@dataclass(frozen=True, slots=True, kw_only=True)
class AccessToken:
    """What is kept about an access token; its secret is not.

    Attributes:
        token_id: the part of the token that names it; 12 hexadecimal digits.
        name: who or what uses it.
        roles: what it allows.
        created_at: when it was issued, in UTC.
        expires_at: from when on it is refused, in UTC; None for never.
        digest: SHA-256 of id and secret, in hexadecimal.
    """

    token_id: str
    name: str
    roles: frozenset[Role]
    created_at: datetime
    expires_at: datetime | None
    digest: str = field(repr=False)

    def __post_init__(self) -> None:
        if not _NAME.fullmatch(self.name):
            raise InvalidRequest(
                f"token name {self.name[:80]!r} must be 1 to 64 of A-Z, a-z, 0-9, '.', '_', '@' and '-', "
                "beginning with a letter or digit"
            )
        if not self.roles:
            raise InvalidRequest(
                f"a token needs at least one role of {', '.join(role.value for role in Role)}"
            )
        if self.expires_at is not None and self.expires_at.tzinfo is None:
            raise InvalidRequest("the expiry of a token needs a time zone")

    def expired(self, at: datetime) -> bool:
        """Whether it is refused at this time."""
        return self.expires_at is not None and self.expires_at <= at

    @property
    def principal(self) -> Principal:
        """Whom it stands for."""
        return Principal(name=self.name, roles=self.roles)


def _now() -> datetime:
    return datetime.now(UTC)


def _digest(token_id: str, secret: str) -> str:
    return hashlib.sha256(f"{_FORMAT}:{token_id}:{secret}".encode()).hexdigest()


class TokenFile:
    """The access tokens of a server, hashed, in one JSON file that only its owner can write.

    A running server sees changes of the file at the next RPC; calls that are already running go on. Several processes
    may change the file at once: changes are made one after the other, under a lock, and replace the file whole. What
    root changes belongs to the owner of the directory.

    Args:
        path: the file; it need not exist yet.
        clock: gives the current time with its time zone.
    """

    def __init__(self, path: Path, *, clock: Callable[[], datetime] = _now) -> None:
        self._path = path
        self._clock = clock
        self._tokens: dict[str, AccessToken] = {}
        self._seen: tuple[int, int, int] | None = None

    @property
    def path(self) -> Path:
        """Where the tokens are kept."""
        return self._path

    def issue(self, name: str, roles: Iterable[Role], expires: datetime | None = None) -> str:
        """Make a token and return it; it cannot be shown again.

        Raises:
            InvalidRequest: the name, the roles or the expiry are wrong.
            TokenFileInvalid: the file is damaged or cannot be written.
        """
        token_id, secret = secrets.token_hex(6), secrets.token_urlsafe(32)
        token = AccessToken(
            token_id=token_id,
            name=name,
            roles=frozenset(roles),
            created_at=self._clock(),
            expires_at=expires,
            digest=_digest(token_id, secret),
        )
        if token.expired(token.created_at):
            raise InvalidRequest("the token would have expired already; give a later expiry")
        with self._exclusive():
            self._write(self._current() | {token_id: token})
        return f"sd_{token_id}_{secret}"

    def revoke(self, token_id: str) -> AccessToken:
        """Remove a token for good and return what was kept about it.

        Raises:
            TokenUnknown: there is no such token.
            TokenFileInvalid: the file is damaged or cannot be written.
        """
        with self._exclusive():
            tokens = self._current().copy()
            token = tokens.pop(token_id, None)
            if token is None:
                raise TokenUnknown(
                    f"there is no token {token_id[:80]!r}; `shengdun token list` shows all"
                )
            self._write(tokens)
        return token

    def list(self) -> tuple[AccessToken, ...]:
        """All tokens, expired ones included, oldest first.

        Raises:
            TokenFileInvalid: the file is damaged or cannot be read.
        """
        return tuple(sorted(self._current().values(), key=lambda token: token.created_at))

    def authenticate(self, plaintext: str) -> Principal:
        """Whom a token stands for.

        Raises:
            Unauthenticated: it is malformed, unknown or expired.
            TokenFileInvalid: the file is damaged or cannot be read.
        """
        match = _TOKEN.fullmatch(plaintext)
        if match is None:
            raise Unauthenticated(
                "the access token is malformed; tokens look like sd_<id>_<secret>"
            )
        token_id, secret = match.groups()
        token = self._current().get(token_id)
        # An unknown id is compared too, so that the time taken does not tell which ids exist.
        expected = _NO_DIGEST if token is None else token.digest
        if not hmac.compare_digest(_digest(token_id, secret), expected) or token is None:
            raise Unauthenticated("the access token is unknown or was revoked; ask for a new one")
        if token.expired(self._clock()):
            raise Unauthenticated("the access token has expired; ask for a new one")
        return token.principal

    def _current(self) -> dict[str, AccessToken]:
        try:
            stat = self._path.stat()
        except FileNotFoundError:
            self._tokens, self._seen = {}, None
            return self._tokens
        except OSError as error:
            raise self._unreadable(error) from None
        # Replacing the file gives it another inode, so even two changes within one tick of its clock are seen.
        signature = (stat.st_mtime_ns, stat.st_size, stat.st_ino)
        if signature != self._seen:
            self._tokens = self._read(stat.st_mode)
            self._seen = signature
        return self._tokens

    def _read(self, mode: int) -> dict[str, AccessToken]:
        if mode & 0o022:
            raise self._invalid(
                f"can be changed by others; correct it with `chmod 600 {self._path}`"
            )
        try:
            return _parse(self._path.read_text(encoding="utf-8"))
        except OSError as error:
            raise self._unreadable(error) from None
        except (ValueError, KeyError, TypeError, AttributeError, InvalidRequest):
            raise self._invalid(
                "is damaged; restore it from a backup, or remove it and issue every token anew with "
                "`shengdun token issue`"
            ) from None

    def _write(self, tokens: Mapping[str, AccessToken]) -> None:
        replacement = self._path.with_name(f".{self._path.name}.{secrets.token_hex(4)}")
        try:
            with os.fdopen(
                os.open(replacement, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w"
            ) as file:
                json.dump(
                    {"format": _FORMAT, "tokens": [_dump(t) for t in tokens.values()]},
                    file,
                    indent=1,
                )
                file.flush()
                os.fsync(file.fileno())
            self._give_away(replacement)
            replacement.replace(self._path)
            _sync_directory(self._path.parent)
        except OSError as error:
            replacement.unlink(missing_ok=True)
            raise self._invalid(f"cannot be written: {error.strerror}") from None

    @contextmanager
    def _exclusive(self) -> Iterator[None]:
        lock = self._path.with_name(self._path.name + ".lock")
        try:
            self._path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
            descriptor = os.open(lock, os.O_RDWR | os.O_CREAT, 0o600)
            self._give_away(lock)
        except OSError as error:
            raise self._invalid(f"cannot be written: {error.strerror}") from None
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX)
            yield
        finally:
            os.close(descriptor)

    def _give_away(self, made: Path) -> None:
        # What root makes here is for the server, whose directory it is; left to root the server could not read it.
        if os.geteuid() == _ROOT:
            owner = self._path.parent.stat()
            os.chown(made, owner.st_uid, owner.st_gid, follow_symlinks=False)

    def _unreadable(self, error: OSError) -> TokenFileInvalid:
        remedy = ""
        if isinstance(error, PermissionError):
            remedy = "; run as the user that runs the server, and `chown` it to that user if it is another's"
        return self._invalid(f"cannot be read: {error.strerror}{remedy}")

    def _invalid(self, problem: str) -> TokenFileInvalid:
        return TokenFileInvalid(f"the token file {self._path} {problem}")


def _sync_directory(directory: Path) -> None:
    descriptor = os.open(directory, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _dump(token: AccessToken) -> dict[str, Any]:
    return {
        "id": token.token_id,
        "name": token.name,
        "roles": sorted(role.value for role in token.roles),
        "created": token.created_at.isoformat(),
        "expires_at": None if token.expires_at is None else token.expires_at.isoformat(),
        "sha256": token.digest,
    }


def _parse(text: str) -> dict[str, AccessToken]:
    tree = json.loads(text)
    if tree["format"] != _FORMAT:
        raise ValueError("another format")
    tokens = (_load(entry) for entry in tree["tokens"])
    return {token.token_id: token for token in tokens}


def _load(entry: Mapping[str, Any]) -> AccessToken:
    expires_at = entry["expires_at"]
    if not re.fullmatch(r"[0-9a-f]{64}", entry["sha256"]):
        raise ValueError("not a SHA-256")
    return AccessToken(
        token_id=entry["id"],
        name=entry["name"],
        roles=frozenset(Role(role) for role in entry["roles"]),
        created_at=datetime.fromisoformat(entry["created"]),
        expires_at=None if expires_at is None else datetime.fromisoformat(expires_at),
        digest=entry["sha256"],
    )
