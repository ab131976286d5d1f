"""The voice model of the demo: the one of the settings, another that is installed, or one that is converted first.

A model that has no calibration profile gets one on the spot, from the recordings of the meeting that people are
enrolled from. That is circular: those who are then recognised are those it was fitted on. It makes every step of the
demo run with any model, and says nothing about how well the model recognises people; ``shengdun calibrate`` is for
that.
"""

import shutil
from collections import defaultdict
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

import numpy as np
from numpy.typing import NDArray

from shengdun.fingerprint.voice import converted, ecapa, ecapa_export
from shengdun.fingerprint.voice.activity import VoiceActivity
from shengdun.fingerprint.voice.demo_recordings import DemoRecording
from shengdun.fingerprint.voice.errors import ModelAltered, ModelMissing
from shengdun.fingerprint.voice.listener import RecordingListener
from shengdun.fingerprint.voice.model_store import ModelStore
from shengdun.fingerprint.voice.models import VoiceModel
from shengdun.fingerprint.voice.recordings import decode_recording
from shengdun.fingerprint.voice.samples import MODEL_RATE_HZ
from shengdun.fingerprint.voice.wheels import sha256_of
from shengdun.index.accuracy.measures import trust_limits
from shengdun.index.calibration import (
    CalibrationProfile,
    LlrCoefficients,
    ProfileMismatch,
    default_profile,
)
from shengdun.index.scoring import unit_rows
from shengdun.service.demo.cast import Cast
from shengdun.service.errors import DemoFailed
from shengdun.service.settings import VoiceSettings

MODELS: Final = "demo-models"
"""Directory of converted models within the demo's own."""
_NARROWEST: Final = 1.05
_RECORDINGS_EACH: Final = 3
_WINDOWS_EACH: Final = 3
_HEARD_S: Final = 20
_LEAST_SLOPE: Final = 0.1
_PROFILE: Final = "demo-on-the-spot"

Rows = NDArray[np.float32]
Floats = NDArray[np.float64]


@dataclass(frozen=True, slots=True, kw_only=True)
class DemoVoice:
    """What the demo's server runs with.

    Attributes:
        models: directory of its models.
        settings: its voice model and calibration profile.
        fitted: whether the profile was fitted on the demo's own recordings, so that its figures say nothing.
    """

    models: Path
    settings: VoiceSettings
    fitted: bool = False


def installed_model(
    given: str, *, directory: Path, models: Path, say: Callable[[str], None]
) -> DemoVoice:
    """The model of a name, or one that is converted from a directory in the hub's layout; takes a minute once.

    Args:
        given: the name of an installed voice model, or a directory of SpeechBrain's.
        directory: the demo's own; a converted model is kept in ``demo-models`` there.
        models: where everything else is installed.
        say: told what is being done.

    Raises:
        ConversionFailed: the extra is missing, or the directory holds no model that can be converted.
    """
    source = Path(given)
    if not source.is_dir():
        return DemoVoice(models=models, settings=VoiceSettings(model=given))
    own = directory / MODELS
    own.mkdir(parents=True, exist_ok=True)
    for artefact in ModelStore(models).catalogue():
        link = own / artefact.name
        link.unlink(missing_ok=True)
        link.symlink_to((models / artefact.name).absolute(), target_is_directory=True)
    if not _is_of(own, source):
        _convert(ModelStore(own), source, say)
    return DemoVoice(models=own, settings=VoiceSettings(model=ecapa.NAME))


def with_profile(voice: DemoVoice, cast: Cast, directory: Path) -> DemoVoice:
    """The same with a calibration profile: a stated one, the one that ships with the model, or one fitted here.

    Args:
        voice: the model.
        cast: who is enrolled, from which meeting.
        directory: where a profile that is fitted here is written.

    Raises:
        DemoFailed: the recordings give too few comparisons to fit anything.
    """
    if voice.settings.calibration_profile is not None:
        return voice
    store = ModelStore(voice.models)
    model = store.voice_model(voice.settings.model)
    with suppress(ProfileMismatch):
        default_profile(model.model_id)
        return voice
    path = directory / f"{_PROFILE}.npz"
    recordings = [one for who in cast.enrolled for one in who.recordings]
    profile_for(model, recordings, store.voice_activity()).save(path)
    settings = VoiceSettings(model=voice.settings.model, calibration_profile=path)
    return DemoVoice(models=voice.models, settings=settings, fitted=True)


