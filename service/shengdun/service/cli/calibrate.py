"""``shengdun calibrate``."""

import os
import re
from pathlib import Path
from typing import Annotated, Final

import typer

from shengdun.fingerprint.voice.model_store import ModelStore
from shengdun.index.archive.rows import CallQuery
from shengdun.index.calibration import CalibrationProfile, ProfileMismatch, default_profile
from shengdun.index.drift import FEWEST_REFERENCE_CALLS, LOOK_S, reference_calls
from shengdun.index.fitting.gain import Gain, measure_gain
from shengdun.index.fitting.labelled import fit_labelled_profile
from shengdun.index.fitting.site import SiteFit, fit_site_profile
from shengdun.service.cli.actor import parse_expiry
from shengdun.service.cli.measuring import Cache, Jobs
from shengdun.service.cli.output import note, say
from shengdun.service.cli.places import Config, DataDir, settings_of
from shengdun.service.cli.site_calls import ArchivedCalls, CallSource, RecordedCalls, SiteCalls
from shengdun.service.errors import SettingsInvalid
from shengdun.service.profile_places import profile_keys, profile_library

app = typer.Typer()

_NAME: Final = re.compile(r"[a-z0-9][a-z0-9-]{0,62}")
_ALL: Final = ("never", "never", "", None)
_FIGURES: Final = (("eer", "EER %", 100.0), ("cllr", "Cllr", 1.0), ("min_cllr", "min Cllr", 1.0))


@app.command(
    name="calibrate",
    epilog="Exit code 1 when the calls are too few or too much alike: nothing is written then.",
)
def calibrate(
    calls: Annotated[
        Path | None,
        typer.Argument(
            metavar="CALLS", help="A folder of recorded calls, the callers' side, searched whole."
        ),
    ] = None,
    *,
    archive: Annotated[
        bool, typer.Option("--archive", help="Take the calls from this machine's call archive.")
    ] = False,
    since: Annotated[
        str, typer.Option(metavar="WHEN", help="Of the archive, only calls from then on.")
    ] = "never",
    until: Annotated[
        str, typer.Option(metavar="WHEN", help="Of the archive, only calls before.")
    ] = "never",
    line: Annotated[str, typer.Option(help="Of the archive, only calls of this line.")] = "",
    without: Annotated[
        Path | None,
        typer.Option(
            "--without",
            metavar="FILE",
            help="Of the archive, leave out these calls, one id a line: those of confirmed agents.",
        ),
    ] = None,
    name: Annotated[
        str, typer.Option("--name", metavar="NAME", help="Of the new profile.")
    ] = "site",
    labels: Annotated[
        Path | None,
        typer.Option(
            "--labels",
            metavar="CSV",
            help="Who calls, where that is known: columns path, relative to CALLS, or call_id, and speaker.",
        ),
    ] = None,
    output: Annotated[
        Path | None,
        typer.Option(
            "--output", metavar="FILE", help="Write the profile here; else into the library."
        ),
    ] = None,
    cache: Cache = None,
    jobs: Jobs = None,
    config: Config = None,
    data_dir: DataDir = None,
) -> None:
    """Make this site's calibration profile from its own calls; the callers needn't be known.

    The profile holds voiceprints of up to 1,500 of the callers, without names, by which levels are derived and drift is
    noticed; they are sealed with the master keys of the data directory, which the server needs to use the profile.
    """
    if not _NAME.fullmatch(name):
        raise SettingsInvalid(
            f"--name {name!r}: use 1 to 63 lower-case letters, digits and hyphens, not a hyphen first"
        )
    _require_one_source(calls, archive=archive, narrowed=(since, until, line, without) != _ALL)
    settings = settings_of(config, data_dir)
    if output is not None:
        _require_writable(output)
    keys = profile_keys(settings)
    keys.check()
    source: CallSource
    if calls is not None:
        limit_s = settings.server.recording_max_s
        source = RecordedCalls(calls, labels, limit_s=limit_s, cache=cache, jobs=jobs)
    else:
        query = CallQuery(since=parse_expiry(since), until=parse_expiry(until), line=line)
        source = ArchivedCalls(settings, labels, query, without)
    store = ModelStore(settings.models_directory)
    model = store.voice_model(settings.voice.model, precision=settings.voice.precision, tell=note)
    base = _base(model.model_id)
    site = source.calls(model, store)
    fit = _fit(base, model.model_id, site, name)
    for warning in fit.warnings:
        note(f"warning: {warning}")
    if output is not None:
        fit.profile.save(output, keys)
    else:
        profile_library(settings).keep(fit.profile)
    _report(fit)
    if base is not None:
        _report_gain(fit, measure_gain(fit, base))
    _say_what_next(fit, output)


