"""The settings: one typed tree, loaded in one place.

Later sources win: defaults, the TOML file, the environment, the command line. In the environment a key
is written ``SHENGDUN_SERVER__PORT`` for ``server.port``. Unknown keys are refused, and all mistakes are reported at
once.
"""

import os
import tomllib
from collections.abc import Mapping
from datetime import timedelta
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import (
    BaseModel,
    ConfigDict,
    Field,
    SecretStr,
    ValidationError,
    model_validator,
)

from shengdun.service.errors import SettingsInvalid

FILE_NAME = "shengdun.toml"
ENVIRONMENT_PREFIX = "SHENGDUN_"
_FILE_PLACES = (Path(FILE_NAME), Path("/etc/shengdun") / FILE_NAME)

Probability = Annotated[float, Field(gt=0, lt=1)]
FalseFlags = Annotated[float, Field(ge=1e-4, le=1000)]
"""Of 10,000 calls; the least is one in a hundred million calls, which no site can show."""
Slug = Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9-]{0,62}$")]


class _Settings(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, use_attribute_docstrings=True)


class TlsSettings(_Settings):
    """Certificates of the server, PEM files."""

    certificate: Path = Field(examples=["/etc/shengdun/server.pem"])
    """The server's certificate chain."""
    key: Path = Field(examples=["/etc/shengdun/server.key"])
    """Its private key."""
    client_ca: Path | None = Field(default=None, examples=["/etc/shengdun/clients-ca.pem"])
    """When set, clients must show a certificate signed by this authority (mTLS)."""


class ServerSettings(_Settings):
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


class StoreSettings(_Settings):
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


class VoiceSettings(_Settings):
    """The voice model and its calibration."""

    model: str = "campplus-zh-en"
    """Name of an installed voice model."""
    calibration_profile: Path | None = Field(default=None, examples=["/etc/shengdun/our-site.npz"])
    """A calibration profile of this model, which wins over the profile library; none means the one that is active in
    the library, or else the one that ships with the model."""
    shadow_models: tuple[str, ...] = Field(default=(), examples=[("ecapa-voxceleb",)])
    """Names of further installed voice models that are tried out beside it: enrolments store their voiceprints too, and
    those with an active calibration profile say in every decision what they would have said."""
    prompts: Path | None = Field(default=None, examples=["/etc/shengdun/prompts"])
    """Directory of recordings that the house itself plays into calls, announcements and hold messages, and of nothing
    else: speech of a call that is one of them is left out. None means that there are none on the caller's leg."""
    precision: Literal["auto", "float32", "bfloat16"] = "auto"
    """What voiceprints of full windows are computed in. `bfloat16` takes a third of the time and more memory; `auto` is
    that where the processor has a matrix unit for it (AMX)."""
    workers: Annotated[int, Field(ge=1)] | None = Field(default=None, examples=[2])
    """Voiceprints computed at once, by all workers, at most one for each core; none means as many."""


class TextSettings(_Settings):
    """Letters, chats and the words of calls."""

    label_packs: tuple[Path, ...] = Field(default=(), examples=[("/etc/shengdun/bank-words.yaml",)])
    """Files of the site's own label packs, loaded in this order after those that ship with Shengdun."""
    common: tuple[Path, ...] = Field(default=(), examples=[("/etc/shengdun/disclosures.txt",)])
    """Files of what the institution itself reads out, prints or sends. Its wording makes no campaign."""
    campaign_texts: Annotated[int, Field(ge=0, le=1_000_000)] = 20_000
    """Screened texts that are remembered, in memory only, to tell wording that different customers share; some 3 to
    4 kB each, in every worker. 0 remembers none."""
    campaign_days: Annotated[float, Field(gt=0, le=3650)] = 60.0
    """Days for which they are remembered at most."""
    trend_days: Annotated[int, Field(ge=0, le=400)] = 35
    """Days of which the phrases of these texts are counted, to tell what customers have begun to say; in memory, at
    most 2 MB a day and line, and 40 MB a line for the day that goes on. 0 counts none."""


class RetentionSettings(_Settings):
    """How long is kept what is not used any more."""

    expired_days: Annotated[int, Field(ge=0, le=3650)] | Literal["never"] = 30
    """Actors and scripts are erased so many days after they have expired; until then they can be looked at and renewed.
    With "never" they stay."""


