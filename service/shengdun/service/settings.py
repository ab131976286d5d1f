"""The settings: one typed tree, loaded in one place.

Later sources win: defaults, the TOML file, the environment, the command line. In the environment a key
is written ``SHENGDUN_SERVER__PORT`` for ``server.port``, and a list with commas. Unknown keys are refused, and all
mistakes are reported at once.
"""

import os
import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import (
    Field,
    SecretStr,
    ValidationError,
    model_validator,
)

from shengdun.service.errors import SettingsInvalid
from shengdun.service.line_settings import Group, LineSettings, Listed, Probability, Slug

FILE_NAME = "shengdun.toml"
ENVIRONMENT_PREFIX = "SHENGDUN_"
_FILE_PLACES = (Path(FILE_NAME), Path("/etc/shengdun") / FILE_NAME)


class TlsSettings(Group):
    """Certificates of the server, PEM files."""

    certificate: Path = Field(examples=["/etc/shengdun/server.pem"])
    """The server's certificate chain."""
    key: Path = Field(examples=["/etc/shengdun/server.key"])
    """Its private key."""
    client_ca: Path | None = Field(default=None, examples=["/etc/shengdun/clients-ca.pem"])
    """When set, clients must show a certificate signed by this authority (mTLS)."""


class ServerSettings(Group):
    """Where the server listens and what it lets one caller do."""

    host: str = "127.0.0.1"
    """Address to listen on. Anything but loopback needs `server.tls` and at least one access token."""
    port: Annotated[int, Field(ge=0, le=65535)] = 50051
    """Port to listen on; 0 takes a free one."""
    tls: TlsSettings | None = None
    """Certificates; none means no TLS, which only loopback may do without."""
    workers: Annotated[int, Field(ge=1)] = 1
    """Processes that take calls on this port, at most one for each core; they divide cores and calls among them."""
    max_calls: Annotated[int, Field(ge=1)] = 500
    """Live calls at once, of all workers; more are answered RESOURCE_EXHAUSTED, whatever they would cost."""
    load_limit: Annotated[float, Field(gt=0, le=1)] = 0.8
    """Share of the cores that undecided calls may be expected to take; a call that would exceed it is answered
    RESOURCE_EXHAUSTED with the time after which to try again. Nearer to 1 there are more calls and later answers."""
    call_idle_s: Annotated[float, Field(gt=0)] = 60.0
    """Seconds without a message after which a call is ended."""
    call_max_s: Annotated[float, Field(gt=0)] = 4 * 3600.0
    """Seconds after which a call is ended, of audio or by the clock, whichever is more."""
    call_queue_s: Annotated[float, Field(gt=0)] = 10.0
    """Seconds of audio of one call that may wait before the server stops reading it."""
    recording_max_s: Annotated[float, Field(gt=0)] = 1800.0
    """Longest recording taken, in seconds."""
    drain_s: Annotated[float, Field(ge=0)] = 10.0
    """Longest time that a graceful stop may take, in seconds."""


class StoreSettings(Group):
    """The Redis or Valkey that keeps watchlists; without a URL one is run in the data directory."""

    url: SecretStr | None = Field(
        default=None, examples=["rediss://:password@valkey.example:6379/0"]
    )
    """redis://, rediss://, unix://, redis+sentinel://host,host/name or redis+cluster://host; may carry credentials."""
    ca_certificate: Path | None = Field(default=None, examples=["/etc/shengdun/store-ca.pem"])
    """Authority that signed the store's certificate; none means the system's."""
    client_certificate: Path | None = Field(
        default=None, examples=["/etc/shengdun/store-client.pem"]
    )
    """Certificate that this server shows to the store."""
    client_key: Path | None = Field(default=None, examples=["/etc/shengdun/store-client.key"])
    """Its private key."""
    keys_file: Path | None = Field(default=None, examples=["/etc/shengdun/keys.json"])
    """File of the master keys; none means `keys.json` in the data directory. Machines that share a store share it."""
    prefix: Slug = "shengdun"
    """Begins every key, so that several installations can share a store."""


class VoiceSettings(Group):
    """The voice model and its calibration."""

    model: str = "campplus-zh-en"
    """Name of an installed voice model."""
    calibration_profile: Path | None = Field(default=None, examples=["/etc/shengdun/our-site.npz"])
    """A calibration profile of this model, which wins over the profile library; none means the one that is active in
    the library, or else the one that ships with the model."""
    shadow_models: Annotated[tuple[str, ...], Listed] = Field(
        default=(), examples=[("ecapa-voxceleb",)]
    )
    """Names of further installed voice models that are tried out beside it: enrolments store their voiceprints too, and
    those with an active calibration profile say in every decision what they would have said."""
    prompts: Path | None = Field(default=None, examples=["/etc/shengdun/prompts"])
    """Directory of recordings that the house itself plays into calls, announcements and hold messages, and of nothing
    else: speech of a call that is one of them is left out. None means that there are none on the caller's leg."""
    precision: Literal["auto", "float32", "bfloat16"] = "auto"
    """What voiceprints of full windows are computed in. `bfloat16` takes a third to a half of the time and more memory;
    `auto` is that where the processor multiplies it (AMX, or AVX-512 with its instructions for bfloat16)."""
    workers: Annotated[int, Field(ge=1)] | None = Field(default=None, examples=[2])
    """Voiceprints computed at once, by all workers, at most one for each core; none means as many."""


