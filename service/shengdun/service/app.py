"""Everything that a server consists of, put together in one place and taken apart in the reverse order.

The order of a start: voice models (their SHA-256 and golden voiceprint are checked) and calibration profile, and
meanwhile label packs and the institution's own wording, and the embedded store or the connection, whose content is
read and verified; registry, archive, lanes, warm-up. The registry needs the scorer of the model. What is wrong with a
model is told first, then what is wrong with the wording, then with the store.
"""

import asyncio
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import AsyncExitStack, asynccontextmanager, contextmanager
from dataclasses import dataclass
from datetime import timedelta

import structlog
from threadpoolctl import threadpool_limits

from shengdun.enrollment.assessment import RecordingAssessor, VoiceTools
from shengdun.enrollment.enroller import Enroller
from shengdun.enrollment.policy import EnrollmentPolicy
from shengdun.fingerprint.text.labels.labelling import TextLabels
from shengdun.fingerprint.text.semantic import SentenceModel
from shengdun.index.archive.archive import CallArchive
from shengdun.index.calls import CallDirectory
from shengdun.index.campaigns.exclusions import Exclusions
from shengdun.index.campaigns.sharing import SharedTexts
from shengdun.index.checkpoints import Checkpointing
from shengdun.index.memory import return_memory
from shengdun.index.reading import StoreReading
from shengdun.index.registry import Registry
from shengdun.index.scripts.similar import SimilarScripts
from shengdun.index.store import Store
from shengdun.service.access import TokenFile
from shengdun.service.admission import Admission
from shengdun.service.allowing import AllowServicer
from shengdun.service.archive_opening import open_archive, open_archiving, retention_of
from shengdun.service.archived_calls import ArchiveServicer
from shengdun.service.background import BackgroundLane, background_workers
from shengdun.service.calls import LiveCalls
from shengdun.service.common_wording import read_common
from shengdun.service.costs import Costs, Stage
from shengdun.service.erasure_checks import ErasureChecks
from shengdun.service.hunt_opening import hunt_enrolled, open_hunts
from shengdun.service.hunts import HuntServicer
from shengdun.service.lanes import FrontLane
from shengdun.service.lines import Lines
from shengdun.service.model_loading import ModelLoading, voiceprint_workers
from shengdun.service.networks import NetworkServicer
from shengdun.service.past_calls import PastCalls
from shengdun.service.profile_following import ProfileFollower
from shengdun.service.promises import PromiseKeeper
from shengdun.service.rescoring import Rescoring
from shengdun.service.resealing import Resealing
from shengdun.service.retention import Retention
from shengdun.service.screener import Screener
from shengdun.service.screening import ScreeningServicer
from shengdun.service.scripts import ScriptServicer
from shengdun.service.settings import Settings, TextSettings
from shengdun.service.shadows import Shadows
from shengdun.service.store_opening import open_store
from shengdun.service.text_labels import load_labels
from shengdun.service.text_memory import TextMemory
from shengdun.service.text_screening import TextScreening
from shengdun.service.text_sharing import TextSharing
from shengdun.service.texts import TextComparison
from shengdun.service.voice_opening import VOICES_DIRECTORY, open_unknown_voices
from shengdun.service.voice_path import Voice, open_voice, warm_up
from shengdun.service.voiceprint_lane import VoiceprintLane
from shengdun.service.voices import VoiceServicer
from shengdun.service.watchlist_uploads import UploadLimits
from shengdun.service.watchlists import WatchlistServicer
from shengdun.service.word_memory import WordMemory
from shengdun.service.workers.place import ALONE, Place

_log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class Application:
    """A server without its sockets.

    Attributes:
        settings: as given.
        tokens: who may call.
        voice: the voice path.
        lines: the lines of business.
        registry: the watchlists, with the key ring.
        calls: the live calls of this process.
        shadows: what is tried out beside the decisions.
        screening: answers telephony.
        watchlists: answers investigators about actors.
        scripts: answers them about scripts.
        networks: answers them about networks.
        voices: answers them about voices that nobody has enrolled.
        archived_calls: answers them about finished calls.
        hunts: searches these for them.
        allowing: keeps for them who may call for many.
        archive: the finished calls; None where none are kept.
    """

    settings: Settings
    tokens: TokenFile
    voice: Voice
    lines: Lines
    registry: Registry
    calls: LiveCalls
    shadows: Shadows
    screening: ScreeningServicer
    watchlists: WatchlistServicer
    scripts: ScriptServicer
    networks: NetworkServicer
    voices: VoiceServicer
    archived_calls: ArchiveServicer
    hunts: HuntServicer
    allowing: AllowServicer
    archive: CallArchive | None