class ArchiveSettings(_Settings):
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


class AccessSettings(_Settings):
    """Who may call."""

    required: bool = False
    """Ask for a token on loopback too. Elsewhere a token is always asked for."""
    tokens_file: Path | None = Field(default=None, examples=["/etc/shengdun/tokens.json"])
    """File of hashed tokens; none means `tokens.json` in the data directory."""


class LogSettings(_Settings):
    """What is logged. Never audio, voiceprints, words, or customer references."""

    level: Literal["debug", "info", "warning", "error"] = "info"
    """Least severe level that is written."""
    format: Literal["json", "console"] = "json"
    """`json` for machines, `console` for people."""


class LevelSettings(_Settings):
    """Probabilities at which a level begins, where nothing better is known."""

    medium: Probability = 0.5
    """Least probability of MEDIUM."""
    high: Probability = 0.95
    """Least probability of HIGH."""

    @model_validator(mode="after")
    def _ordered(self) -> "LevelSettings":
        if self.medium >= self.high:
            raise ValueError("medium must be below high")
        return self


class CostSettings(_Settings):
    """What mistakes cost, in any unit; only their ratio counts."""

    false_flag: Annotated[float, Field(gt=0)] = Field(examples=[1.0])
    """Cost of flagging a caller who is on no watchlist."""
    missed_agent: Annotated[float, Field(gt=0)] = Field(examples=[2.0])
    """Cost of not flagging a caller who is; within a factor of a million of the other."""

    @model_validator(mode="after")
    def _comparable(self) -> "CostSettings":
        if not 1e-6 <= self.false_flag / self.missed_agent <= 1e6:
            raise ValueError("false_flag and missed_agent must be within a factor of a million")
        return self

    @property
    def bayes_level(self) -> float:
        """The least posterior at which flagging costs less than not flagging, 0 to 1 (Bayes' decision rule)."""
        return self.false_flag / (self.false_flag + self.missed_agent)


class ActionSettings(_Settings):
    """What is recommended at each level, in the words of the telephony system."""

    undecided: str = "continue"
    """While there is not enough speech."""
    low: str = "continue"
    """At LOW."""
    medium: str = "review_after_call"
    """At MEDIUM."""
    high: str = "route_to_specialist"
    """At HIGH."""
    advisory: str | None = Field(default=None, examples=["log_only"])
    """At MEDIUM and HIGH of a decision that is advisory only; none means the action of the level."""


class ScriptSettings(_Settings):
    """What it counts for that a caller's words are those of a known script."""

    llr_cap: Annotated[float, Field(ge=0, le=20)] = 6.0
    """The greatest natural-log likelihood ratio that counts, of words against none: at 6 they multiply odds by 400 at
    most. At 0 words are told and count for nothing."""
    prior: Probability = 0.01
    """Share of this line's calls by people on no watchlist that follow a known script, before anything is heard: many
    who were coached are genuine customers."""
    of_agents: Probability = 0.5
    """The same share of calls by people on its watchlists; at least `prior`. How much of the words' evidence speaks for
    such a caller, and not for a coached one, follows from the two."""
    highest_level: Literal["low", "medium", "high"] = "medium"
    """The highest level that words reach by themselves. At `medium` nothing happens to a caller whose voice is unknown
    but that a person looks."""

    @model_validator(mode="after")
    def _ordered(self) -> "ScriptSettings":
        if self.of_agents < self.prior:
            raise ValueError("of_agents must be at least prior")
        return self


