"""The voice path of a server: its models, checked and self-tested, and the calibration profiles that go with them."""

from dataclasses import dataclass

import numpy as np
import structlog

from shengdun.fingerprint.voice.activity import FRAME_SAMPLES, VoiceActivity
from shengdun.fingerprint.voice.model_store import ModelStore, Progress
from shengdun.fingerprint.voice.models import VoiceModel
from shengdun.fingerprint.voice.samples import MODEL_RATE_HZ
from shengdun.fingerprint.voice.speakers import SpeakerCount
from shengdun.index.memory import return_memory
from shengdun.index.prompts import HousePrompts, least_llr
from shengdun.index.scoring import Scorer
from shengdun.service.costs import Stopwatch
from shengdun.service.model_loading import ModelLoading, load_voice_models
from shengdun.service.profile_following import ChosenProfiles, ProfileSource
from shengdun.service.profile_places import profile_keys, profile_library
from shengdun.service.prompts import read_prompts
from shengdun.service.settings import Settings

_log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class Voice:
    """The voice path.

    Attributes:
        model: makes voiceprints.
        beside: further models, tried out beside it.
        activity: finds speech.
        speakers: tells one voice from several, in a recording or in a window of a call.
        prompts: what the house plays into calls itself; None if none were named.
        profiles: where the calibration profiles come from.
        chosen: what was used of them at the start; others may be swapped in.
    """

    model: VoiceModel
    beside: tuple[VoiceModel, ...]
    activity: VoiceActivity
    speakers: SpeakerCount
    prompts: HousePrompts | None
    profiles: ProfileSource
    chosen: ChosenProfiles

    @property
    def scorer(self) -> Scorer:
        """What turned voiceprints of the model into likelihood ratios at the start."""
        return self.chosen.scorers.active[0]


def open_voice(
    settings: Settings, tell: Progress = _log.warning, *, loading: ModelLoading | None = None
) -> Voice:
    """Load the voice path, checked and self-tested; blocks for seconds.

    Args:
        settings: the settings.
        tell: told why voiceprints take longer than they need on this processor, if they do.
        loading: loads the models already; None to load them here.

    Raises:
        ModelError: a model is missing, altered, or gives other voiceprints than it should.
        ProfileMismatch: there is no calibration profile for the model, or the one named is another model's.
        ProfileDamaged: the calibration profile was altered.
        ProfileNotFound: the active profile is not in the library any more.
        ProfileLibraryDamaged: it can't be read which profile is active.
        SettingsInvalid: the prompts can't be read.
        KeyRingError: a site's profile is sealed, and the key file is missing or another installation's.
    """
    models = loading.finished() if loading is not None else load_voice_models(settings, tell)
    profiles = ProfileSource(
        library=profile_library(settings),
        keys=profile_keys(settings),
        pinned=settings.voice.calibration_profile,
        model_id=models.deciding.model_id,
        beside=tuple(one.model_id for one in models.beside),
    )
    # To compile a network takes 45 MB for a while, just before the content of a store takes the most.
    return_memory()
    store, model = models.store, models.deciding
    activity, chosen = store.voice_activity(), profiles.choose()
    return Voice(
        model=model,
        beside=models.beside,
        activity=activity,
        speakers=SpeakerCount(store.segmentation(), _counting_model(store, model)),
        prompts=_prompts(settings, model, activity, chosen.scorers.active[0]),
        profiles=profiles,
        chosen=chosen,
    )


def warm_up(voice: Voice) -> float:
    """Run everything once or twice; gives what a voiceprint takes from the second run on, in seconds."""
    # ONNX Runtime allocates and picks its kernels in the first runs, which no caller is to wait for.
    rng = np.random.default_rng(0)
    window = rng.normal(0, 0.1, round(voice.model.window_s * MODEL_RATE_HZ)).astype(np.float32)
    voiceprint = voice.model.embed([window])
    voice.speakers.overlap_share(window)
    watch = Stopwatch()
    voice.model.embed([window])
    spent_s = watch.lap()
    voice.scorer.project(voiceprint)
    frames = window[: len(window) // FRAME_SAMPLES * FRAME_SAMPLES]
    voice.activity.speech_probabilities([(voice.activity.new_state(), frames)])
    return spent_s


def _prompts(
    settings: Settings, model: VoiceModel, activity: VoiceActivity, scorer: Scorer
) -> HousePrompts | None:
    directory = settings.voice.prompts
    if directory is None:
        return None
    prompts = read_prompts(
        directory.expanduser(),
        model=model,
        activity=activity,
        limit_s=settings.server.recording_max_s,
    )
    _log.info("prompts read", directory=str(directory), windows=len(prompts))
    limit = scorer.profile.coefficients.cap
    if limit < least_llr(scorer):
        _log.warning(
            "prompts not left out", profile=scorer.profile_id, limit=limit, needed=least_llr(scorer)
        )
    return prompts


def _counting_model(store: ModelStore, model: VoiceModel) -> VoiceModel:
    # Where one voice ends and the next begins is known in the default model's cosines only.
    default = store.default_voice_model
    return model if model.model_id.startswith(f"{default}@") else store.voice_model(default)