@asynccontextmanager
async def open_application(
    settings: Settings,
    tokens: TokenFile,
    place: Place = ALONE,
    loading: ModelLoading | None = None,
) -> AsyncIterator[Application]:
    """Start everything but the sockets; at the end flush and close it in the reverse order.

    Args:
        settings: the settings.
        tokens: who may call.
        place: of this process among the workers of the server.
        loading: loads the voice models already; None to begin with it here.

    Raises:
        ShengdunError: something is missing, damaged or in use; the message says what to do.
    """
    async with AsyncExitStack() as stack:
        # The lanes are the only threads that compute. A matrix library's own threads spin while they wait for each
        # other, and on a busy machine that made a search of 2 ms take 96 ms.
        stack.enter_context(threadpool_limits(limits=1))
        # The store reads its files, and is read and verified, and wording is prepared, while the models are loaded.
        reading_store = asyncio.create_task(_read_store(settings, place, stack))
        reading_words = asyncio.create_task(asyncio.to_thread(_read_words, settings.text))
        try:
            with _logged("voice models"):
                voice = await asyncio.to_thread(open_voice, settings, loading=loading)
            labels, common = await reading_words
        except BaseException:
            reading_store.cancel()
            await asyncio.gather(reading_store, reading_words, return_exceptions=True)
            raise
        _log.info("label packs", packs=labels.pack_ids)
        _log.info("voice model", model=voice.model.model_id, precision=voice.model.precision)
        with _logged("store"):
            reading = await reading_store
        with _logged("registry"):
            registry = await _open_registry(reading, voice, stack)
        await stack.enter_async_context(ProfileFollower(voice.profiles, voice.chosen, registry))
        await _keep_in_order(settings, registry, stack)
        with _logged("call archive"):
            archive = await open_archive(settings, reading.store, registry, stack)
        calls = LiveCalls(
            CallDirectory(reading.store, registry.keys),
            max_calls=settings.server.max_calls,
            place=place,
        )
        lines = Lines(settings.lines)
        promises = PromiseKeeper(lines, registry, voice.model.model_id)
        costs = Costs()
        lane = await stack.enter_async_context(VoiceprintLane(voiceprint_workers(settings.voice)))
        background = await stack.enter_async_context(
            BackgroundLane(background_workers(place.cores))
        )
        memory = TextMemory(settings.text, registry.keys.pseudonym, common, background.run)
        shared = await _share_texts(settings, memory, reading.store, registry, background, stack)
        voices = await open_unknown_voices(settings, archive, registry, voice.model.model_id, stack)
        # Not the lane of enrolments and letters, which may each take a second.
        word_lane = await stack.enter_async_context(BackgroundLane(workers=1))
        screener = Screener(
            lines=lines,
            promises=await stack.enter_async_context(promises),
            model=voice.model,
            activity=voice.activity,
            registry=registry,
            front_lane=await stack.enter_async_context(FrontLane(voice.activity, costs)),
            voiceprint_lane=lane,
            costs=costs,
            shadows=await stack.enter_async_context(
                Shadows(
                    model_id=voice.model.model_id,
                    models=voice.beside,
                    snapshot=lambda: registry.snapshot,
                )
            ),
            word_lane=word_lane.run,
            letter_lane=background.run,
            word_memory=WordMemory(memory, word_lane.run, costs),
            voices=voices,
            labels=labels,
            overlap_share=voice.speakers.overlap_share,
            prompts=voice.prompts,
        )
        assessor = RecordingAssessor(_tools(registry, voice), _policy(settings), background.run)
        enroller = Enroller(
            registry=registry,
            tools=_tools(registry, voice),
            policy=_policy(settings),
            run=background.run,
        )
        uploads = UploadLimits(idle_s=settings.server.call_idle_s)
        hunts = await open_hunts(settings, archive, registry, voice.model.model_id, stack)
        enrolled = hunt_enrolled(settings, hunts, registry)
        checks = ErasureChecks(
            registry, hunts, voices, settings.data_dir / VOICES_DIRECTORY, background.run
        )
        archiving = await open_archiving(settings, archive, registry, calls, background.run, stack)
        similar = await asyncio.to_thread(_similar_scripts, settings.text)
        threads = background_workers(place.cores)
        texts = TextComparison(registry, background.run, similar, at_once=threads)
        await stack.enter_async_context(calls)
        with _logged("warm-up"):
            costs.observe_stage(Stage.VOICEPRINT, await asyncio.to_thread(warm_up, voice))
            await asyncio.to_thread(return_memory)
        admission = Admission(
            costs,
            cores=lane.workers,
            limit=settings.server.load_limit,
            window_s=voice.model.window_s,
            wait_s=lambda within_s: screener.front_lane.wait_s() + lane.wait_s(within_s),
        )
        yield Application(
            settings=settings,
            tokens=tokens,
            voice=voice,
            lines=screener.lines,
            registry=registry,
            calls=calls,
            shadows=screener.shadows,
            screening=ScreeningServicer(
                screener,
                admission,
                calls,
                settings.server,
                TextScreening(texts, memory, labels, background.run),
                PastCalls(
                    archiving, retention_of(settings), lines, registry, at_once=2 * lane.workers
                ),
                archiving,
            ),
            watchlists=WatchlistServicer(
                registry=registry,
                enroller=enroller,
                model_id=voice.model.model_id,
                limits=uploads,
                enrolled=enrolled,
            ),
            scripts=ScriptServicer(registry, texts, memory),
            networks=NetworkServicer(registry, archive, voices, background.run),
            voices=VoiceServicer(registry, archive, voices, background.run, enrolled),
            archived_calls=ArchiveServicer(
                registry,
                archive,
                shared,
                checks,
                Rescoring(registry, lines, voice.profiles.library, background.run),
                background.run,
            ),
            hunts=HuntServicer(
                registry,
                hunts,
                lines=screener.lines,
                assessor=assessor,
                model_id=voice.model.model_id,
                limits=uploads,
            ),
            allowing=AllowServicer(
                registry,
                archive,
                assessor=assessor,
                run=background.run,
                model_id=voice.model.model_id,
                limits=uploads,
            ),
            archive=archive,
        )