class HandoverSettings(_Settings):
    """Whether it is watched for another voice that takes over in a call, and what that counts for."""

    watch: Literal["off", "whole_call"] | Annotated[float, Field(gt=0, le=240)] = "off"
    """Minutes of a call's audio that are watched, or `whole_call`. While they last the voice goes on being heard, also
    when the decision is settled; `off` watches nothing."""
    prior: Probability = 0.02
    """Share of this line's calls by people on no watchlist in which another voice takes over: couples hand each other
    the telephone, and children fetch a parent."""
    of_agents: Probability = 0.02
    """The same share of calls by people on its watchlists; at least `prior`. While the two are equal, a handover by
    itself says nothing of who calls; it is what the voices are that counts."""
    llr_cap: Annotated[float, Field(ge=0, le=5)] = 5.0
    """The greatest natural-log likelihood ratio of a handover that counts."""
    flag_at: Probability = 0.5
    """Probability of a handover from which it is told, and both voices are screened separately."""
    highest_level: Literal["low", "medium", "high"] = "low"
    """The highest level that a handover reaches by itself, whoever the voices are. At `low` it is only told."""

    @model_validator(mode="after")
    def _ordered(self) -> "HandoverSettings":
        if self.of_agents < self.prior:
            raise ValueError("of_agents must be at least prior")
        return self

    @property
    def is_on(self) -> bool:
        """Whether any of a call is watched."""
        return self.watch != "off"

    def covers(self, position_s: float) -> bool:
        """Whether a position in a call's audio, in seconds, is watched."""
        if isinstance(self.watch, str):
            return self.is_on
        return position_s < 60.0 * self.watch


class LineSettings(_Settings):
    """The policy of a line of business."""

    watchlists: tuple[Slug, ...] = ()
    """Watchlists to screen; none means every watchlist there is."""
    prior: Probability = 0.03
    """Share of this line's calls that come from someone on its watchlists, before anything is heard. It bounds how many
    genuine callers can be flagged: raise it only on a line where listed agents really call that often."""
    false_flags_per_10000_calls: FalseFlags | None = Field(default=None, examples=[10])
    """The promise: of 10,000 calls by people on none of the watchlists, how many may reach MEDIUM at any time. Levels
    are then derived from the calls of the site's calibration profile and the watchlists as they are. Until that is
    done, and without such a profile, the fixed `levels` apply and decisions are advisory. None means no promise."""
    false_flags_at_high_per_10000_calls: FalseFlags | None = Field(default=None, examples=[1])
    """How many of these may reach HIGH; none means a tenth of the promise."""
    costs: CostSettings | None = None
    """What mistakes cost: MEDIUM begins where flagging costs less than not flagging, HIGH at ten times those odds.
    Beside a promise the stricter of the two wins."""
    levels: LevelSettings = LevelSettings()
    """Probabilities at which a level begins, without a promise and costs. May not be set beside either."""
    actions: ActionSettings = ActionSettings()
    """What is recommended at each level."""
    budget_ms: Annotated[int, Field(ge=10, le=60_000)] = 300
    """Time from the chunk that completes a window to its decision."""
    final_after_s: Annotated[float, Field(ge=3)] = 21.0
    """Net speech after which the decision is final, in seconds."""
    final_high: Probability = 0.995
    """A probability at or above this makes the decision final early, from the second window on."""
    final_low: Probability = 0.0005
    """A probability at or below this makes the decision final early, from the third window on."""
    scripts: ScriptSettings = ScriptSettings()
    """What words count for, in calls with a transcript."""
    archive_days: Annotated[int, Field(ge=1, le=3650)] | None = Field(default=None, examples=[30])
    """Days for which finished calls of this line are kept; none means `days` of `[archive]`."""
    handover: HandoverSettings = HandoverSettings()
    """Whether it is watched for another voice that takes over, and what that counts for."""

    @model_validator(mode="after")
    def _agreeing(self) -> "LineSettings":
        promise, at_high = (
            self.false_flags_per_10000_calls,
            self.false_flags_at_high_per_10000_calls,
        )
        if at_high is not None and (promise is None or at_high >= promise):
            raise ValueError(
                "false_flags_at_high_per_10000_calls must be below false_flags_per_10000_calls, and needs it"
            )
        if self.levels != LevelSettings() and (promise is not None or self.costs is not None):
            raise ValueError(
                "levels are derived from false_flags_per_10000_calls and costs; take out either these or levels"
            )
        return self

    @property
    def high_share(self) -> float:
        """The share of the false flags at MEDIUM that may reach HIGH, above 0 and below 1."""
        promise, at_high = (
            self.false_flags_per_10000_calls,
            self.false_flags_at_high_per_10000_calls,
        )
        return 0.1 if promise is None or at_high is None else at_high / promise

    @property
    def budget(self) -> timedelta:
        """The budget as a duration."""
        return timedelta(milliseconds=self.budget_ms)


class Settings(_Settings):
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
