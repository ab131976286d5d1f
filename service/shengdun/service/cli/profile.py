"""``shengdun profile``."""

import getpass
from collections.abc import Collection
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import typer

from shengdun.fingerprint.voice.catalogue import find_artefact
from shengdun.fingerprint.voice.errors import ModelError
from shengdun.fingerprint.voice.model_store import ModelStore
from shengdun.index import calibration
from shengdun.index.calibration import CalibrationProfile, ProfileMismatch
from shengdun.index.profile_comparison import COSINES, ProfileComparison, compare, facts_of
from shengdun.index.profile_history import SHIPPED, ProfileHistory
from shengdun.index.profile_library import ProfileLibrary
from shengdun.service.cli.output import note, say, say_json, table
from shengdun.service.cli.places import Config, DataDir, settings_of
from shengdun.service.profile_places import profile_keys, profile_library
from shengdun.service.settings import Settings

app = typer.Typer()

Id = Annotated[str, typer.Argument(metavar="ID", help="A profile's id, as listed.")]
By = Annotated[
    str | None, typer.Option("--by", metavar="NAME", help="Who decided it; else who is logged in.")
]
Reason = Annotated[str, typer.Option("--reason", metavar="TEXT", help="Why; kept in the history.")]
Json = Annotated[bool, typer.Option("--json", help="Write JSON, one value a line.")]


@dataclass(frozen=True, slots=True, kw_only=True)
class _Place:
    """The library that the settings lead to, and the voice models beside it."""

    settings: Settings
    library: ProfileLibrary
    models: tuple[str, ...]

    @property
    def model_id(self) -> str | None:
        """The id of the voice model that a server of these settings decides with; None if it is not installed."""
        prefix = f"{self.settings.voice.model}@"
        return next((each for each in self.models if each.startswith(prefix)), None)

    def profile(self, given: str) -> CalibrationProfile:
        """A profile by its id, installed or shipped, or by its file."""
        if given.endswith(".npz"):
            return calibration.load(Path(given), profile_keys(self.settings))
        return self.library.shipped(given, self.models) or self.library.get(given)


def _place(config: Path | None, data_dir: Path | None) -> _Place:
    settings = settings_of(config, data_dir)
    return _Place(
        settings=settings,
        library=profile_library(settings),
        models=_installed(ModelStore(settings.models_directory)),
    )


def _installed(store: ModelStore) -> tuple[str, ...]:
    """The ids of the installed voice models, the default one first."""
    models = [status.record.model_id for status in store.converted() if status.record]
    default = find_artefact(store.default_voice_model)
    with suppress(ModelError):
        store.verify(default.name)
        models.insert(0, f"{default.name}@{default.sha256[:12]}")
    return tuple(models)


@app.command("list")
def list_(config: Config = None, data_dir: DataDir = None, json: Json = False) -> None:
    """List the calibration profiles and what each is used for."""
    place = _place(config, data_dir)
    history = place.library.history()
    rows = [_entry(each, history) for each in _profiles(place)]
    problems = [each for each in place.library.profiles() if each.profile is None]
    if json:
        for row in rows:
            say_json(row)
        for each in problems:
            say_json({"profile_id": each.profile_id, "problem": each.problem})
        return
    headers = ("PROFILE", "USE", "MODEL", "SITE", "CREATED")
    say(table(headers, [[row[name.lower()] for name in headers] for row in rows]))
    for each in problems:
        note(f"warning: {each.profile_id}: {each.problem}")
    if not place.models:
        note("no voice model is installed, so that none can be used: shengdun models install")
    _note_pinned(place)


def _profiles(place: _Place) -> list[CalibrationProfile]:
    """Those of the library, and those that ship for the installed models."""
    found = {each.profile_id: each.profile for each in place.library.profiles() if each.profile}
    for model_id in place.models:
        try:
            shipped = calibration.default_profile(model_id)
        except ProfileMismatch:
            continue
        found[shipped.profile_id] = shipped
    return [found[profile_id] for profile_id in sorted(found)]