class TextSettings(Group):
    """Letters, chats and the words of calls."""

    label_packs: Annotated[tuple[Path, ...], Listed] = Field(
        default=(), examples=[("/etc/shengdun/bank-words.yaml",)]
    )
    """Files of the site's own label packs, loaded in this order after those that ship with Shengdun."""
    common: Annotated[tuple[Path, ...], Listed] = Field(
        default=(), examples=[("/etc/shengdun/disclosures.txt",)]
    )
    """Files of what the institution itself reads out, prints or sends. Its wording makes no campaign."""
    campaign_texts: Annotated[int, Field(ge=0, le=1_000_000)] = 20_000
    """Screened texts that are remembered, in memory only, to tell wording that different customers share; some 3 to
    4 kB each, in every worker. 0 remembers none."""
    campaign_days: Annotated[float, Field(gt=0, le=3650)] = 60.0
    """Days for which they are remembered at most."""
    semantic_model: Path | None = Field(
        default=None, examples=["/opt/models/text2vec-base-chinese"]
    )
    """Directory of a sentence-embedding model in ONNX, in the layout of the model hub, which tells the scripts that a
    letter is like in meaning; needs the extra `shengdun[semantic]`. It decides nothing. None tells none."""
    trend_days: Annotated[int, Field(ge=0, le=400)] = 35
    """Days of which the phrases of these texts are counted, to tell what customers have begun to say; in memory, at
    most 2 MB a day and line, and 40 MB a line for the day that goes on. 0 counts none."""


class RetentionSettings(Group):
    """How long is kept what is not used any more."""

    expired_days: Annotated[int, Field(ge=0, le=3650)] | Literal["never"] = 30
    """Actors and scripts are erased so many days after they have expired; until then they can be looked at and renewed.
    With "never" they stay."""


class ArchiveSettings(Group):
    """Finished calls: one row each, with a voiceprint and no audio."""

    enabled: bool = True
    """Keep finished calls. Without them no voice is recognised that calls for many customers, and nothing can be found
    in past calls."""
    days: Annotated[int, Field(ge=1, le=3650)] = 90
    """Days for which calls are kept, unless their line says otherwise; then they are deleted for good."""
    flush_s: Annotated[float, Field(ge=1, le=3600)] = 60.0
    """Seconds after which calls are moved from the store to this machine's files."""
    away_days: Annotated[float, Field(ge=0.01, le=365)] = 7.0
    """Days for which a machine that is down has calls kept for it in the store."""
    calibration_share: Annotated[float, Field(ge=0, le=1)] = 0.1
    """Share of calls, drawn at random, of which the voiceprint of each window is kept as well, so that a calibration
    profile can be made from them."""


class HuntSettings(Group):
    """Searches of finished calls."""

    on_enrolment: bool = False
    """Hunt for every actor that is enrolled, as soon as it is, in the calls of all lines that don't say otherwise."""
    workers: Annotated[int, Field(ge=1, le=64)] = 2
    """Threads that read and compare calls for a hunt. All step back behind live calls."""


class VoicesSettings(Group):
    """Voices that nobody has enrolled: which of the last weeks' calls are by one voice."""

    days: Annotated[float, Field(gt=0, le=366)] = 30.0
    """Days of calls that are compared; at most those that the archive keeps."""
    calls: Annotated[int, Field(ge=100, le=5_000_000)] = 1_000_000
    """Calls that are compared at most, the newest; each takes 0.5 KB of memory."""
    other_customers: Annotated[int, Field(ge=1, le=100)] = 2
    """Customers besides the present one for whom a voice must have called to be told: with 2, at the third."""
    repeating: Probability = 0.05
    """Share of calls, before they are heard, by voices that have called for another customer before."""


class AccessSettings(Group):
    """Who may call."""

    required: bool = False
    """Ask for a token on loopback too. Elsewhere a token is always asked for."""
    tokens_file: Path | None = Field(default=None, examples=["/etc/shengdun/tokens.json"])
    """File of hashed tokens; none means `tokens.json` in the data directory."""


class LogSettings(Group):
    """What is logged. Never audio, voiceprints, words, or customer references."""

    level: Literal["debug", "info", "warning", "error"] = "info"
    """Least severe level that is written."""
    format: Literal["json", "console"] = "json"
    """`json` for machines, `console` for people."""


