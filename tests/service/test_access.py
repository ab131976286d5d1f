"""Access tokens, roles and the table of what each RPC asks for."""

import os
import stat
import threading
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from grpc_reflection.v1alpha import reflection_pb2
from hypothesis import given
from hypothesis import strategies as st

from shengdun.service.access import (
    LOCAL,
    REQUIRED_ROLES,
    Principal,
    Role,
    TokenFile,
    acting_as,
    current_principal,
    is_open_to_all,
)
from shengdun.service.errors import (
    InvalidRequest,
    TokenFileInvalid,
    TokenUnknown,
    Unauthenticated,
)
from shengdun.v1 import (
    allow_pb2,
    archive_pb2,
    hunt_pb2,
    network_pb2,
    screening_pb2,
    script_pb2,
    voice_pb2,
    watchlist_pb2,
)

SOMEONE = 54_321
"""A user that owns nothing on the machine."""
NOW = datetime(2025, 6, 1, 12, tzinfo=UTC)


@pytest.fixture
def tokens(tmp_path: Path) -> TokenFile:
    return TokenFile(tmp_path / "tokens.json", clock=lambda: NOW)


def every_method() -> set[str]:
    modules = (
        screening_pb2,
        script_pb2,
        watchlist_pb2,
        network_pb2,
        archive_pb2,
        voice_pb2,
        hunt_pb2,
        allow_pb2,
    )
    ours = [module.DESCRIPTOR for module in modules]
    files = (*ours, reflection_pb2.DESCRIPTOR)
    return {
        f"/{service.full_name}/{method.name}"
        for file in files
        for service in file.services_by_name.values()
        for method in service.methods
    }


def test_every_rpc_has_its_roles() -> None:
    """The table names every RPC of the wire contract and reflection, and nothing that does not exist."""
    assert set(REQUIRED_ROLES) == every_method()


@pytest.mark.parametrize(
    ("role", "method", "allowed"),
    [
        (Role.TELEPHONY, "/shengdun.v1.ScreeningService/ScreenCall", True),
        (Role.TELEPHONY, "/shengdun.v1.WatchlistService/GetActor", False),
        (Role.INVESTIGATOR, "/shengdun.v1.WatchlistService/EraseActor", True),
        (Role.INVESTIGATOR, "/shengdun.v1.ScreeningService/ScreenCall", False),
        (Role.TELEPHONY, "/shengdun.v1.ScreeningService/ScreenText", True),
        (Role.TELEPHONY, "/shengdun.v1.ScriptService/MatchText", False),
        (Role.INVESTIGATOR, "/shengdun.v1.ScreeningService/ScreenText", False),
        (Role.INVESTIGATOR, "/shengdun.v1.ScriptService/AddScript", True),
        (Role.INVESTIGATOR, "/shengdun.v1.ScriptService/EraseScript", True),
        (Role.AUDITOR, "/shengdun.v1.ScriptService/GetScript", False),
        (Role.INVESTIGATOR, "/shengdun.v1.AllowService/AddAllowed", True),
        (Role.TELEPHONY, "/shengdun.v1.AllowService/AddAllowed", False),
        (Role.AUDITOR, "/shengdun.v1.ScreeningService/GetServerInfo", True),
        (Role.AUDITOR, "/shengdun.v1.WatchlistService/GetActor", False),
        (Role.TELEPHONY, "/shengdun.v1.Unheard/Of", False),
    ],
)
def test_roles_decide(role: Role, method: str, allowed: bool) -> None:  # noqa: FBT001 - a table
    """A role allows its own RPCs and no others, and nothing that the table does not name."""
    assert Principal(name="x", roles=frozenset({role})).may_call(method) is allowed


def test_an_administrator_and_the_local_user_may_do_everything() -> None:
    administrator = Principal(name="x", roles=frozenset({Role.ADMIN}))
    assert all(
        administrator.may_call(method) and LOCAL.may_call(method) for method in every_method()
    )


def test_only_health_is_open_to_all() -> None:
    assert is_open_to_all("/grpc.health.v1.Health/Check")
    assert not any(is_open_to_all(method) for method in every_method())


def test_the_current_principal_is_bound_to_its_block() -> None:
    """The principal is there inside the block and gone after it."""
    with acting_as(LOCAL):
        assert current_principal() is LOCAL
    with pytest.raises(LookupError):
        current_principal()


def test_an_issued_token_lets_in(tokens: TokenFile) -> None:
    """A token stands for the name and roles it was issued with."""
    plaintext = tokens.issue("ivr", [Role.TELEPHONY])
    assert tokens.authenticate(plaintext) == Principal(
        name="ivr", roles=frozenset({Role.TELEPHONY})
    )


def test_the_file_keeps_no_secret_and_only_its_owner_reads_it(tokens: TokenFile) -> None:
    plaintext = tokens.issue("ivr", [Role.TELEPHONY])
    assert plaintext.split("_", 2)[2] not in tokens.path.read_text()
    assert stat.S_IMODE(tokens.path.stat().st_mode) == 0o600


def test_a_revoked_token_is_refused_by_a_server_that_is_running(tokens: TokenFile) -> None:
    """Tokens issued and revoked by another process count without a restart."""
    running = TokenFile(tokens.path, clock=lambda: NOW)
    assert running.list() == ()
    plaintext = tokens.issue("ivr", [Role.TELEPHONY])
    running.authenticate(plaintext)
    tokens.revoke(tokens.list()[0].token_id)
    with pytest.raises(Unauthenticated, match="revoked"):
        running.authenticate(plaintext)