def _entry(profile: CalibrationProfile, history: ProfileHistory) -> dict[str, str]:
    return {
        "profile": profile.profile_id,
        "use": _use(profile, history),
        "model": profile.model_id,
        "site": "yes" if profile.is_site else "no",
        "created": profile.created_at,
    }


def _use(profile: CalibrationProfile, history: ProfileHistory) -> str:
    used = history.of(profile.model_id)
    if profile.profile_id in used.shadow:
        return "shadow"
    active = used.active
    if active == SHIPPED:
        active = _shipped_id(profile.model_id)
    return "active" if profile.profile_id == active else "-"


def _shipped_id(model_id: str) -> str:
    try:
        return calibration.default_profile(model_id).profile_id
    except ProfileMismatch:
        return ""


@app.command()
def show(
    profile_id: Id, config: Config = None, data_dir: DataDir = None, json: Json = False
) -> None:
    """Show what a profile consists of and when it was used."""
    place = _place(config, data_dir)
    profile, history = place.profile(profile_id), place.library.history()
    shipped = _shipped_id(profile.model_id)
    used = [
        each
        for each in history.of(profile.model_id).history
        if (shipped if each.profile_id == SHIPPED else each.profile_id) == profile.profile_id
    ]
    if json:
        facts = {"profile": profile.profile_id, "use": _use(profile, history)} | facts_of(profile)
        say_json(facts | {"history": used})
        return
    rows = [("profile", profile.profile_id), ("use", _use(profile, history))]
    say(table(("FIELD", "VALUE"), [*rows, *facts_of(profile).items()]))
    for each in used:
        how = "rolled back to" if each.rolled_back else "activated"
        why = f": {each.reason}" if each.reason else ""
        say(f"{how} {each.at:%Y-%m-%d %H:%M}Z by {each.by}{why}")


@app.command()
def install(
    file: Annotated[
        Path, typer.Argument(metavar="FILE", help="A calibration profile, as it was written.")
    ],
    config: Config = None,
    data_dir: DataDir = None,
) -> None:
    """Take a profile into the library; nothing uses it until it is activated or put in shadow."""
    place = _place(config, data_dir)
    profile = place.library.install(file)
    say(f"installed {profile.profile_id} for {profile.model_id}")
    if profile.is_site and calibration.needs_sealing(file, profile_keys(place.settings)):
        note(
            f"warning: {file} holds voiceprints of callers that are not sealed under the master key in use, as the "
            f"library's copy is; delete it"
        )
    if profile.model_id not in place.models:
        note(f"{profile.model_id} is not installed on this machine, so nothing can use it as yet")


@app.command()
def activate(
    profile_id: Id,
    by: By = None,
    reason: Reason = "",
    config: Config = None,
    data_dir: DataDir = None,
) -> None:
    """Have a profile decide from now on; a running server follows within seconds."""
    place = _place(config, data_dir)
    profile = place.library.activate(
        profile_id, by=by or getpass.getuser(), reason=reason, installed_models=place.models
    )
    _say_active(place, profile)


@app.command("roll-back")
def roll_back(
    by: By = None,
    reason: Reason = "",
    model: Annotated[
        str | None,
        typer.Option("--model", metavar="NAME", help="Of which voice model; else that in use."),
    ] = None,
    config: Config = None,
    data_dir: DataDir = None,
) -> None:
    """Have the profile decide again that did before; once more goes one further back."""
    place = _place(config, data_dir)
    model_id = _model_of(model or place.settings.voice.model, place.models)
    profile = place.library.roll_back(model_id, by=by or getpass.getuser(), reason=reason)
    _say_active(place, profile)


@app.command()
def shadow(
    profile_id: Id,
    off: Annotated[bool, typer.Option("--off", help="Take it out of shadow.")] = False,
    config: Config = None,
    data_dir: DataDir = None,
) -> None:
    """Run a profile beside the active one: what it would have decided is recorded, and decides nothing."""
    place = _place(config, data_dir)
    model_id = place.library.set_shadow(profile_id, on=not off, installed_models=place.models)
    what = (
        "is out of shadow" if off else "runs in shadow; it takes as much memory as the active one"
    )
    say(f"{profile_id} {what}")
    _note_other_model(place, model_id)