def _read_words(settings: TextSettings) -> tuple[TextLabels, Exclusions]:
    return load_labels(settings), read_common(settings.common)


def _similar_scripts(settings: TextSettings) -> SimilarScripts | None:
    if settings.semantic_model is None:
        return None
    similar = SimilarScripts(SentenceModel(settings.semantic_model.expanduser()))
    _log.info("sentence-embedding model", model=similar.model_id)
    return similar


async def _keep_in_order(settings: Settings, registry: Registry, stack: AsyncExitStack) -> None:
    """Have done by itself what nobody should have to think of."""
    await stack.enter_async_context(Resealing(registry))
    if settings.retention.expired_days != "never":
        keep = timedelta(days=settings.retention.expired_days)
        await stack.enter_async_context(Retention(registry, keep))


async def _share_texts(
    settings: Settings,
    memory: TextMemory,
    store: Store,
    registry: Registry,
    lane: BackgroundLane,
    stack: AsyncExitStack,
) -> TextSharing | None:
    if not settings.text.campaign_texts:
        return None
    shared = SharedTexts(store, registry.keys, most=settings.text.campaign_texts)
    return await stack.enter_async_context(TextSharing(memory, shared, lane.run))


async def _read_store(settings: Settings, place: Place, stack: AsyncExitStack) -> StoreReading:
    return await StoreReading.of(
        await open_store(settings, place.store_directory, stack),
        data_directory=settings.data_dir,
        key_path=settings.keys_file,
        checkpointing=Checkpointing(tell=lambda line: _log.info("checkpoint", what=line)),
    )


async def _open_registry(reading: StoreReading, voice: Voice, stack: AsyncExitStack) -> Registry:
    scorers = voice.chosen.scorers
    registry = await Registry.of(reading, scorers=scorers.active, shadow=scorers.shadow)
    stack.push_async_callback(registry.close)
    return registry


def _tools(registry: Registry, voice: Voice) -> VoiceTools:
    return VoiceTools(
        activity=voice.activity,
        model=voice.model,
        scorer_in_use=lambda: registry.snapshot.scorer(None, voice.model.model_id),
        speakers=voice.speakers,
        further=voice.beside,
    )


def _policy(settings: Settings) -> EnrollmentPolicy:
    return EnrollmentPolicy(longest_recording_s=settings.server.recording_max_s)


@contextmanager
def _logged(step: str) -> Iterator[None]:
    started_s = time.monotonic()
    yield
    _log.info("started", step=step, duration_ms=round((time.monotonic() - started_s) * 1000))