def test_an_expired_token_is_refused(tmp_path: Path) -> None:
    """A token counts until its expiry, and not at it."""
    moment = [NOW]
    tokens = TokenFile(tmp_path / "tokens.json", clock=lambda: moment[0])
    plaintext = tokens.issue("ivr", [Role.TELEPHONY], NOW + timedelta(hours=1))
    moment[0] = NOW + timedelta(minutes=59)
    tokens.authenticate(plaintext)
    moment[0] = NOW + timedelta(hours=1)
    with pytest.raises(Unauthenticated, match="expired"):
        tokens.authenticate(plaintext)


@given(damage=st.integers(min_value=0, max_value=59))
def test_a_token_with_one_wrong_character_is_refused(
    tmp_path_factory: pytest.TempPathFactory, damage: int
) -> None:
    """No single character of a token is ignored."""
    tokens = TokenFile(tmp_path_factory.mktemp("t") / "tokens.json")
    plaintext = tokens.issue("ivr", [Role.TELEPHONY])
    damage = min(damage, len(plaintext) - 1)
    other = "0" if plaintext[damage] != "0" else "1"
    with pytest.raises(Unauthenticated):
        tokens.authenticate(plaintext[:damage] + other + plaintext[damage + 1 :])


@given(text=st.text(max_size=100))
def test_anything_else_is_refused_as_malformed(text: str) -> None:
    with pytest.raises(Unauthenticated, match="malformed"):
        TokenFile(Path("/nonexistent/tokens.json")).authenticate(text)


@pytest.mark.parametrize(
    "content",
    [
        "",
        "{",
        "[]",
        '{"format": "other", "tokens": []}',
        '{"format": "shengdun-tokens-1", "tokens": [{"id": "x"}]}',
        '{"format": "shengdun-tokens-1", "tokens": ["x"]}',
    ],
)
def test_a_damaged_file_is_named(tokens: TokenFile, content: str) -> None:
    """Damage is an error that names the file and the way out, and nobody is let in."""
    plaintext = tokens.issue("ivr", [Role.TELEPHONY])
    tokens.path.write_text(content)
    with pytest.raises(TokenFileInvalid, match=r"tokens\.json is damaged; restore it"):
        tokens.authenticate(plaintext)


def test_a_file_that_others_can_change_is_refused(tokens: TokenFile) -> None:
    tokens.issue("ivr", [Role.TELEPHONY])
    tokens.path.chmod(0o666)
    with pytest.raises(TokenFileInvalid, match="chmod 600"):
        TokenFile(tokens.path).list()


def test_a_place_that_cannot_be_written_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(TokenFileInvalid, match="cannot be written"):
        TokenFile(tmp_path / "file" / "tokens.json").issue("ivr", [Role.TELEPHONY])


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give files to others")
def test_what_root_issues_belongs_to_the_owner_of_the_directory(tmp_path: Path) -> None:
    """The server's user reads a token that was issued as root, and can issue further ones."""
    directory = tmp_path / "data"
    directory.mkdir(mode=0o700)
    os.chown(directory, SOMEONE, SOMEONE)
    TokenFile(directory / "tokens.json").issue("ivr", [Role.TELEPHONY])
    owners = {file.name: (file.stat().st_uid, file.stat().st_gid) for file in directory.iterdir()}
    assert owners == dict.fromkeys(("tokens.json", "tokens.json.lock"), (SOMEONE, SOMEONE))


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can become another user")
def test_who_may_not_read_the_file_is_told_what_to_do(tokens: TokenFile) -> None:
    tokens.issue("ivr", [Role.TELEPHONY])
    os.seteuid(SOMEONE)
    try:
        with pytest.raises(TokenFileInvalid, match="run as the user that runs the server"):
            TokenFile(tokens.path).list()
    finally:
        os.seteuid(0)


def test_revoking_what_is_not_there_is_refused(tokens: TokenFile) -> None:
    with pytest.raises(TokenUnknown, match="token list"):
        tokens.revoke("0" * 12)


@pytest.mark.parametrize(
    ("name", "roles", "expires"),
    [
        ("", [Role.ADMIN], None),
        ("two words", [Role.ADMIN], None),
        ("x", [], None),
        ("x", [Role.ADMIN], NOW),
        ("x", [Role.ADMIN], datetime(2030, 1, 1)),  # noqa: DTZ001 - the mistake that is tested
    ],
)
def test_wrong_tokens_are_not_issued(
    tokens: TokenFile, name: str, roles: list[Role], expires: datetime | None
) -> None:
    """Bad names, no roles, a past expiry or one without a time zone change nothing."""
    with pytest.raises(InvalidRequest):
        tokens.issue(name, roles, expires)
    assert tokens.list() == ()


def test_tokens_issued_at_once_are_all_kept(tmp_path: Path) -> None:
    """Writers do not overwrite each other."""
    path = tmp_path / "tokens.json"
    threads = [
        threading.Thread(target=lambda n=n: TokenFile(path).issue(f"ivr-{n}", [Role.TELEPHONY]))
        for n in range(8)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert {token.name for token in TokenFile(path).list()} == {f"ivr-{n}" for n in range(8)}
