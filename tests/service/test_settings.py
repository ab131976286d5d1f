"""The settings: where they come from, and what is refused."""

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shengdun.service.errors import SettingsInvalid
from shengdun.service.line_settings import LineSettings
from shengdun.service.settings import Settings, load_settings


def load(tmp_path: Path, text: str = "", **environment: str) -> Settings:
    """Load a settings file of this text under these variables."""
    file = tmp_path / "shengdun.toml"
    file.write_text(text, encoding="utf-8")
    return load_settings(file=file, environment=environment)


def refusal(tmp_path: Path, text: str = "", **environment: str) -> str:
    with pytest.raises(SettingsInvalid) as refused:
        load(tmp_path, text, **environment)
    return refused.value.message


def test_it_works_without_any_file() -> None:
    """Defaults listen on loopback, keep an embedded store, and have a default line."""
    settings = load_settings(environment={})
    assert settings.server.host == "127.0.0.1"
    assert settings.store.url is None
    assert settings.lines == {"default": LineSettings()}
    assert settings.models_directory == settings.data_dir / "models"
    assert settings.tokens_file == settings.data_dir / "tokens.json"


def test_later_sources_win(tmp_path: Path) -> None:
    """Defaults, then the file, then the environment, then the command line."""
    file = tmp_path / "shengdun.toml"
    file.write_text("[server]\nport = 1\nmax_calls = 1\ndrain_s = 1.0")
    settings = load_settings(
        file=file,
        environment={"SHENGDUN_SERVER__PORT": "2", "SHENGDUN_SERVER__MAX_CALLS": "2"},
        overrides={"server.port": 3},
    )
    server = settings.server
    assert (server.port, server.max_calls, server.drain_s) == (3, 2, 1.0)
    assert server.call_idle_s == load_settings(environment={}).server.call_idle_s


def test_the_file_can_be_named_by_a_variable(tmp_path: Path) -> None:
    (tmp_path / "other.toml").write_text("[log]\nlevel = 'debug'")
    settings = load_settings(environment={"SHENGDUN_CONFIG": str(tmp_path / "other.toml")})
    assert settings.log.level == "debug"


def test_the_file_of_the_working_directory_is_found(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "shengdun.toml").write_text("[log]\nlevel = 'debug'")
    monkeypatch.chdir(tmp_path)
    assert load_settings(environment={}).log.level == "debug"


def test_every_mistake_is_reported_at_once(tmp_path: Path) -> None:
    """Each wrong key is named with what is wrong, so that one correction is enough."""
    message = refusal(
        tmp_path,
        "nonsense = 1\n[server]\nport = 70000\nprot = 1\n[lines.x.levels]\nmedium = 0.9\nhigh = 0.5",
        SHENGDUN_LOG__LEVEL="loud",
    )
    for part in (
        "nonsense: unknown key",
        "server.port",
        "server.prot: unknown key",
        "lines.x.levels",
        "log.level",
    ):
        assert part in message


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("[server", "not valid TOML"),
        ("server = 3", "server"),
        ("[lines.'Two Words']", "lines"),
        ("[store]\nprefix = '{x}'", r"store.prefix"),
    ],
)
def test_wrong_files_are_named(tmp_path: Path, text: str, message: str) -> None:
    assert message in refusal(tmp_path, text)


def test_a_value_in_the_place_of_a_table_is_a_mistake_like_others(tmp_path: Path) -> None:
    """Even when another source sets a key within that table."""
    message = refusal(tmp_path, "server = 3", SHENGDUN_SERVER__PORT="1", SHENGDUN_LOG__LEVEL="loud")
    assert "server" in message
    assert "log.level" in message


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(SettingsInvalid, match=r"gone\.toml"):
        load_settings(file=tmp_path / "gone.toml", environment={})


def test_a_file_that_is_no_text_is_named(tmp_path: Path) -> None:
    (tmp_path / "shengdun.toml").write_bytes(b"\xff\xfe")
    with pytest.raises(SettingsInvalid, match="not valid TOML"):
        load_settings(file=tmp_path / "shengdun.toml", environment={})


def test_variables_of_deployments_are_left_alone(tmp_path: Path) -> None:
    """SHENGDUN_TOKEN and the like are not settings; a mistyped key of a section still is refused."""
    assert load(tmp_path, SHENGDUN_TOKEN="sd_x", OTHER_SERVER__PORT="1").server.port == 50051
    assert "server.prot" in refusal(tmp_path, SHENGDUN_SERVER__PROT="1")


def test_lines_are_added_to_the_default_one(tmp_path: Path) -> None:
    settings = load(tmp_path, "[lines.complaints]\nprior = 0.05\nwatchlists = ['agents']")
    assert set(settings.lines) == {"default", "complaints"}
    assert settings.lines["complaints"].watchlists == ("agents",)
    assert settings.lines["default"].prior == LineSettings().prior


def test_the_default_line_can_be_set(tmp_path: Path) -> None:
    assert load(tmp_path, "[lines.default]\nprior = 0.2").lines["default"].prior == 0.2


def test_credentials_of_the_store_are_not_shown(tmp_path: Path) -> None:
    """Neither in a representation nor in a dump."""
    settings = load(tmp_path, "[store]\nurl = 'redis://user:hunter2@store:6379'")
    assert "hunter2" not in repr(settings) + settings.model_dump_json()
    assert settings.store.url is not None
    assert "hunter2" in settings.store.url.get_secret_value()


def test_settings_do_not_change(tmp_path: Path) -> None:
    settings = load(tmp_path)
    with pytest.raises(ValueError, match="frozen"):
        settings.server.port = 1


@given(medium=st.floats(0.001, 0.999), high=st.floats(0.001, 0.999))
def test_levels_are_in_order(medium: float, high: float) -> None:
    """MEDIUM begins below HIGH, or the settings are refused."""
    levels = {"lines.x.levels.medium": medium, "lines.x.levels.high": high}
    if medium < high:
        load_settings(environment={}, overrides=levels)
    else:
        with pytest.raises(SettingsInvalid, match="medium must be below high"):
            load_settings(environment={}, overrides=levels)


def test_a_list_of_the_environment_has_commas(tmp_path: Path) -> None:
    """Also for a line; spaces around them don't count, and an empty text is an empty list."""
    settings = load(
        tmp_path,
        "[lines.loans]\nprior = 0.1\n[text]\ncommon = ['a.txt']\n",
        SHENGDUN_VOICE__SHADOW_MODELS="ecapa-voxceleb, other",
        SHENGDUN_LINES__LOANS__WATCHLISTS="agents,callers",
        SHENGDUN_TEXT__COMMON="",
    )
    assert settings.voice.shadow_models == ("ecapa-voxceleb", "other")
    assert settings.lines["loans"].watchlists == ("agents", "callers")
    assert settings.text.common == ()