@app.command()
def remove(profile_id: Id, config: Config = None, data_dir: DataDir = None) -> None:
    """Delete a profile from the library; what it decided can't be scored again without it."""
    place = _place(config, data_dir)
    place.library.remove(profile_id)
    say(f"removed {profile_id}")


@app.command("compare")
def compare_(
    one: Annotated[str, typer.Argument(metavar="A", help="A profile's id, or its file.")],
    other: Annotated[str, typer.Argument(metavar="B", help="Another one's.")],
    config: Config = None,
    data_dir: DataDir = None,
    json: Json = False,
) -> None:
    """Set two profiles side by side: what they are made from, and what each makes of a cosine."""
    place = _place(config, data_dir)
    a, b = place.profile(one), place.profile(other)
    compared = compare(a, b)
    if json:
        say_json(_plain(a, b, compared))
        return
    if a.profile_id == b.profile_id:
        say(f"both are {a.profile_id}")
        return
    facts = dict(compared.facts)
    # Sentences, which no column is wide enough for.
    provenance = facts.pop("provenance", None)
    rows = [(name, *values) for name, values in facts.items()]
    say(table(("DIFFERENCE", a.profile_id, b.profile_id), rows))
    for each, of in zip((a, b), provenance or (), strict=False):
        say(f"\n{each.profile_id} is made from: {of}")
    _say_centres(compared)
    _say_llrs(a, b, compared)
    say(
        "\naccuracy takes recordings: shengdun evaluate CORPUS --output DIR --profile FILE, for each"
    )


def _say_centres(compared: ProfileComparison) -> None:
    centres = compared.centres
    if centres is None:
        say("\nthey are for different voice models, so that neither centres nor cosines compare")
        return
    angle = "" if centres.angle_deg is None else f" at {centres.angle_deg:.1f} degrees"
    say(f"\nthe centres lie {centres.distance:.4f} apart{angle}; a voiceprint has length 1")


def _say_llrs(a: CalibrationProfile, b: CalibrationProfile, compared: ProfileComparison) -> None:
    say("\nLLR of a cosine, each as its own profile projects the voiceprints:")
    headers = ("COSINE", *(f"{cosine:.1f}" for cosine in COSINES))
    rows = []
    for at in compared.llrs:
        speech = f"{at.net_speech_s:g} s of call, {at.template_net_speech_s:g} s enrolled"
        for profile, llrs in ((a, at.llrs_a), (b, at.llrs_b)):
            cells = (f"{llr:+.1f}" for llr in llrs.tolist())
            rows.append((f"{profile.profile_id}, {speech}", *cells))
    say(table(headers, rows))


def _plain(
    a: CalibrationProfile, b: CalibrationProfile, compared: ProfileComparison
) -> dict[str, object]:
    return {
        "profiles": [a.profile_id, b.profile_id],
        "differences": {name: list(values) for name, values in compared.facts.items()},
        "centres": compared.centres,
        "cosines": COSINES,
        "llrs": [
            {
                "net_speech_s": at.net_speech_s,
                "template_net_speech_s": at.template_net_speech_s,
                "llrs": [at.llrs_a.tolist(), at.llrs_b.tolist()],
            }
            for at in compared.llrs
        ],
    }


def _say_active(place: _Place, profile: CalibrationProfile) -> None:
    say(f"{profile.profile_id} is active for {profile.model_id}; a running server follows")
    _note_pinned(place)
    _note_other_model(place, profile.model_id)


def _note_pinned(place: _Place) -> None:
    pinned = place.settings.voice.calibration_profile
    if pinned is not None:
        note(
            f"warning: voice.calibration_profile names {pinned}, which wins over what is active here; take it out of "
            f"the settings and restart the server to have it follow"
        )


def _note_other_model(place: _Place, model_id: str) -> None:
    if model_id != place.model_id:
        note(
            f"the server of these settings decides with {place.settings.voice.model}, not with {model_id}"
        )


def _model_of(name: str, installed: Collection[str]) -> str:
    for model_id in installed:
        if name in (model_id, model_id.partition("@")[0]):
            return model_id
    raise typer.BadParameter(
        f"voice model {name} is not installed; installed are {', '.join(installed) or 'none'}"
    )