def profile_for(
    model: VoiceModel, recordings: Sequence[DemoRecording], activity: VoiceActivity
) -> CalibrationProfile:
    """A profile of a model from a few recordings of a few people: a centre, and a line from cosine to LLR.

    Cosines of windows of one person and of different people are taken as two normal distributions of one variance,
    whose log likelihood ratio is a line.

    Args:
        model: the voice model.
        recordings: of several people, several of each.
        activity: finds speech.

    Raises:
        DemoFailed: they give too few comparisons to fit anything.
    """
    rows, speakers = _heard(model, recordings, activity)
    centre = np.stack(
        [rows[speakers == one].astype(np.float64).mean(axis=0) for one in np.unique(speakers)]
    ).mean(axis=0)
    unit = unit_rows(rows - centre).astype(np.float64)
    first, second = np.triu_indices(len(unit), k=1)
    cosines = np.einsum("nd,nd->n", unit[first], unit[second])
    same = speakers[first] == speakers[second]
    targets, others = cosines[same], cosines[~same]
    if min(len(targets), len(others)) < 2:
        raise DemoFailed(
            f"the recordings give {len(targets)} comparisons of one voice and {len(others)} of two, too few to fit a "
            "profile from"
        )
    return CalibrationProfile(
        name=_PROFILE,
        model_id=model.model_id,
        created_at=datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ"),
        provenance=f"{len(rows)} windows of {len(np.unique(speakers))} speakers of the demo itself; circular",
        mean=centre.astype(np.float32),
        whitening=None,
        cohort=None,
        cohort_nearest=0,
        coefficients=_line(targets, others),
    )


def _line(targets: Floats, others: Floats) -> LlrCoefficients:
    variance = (targets.var() * len(targets) + others.var() * len(others)) / (
        len(targets) + len(others)
    )
    # A model that tells nobody apart still needs a slope that grows; it then says next to nothing.
    slope = max((targets.mean() - others.mean()) / max(variance, 1e-6), _LEAST_SLOPE)
    offset = -slope * (targets.mean() + others.mean()) / 2.0
    floor, cap = trust_limits(offset + slope * targets, offset + slope * others)
    # A handful of comparisons, or a network of random weights, can vouch for no LLR at all; the demo goes on with the
    # narrowest range that a profile may have.
    floor, cap = min(floor, -_NARROWEST), max(cap, _NARROWEST)
    return LlrCoefficients(
        offset=float(offset),
        offset_brevity=0.0,
        slope=float(slope),
        slope_brevity=0.0,
        shortest_net_speech_s=1.0,
        longest_net_speech_s=60.0,
        floor=floor,
        cap=cap,
    )


def _heard(
    model: VoiceModel, recordings: Sequence[DemoRecording], activity: VoiceActivity
) -> tuple[Rows, NDArray[np.str_]]:
    """Voiceprints of windows, each with its speaker."""
    taken: dict[str, int] = defaultdict(int)
    rows, speakers = [], []
    for one in recordings:
        if taken[one.speaker] == _RECORDINGS_EACH:
            continue
        taken[one.speaker] += 1
        listener = RecordingListener(activity=activity, window_s=model.window_s)
        listener.push(decode_recording(one.read()).samples[: _HEARD_S * MODEL_RATE_HZ])
        listener.finish()
        for window in listener.windows[:_WINDOWS_EACH]:
            rows.append(model.embed([window.samples])[0])
            speakers.append(one.speaker)
    if not rows:
        raise DemoFailed("nothing was heard in the recordings that a profile was to be fitted from")
    return np.stack(rows), np.array(speakers)


def _is_of(own: Path, source: Path) -> bool:
    """Whether the model that is there was converted from the files of this directory as they are."""
    try:
        record = converted.read(own, ecapa.NAME)
        converted.read_graph(own, record)
    except (ModelAltered, ModelMissing):
        return False
    files = {name: source / name for name in record.sources}
    return all(path.is_file() for path in files.values()) and record.sources == {
        name: sha256_of(path) for name, path in files.items()
    }


def _convert(store: ModelStore, source: Path, say: Callable[[str], None]) -> None:
    ecapa_export.require_packages()
    say(f"converting {source}; this takes a minute, once")
    shutil.rmtree(store.directory / ecapa.NAME, ignore_errors=True)
    speech = ecapa_export.parity_speech(store.demo_recordings())
    done = ecapa_export.convert(str(source), name=ecapa.NAME, speech=speech)
    store.keep_converted(done.record, done.graph)