class Settings(Group):
    """All settings of a server."""

    data_dir: Path = Path("~/.local/share/shengdun")
    """Directory of the embedded store, the keys and the access tokens."""
    models_dir: Path | None = Field(default=None, examples=["/opt/shengdun/models"])
    """Directory of the models; none means `models` in the data directory."""
    server: ServerSettings = ServerSettings()
    """Where the server listens."""
    store: StoreSettings = StoreSettings()
    """Where watchlists are kept."""
    voice: VoiceSettings = VoiceSettings()
    """The voice model."""
    text: TextSettings = TextSettings()
    """Letters, chats and the words of calls."""
    retention: RetentionSettings = RetentionSettings()
    """What is erased by itself."""
    archive: ArchiveSettings = ArchiveSettings()
    """Finished calls."""
    hunts: HuntSettings = HuntSettings()
    """Searches of finished calls."""
    voices: VoicesSettings = VoicesSettings()
    """Voices that nobody has enrolled."""
    access: AccessSettings = AccessSettings()
    """Who may call."""
    log: LogSettings = LogSettings()
    """What is logged."""
    lines: dict[Slug, LineSettings] = Field(default_factory=dict)
    """Lines of business by name; `default` is always there."""

    @model_validator(mode="after")
    def _complete(self) -> "Settings":
        data_dir = self.data_dir.expanduser()
        resolved = {
            "data_dir": data_dir,
            "models_dir": (self.models_dir or data_dir / "models").expanduser(),
            "lines": {"default": LineSettings()} | self.lines,
        }
        for name, value in resolved.items():
            # The tree is frozen for everyone else; this is part of its construction.
            object.__setattr__(self, name, value)
        return self

    @property
    def models_directory(self) -> Path:
        """Directory of the models, resolved."""
        assert self.models_dir is not None
        return self.models_dir

    @property
    def keys_file(self) -> Path:
        """File of the master keys, resolved."""
        return (self.store.keys_file or self.data_dir / "keys.json").expanduser()

    @property
    def tokens_file(self) -> Path:
        """File of hashed access tokens, resolved."""
        return (self.access.tokens_file or self.data_dir / "tokens.json").expanduser()


def load_settings(
    *,
    file: Path | None = None,
    environment: Mapping[str, str] = os.environ,
    overrides: Mapping[str, Any] | None = None,
) -> Settings:
    """Load the settings from every source.

    Args:
        file: TOML file; none means ``SHENGDUN_CONFIG``, else ``shengdun.toml`` here or in ``/etc/shengdun`` if there.
        environment: variables; those that begin with ``SHENGDUN_`` are read.
        overrides: values from the command line by dotted key, for instance ``{"server.port": 0}``.

    Raises:
        SettingsInvalid: the file cannot be read or any value is wrong; every mistake is listed.
    """
    tree = _read(_find(file, environment))
    for key, value in (_from_environment(environment) | dict(overrides or {})).items():
        _put(tree, key.split("."), value)
    try:
        return Settings.model_validate(tree)
    except ValidationError as error:
        raise SettingsInvalid(_describe(error)) from None


def _find(file: Path | None, environment: Mapping[str, str]) -> Path | None:
    named = file or (Path(p) if (p := environment.get(ENVIRONMENT_PREFIX + "CONFIG")) else None)
    if named is not None:
        return named
    return next((place for place in _FILE_PLACES if place.is_file()), None)


def _read(file: Path | None) -> dict[str, Any]:
    if file is None:
        return {}
    try:
        return tomllib.loads(file.read_text(encoding="utf-8"))
    except OSError as error:
        raise SettingsInvalid(f"cannot read the settings file {file}: {error.strerror}") from None
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise SettingsInvalid(f"the settings file {file} is not valid TOML: {error}") from None


def _from_environment(environment: Mapping[str, str]) -> dict[str, Any]:
    names = (n for n in environment if n.startswith(ENVIRONMENT_PREFIX))
    keys = {n: n.removeprefix(ENVIRONMENT_PREFIX).lower().replace("__", ".") for n in names}
    known = {key: environment[name] for name, key in keys.items() if key != "config"}
    # Deployments set variables of their own (SHENGDUN_TOKEN, images' tags); only the tree's keys are taken.
    return {
        key: value for key, value in known.items() if key.split(".")[0] in Settings.model_fields
    }


def _put(tree: dict[str, Any], path: list[str], value: Any) -> None:  # noqa: ANN401 - any TOML value
    *parents, leaf = path
    for name in parents:
        if not isinstance(tree.setdefault(name, {}), dict):
            # What stands there is no table; validation will say so, and this value has no place to go.
            return
        tree = tree[name]
    tree[leaf] = value


def _describe(error: ValidationError) -> str:
    lines = [
        f"  {'.'.join(str(part) for part in item['loc']) or 'settings'}: "
        + ("unknown key" if item["type"] == "extra_forbidden" else item["msg"])
        for item in error.errors(include_url=False)
    ]
    return "the settings have mistakes; correct these keys:\n" + "\n".join(lines)