def _require_one_source(calls: Path | None, *, archive: bool, narrowed: bool) -> None:
    if (calls is not None) == archive:
        raise typer.BadParameter("give a folder of recorded calls, or --archive")
    if narrowed and not archive:
        raise typer.BadParameter("--since, --until, --line and --without go with --archive")


def _fit(base: CalibrationProfile | None, model_id: str, site: SiteCalls, name: str) -> SiteFit:
    if base is None:
        return fit_labelled_profile(model_id, site.calls, name=name, provenance=site.source)
    return fit_site_profile(base, site.calls, name=name, provenance=site.source)


def _require_writable(output: Path) -> None:
    """Before hours of calls are heard, and not after."""
    folder = output.absolute().parent
    if output.is_dir() or not folder.is_dir() or not os.access(folder, os.W_OK | os.X_OK):
        raise SettingsInvalid(f"--output {output}: give a file in a folder that you may write to")


def _base(model_id: str) -> CalibrationProfile | None:
    """The profile that ships for a model; None when a site's has to stand alone."""
    try:
        return default_profile(model_id)
    except ProfileMismatch:
        return None


def _report(fit: SiteFit) -> None:
    strangers = fit.profile.strangers
    assert strangers is not None
    say(f"{fit.profile.provenance} They are by about {fit.voices.count:.0f} voices.")
    if fit.labelled_voices:
        say(f"The map to likelihood ratios rests on labels of {fit.labelled_voices} voices.")
    say(
        f"{strangers.call_count} calls are kept to derive levels by. They can show false flags down to about "
        f"{10_000 / (2 * strangers.call_count):.0f} in 10,000 calls."
    )
    looked_at = reference_calls(strangers)
    if looked_at < FEWEST_REFERENCE_CALLS:
        say(
            f"Score drift will not be watched: {looked_at} of them have about {LOOK_S:g} s of speech, and it takes "
            f"{FEWEST_REFERENCE_CALLS}."
        )


def _report_gain(fit: SiteFit, gain: Gain | None) -> None:
    if gain is None:
        say("What it gains can't be said: too few calls have 6 s of speech.")
        return
    halves = "halves of calls (which flatters both, and bold likelihood ratios most)"
    compared = "labelled calls" if gain.labelled else halves
    say(
        f"Compared with {fit.profile.based_on} on {compared}, by profiles made without them "
        f"({gain.targets} pairs of one voice, {gain.others} of two):"
    )
    for key, title, factor in _FIGURES:
        base, site, change = (figures[key] for figures in (gain.base, gain.site, gain.change))
        say(
            f"  {title:9} {base.value * factor:6.3f} -> {site.value * factor:6.3f}   "
            f"change {change.value * factor:+.3f} [{change.low * factor:+.3f}, {change.high * factor:+.3f}]"
        )
    say(_verdict(gain))


def _verdict(gain: Gain) -> str:
    if gain.is_loss:
        return "This is a LOSS, surely. Don't activate it before you have found out why: are these the callers' sides?"
    if gain.is_sure:
        return "This is a gain, surely (95 %)."
    return "Whether this is a gain isn't sure. More calls, or labels, would show it."


def _say_what_next(fit: SiteFit, output: Path | None) -> None:
    profile_id = fit.profile.profile_id
    if output is not None:
        say(f"{profile_id} is written to {output}. Put it into use with:")
        say(f"  shengdun profile install {output}")
    else:
        say(f"{profile_id} is in the library. Put it into use with:")
    say(f"  shengdun profile shadow {profile_id}      # beside the one in use, or")
    say(f"  shengdun profile activate {profile_id} --reason '...'")
