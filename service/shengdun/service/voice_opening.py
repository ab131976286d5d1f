"""Opening what compares calls with each other, as the settings say."""

from contextlib import AsyncExitStack
from datetime import timedelta
from typing import Final

import structlog

from shengdun.index.archive.archive import CallArchive
from shengdun.index.registry import Registry
from shengdun.index.scoring import Scorer
from shengdun.index.voices.clusters import VoiceClusters
from shengdun.index.voices.evidence import VoiceEvidence
from shengdun.index.voices.kept import VoicesFile
from shengdun.index.voices.policy import VoicePolicy
from shengdun.index.voices.shipped import shipped_spread
from shengdun.service.background import BackgroundLane
from shengdun.service.settings import Settings
from shengdun.service.unknown_voices import UnknownVoices, Window

VOICES_DIRECTORY: Final = "voices"
_log = structlog.get_logger(__name__)


async def open_unknown_voices(
    settings: Settings,
    archive: CallArchive | None,
    registry: Registry,
    model_id: str,
    stack: AsyncExitStack,
) -> UnknownVoices | None:
    """Compare calls with each other until the stack is left; None where no calls are kept, or for another voice model.

    Calls are compared under the calibration profile that decides; when another is activated they are by that one.

    Args:
        settings: the settings.
        archive: the finished calls; None where none are kept.
        registry: has the keys.
        model_id: the voice model that decides.
        stack: closes what is opened.
    """
    if archive is None:
        return None
    if shipped_spread(registry.snapshot.scorer(None, model_id)) is None:
        _log.warning("calls are not compared with each other", model=model_id)
        return None
    given = settings.voices
    policy = VoicePolicy(others=given.other_customers, repeating=given.repeating)
    look_lane = await stack.enter_async_context(BackgroundLane(workers=1))
    # To fill a long window at the start takes many seconds, which no enrolment and no letter should wait for.
    joining_lane = await stack.enter_async_context(BackgroundLane(workers=1))

    def scorer() -> Scorer:
        return registry.snapshot.scorer(None, model_id)

    def make() -> VoiceClusters:
        deciding = scorer()
        spread = shipped_spread(deciding)
        assert spread is not None  # it depends on the voice model alone
        evidence = VoiceEvidence(deciding, spread)
        return VoiceClusters(evidence, policy, allowed=lambda: registry.allowed.entries)

    voices = UnknownVoices(
        make,
        lambda: scorer().profile_id,
        archive,
        VoicesFile(settings.data_dir / VOICES_DIRECTORY, model_id, registry.keys),
        window=Window(age=timedelta(days=given.days), calls=given.calls),
        run=joining_lane.run,
        look_lane=look_lane.run,
    )
    return await stack.enter_async_context(voices)
