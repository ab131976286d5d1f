"""Loading the voice models: most of what a start takes, so it is begun before all else, and this imports little."""

from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import structlog

from shengdun.fingerprint.voice.model_store import ModelStore, Progress
from shengdun.fingerprint.voice.models import VoiceModel
from shengdun.service.background import available_cores
from shengdun.service.settings import Settings, VoiceSettings

_log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class VoiceModels:
    """The voice models of a server, checked and self-tested.

    Attributes:
        store: where they are from.
        deciding: the one that decides.
        beside: further ones, tried out beside it.
    """

    store: ModelStore
    deciding: VoiceModel
    beside: tuple[VoiceModel, ...]


def load_voice_models(settings: Settings, tell: Progress = _log.warning) -> VoiceModels:
    """Load them; blocks for a second or two each.

    Args:
        settings: the settings.
        tell: told why voiceprints take longer than they need on this processor, if they do.

    Raises:
        ModelError: a model is missing, altered, or gives other voiceprints than it should.
    """
    store = ModelStore(settings.models_directory)
    precision = settings.voice.precision
    # In bfloat16 a window takes some 6 ms, less than what the lane does for it besides, and each at once takes 40 MB.
    at_once = -(-voiceprint_workers(settings.voice) // 2)
    deciding = store.voice_model(
        settings.voice.model, precision=precision, at_once=at_once, tell=tell
    )
    beside = tuple(
        store.voice_model(name, precision=precision, tell=tell)
        for name in dict.fromkeys(settings.voice.shadow_models)
        if name != settings.voice.model
    )
    return VoiceModels(store=store, deciding=deciding, beside=beside)


def voiceprint_workers(voice: VoiceSettings) -> int:
    """How many voiceprints of live calls are computed at once: never more than there are cores for them."""
    return min(voice.workers or available_cores(), available_cores())


class ModelLoading:
    """Loads them on a thread of its own, from when it is made, while other modules are imported.

    Args:
        settings: as for ``load_voice_models``.
    """

    def __init__(self, settings: Settings) -> None:
        thread = ThreadPoolExecutor(1, "voice-models")
        self._loading = thread.submit(load_voice_models, settings)
        thread.shutdown(wait=False)

    def finished(self) -> VoiceModels:
        """Wait for them. Raises as ``load_voice_models``."""
        return self._loading.result()
