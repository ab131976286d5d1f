"""Voice models and profiles in shadow, beside live calls. The second model knows next to nothing."""

import io
import json
import logging
import threading
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import pytest
import structlog

from fixtures.calls import (
    WATCHLIST,
    enrol,
    evidence,
    new_watchlist,
    screen,
    server_settings,
    speech_of,
    telephone,
)
from fixtures.command_line import shengdun
from fixtures.converted_models import DIMENSION, NAME, network, plain_profile, record_of
from fixtures.enrolling import LIST, Speakers, given, in_thread, named
from shengdun.enrollment.assessment import VoiceTools
from shengdun.enrollment.enroller import Enroller
from shengdun.enrollment.policy import EnrollmentPolicy
from shengdun.enrollment.requests import DuplicatePolicy, EnrollmentRequest
from shengdun.fingerprint.voice.catalogue import CATALOGUE
from shengdun.fingerprint.voice.demo_recordings import DemoRecording
from shengdun.fingerprint.voice.ecapa import Ecapa
from shengdun.fingerprint.voice.model_store import ModelStore
from shengdun.fingerprint.voice.models import Voiceprints
from shengdun.fingerprint.voice.samples import Samples
from shengdun.index.calibration import default_profile
from shengdun.index.profile_library import ProfileLibrary
from shengdun.index.registry import Registry
from shengdun.index.scoring import Scorer
from shengdun.index.watchlists import NewActor
from shengdun.service.client import Decision, DecisionState, PartialReason, ShengdunClient
from shengdun.service.decision import Risk
from shengdun.service.evidence import HeardSpeech, search_lists
from shengdun.service.line_settings import LineSettings
from shengdun.service.lines import Lines
from shengdun.service.risk import assess
from shengdun.service.server import Server
from shengdun.service.settings import LogSettings
from shengdun.service.shadows import Shadows, best_of
from shengdun.service.telemetry import configure_logging

SECOND = Ecapa(network(1), model_id="second@000000000001", dimension=DIMENSION)
LINE = Lines({"default": LineSettings()}).get("default")
WINDOW = 48_000

Recordings = Sequence[DemoRecording]


@pytest.fixture
def logged() -> Iterator[io.StringIO]:
    """What is logged, one JSON value a line."""
    root, stream = logging.getLogger(), io.StringIO()
    level, handlers = root.level, list(root.handlers)
    configure_logging(LogSettings(), stream=stream)
    yield stream
    root.setLevel(level)
    root.handlers[:] = handlers
    structlog.reset_defaults()


def events(logged: io.StringIO, event: str) -> list[dict[str, object]]:
    entries = [json.loads(line) for line in logged.getvalue().splitlines()]
    return [entry for entry in entries if str(entry["event"]).startswith(event)]


class Held(Ecapa):
    """A voice model that embeds when it is let to."""

    def __init__(self) -> None:
        super().__init__(network(1), model_id=SECOND.model_id, dimension=DIMENSION)
        self.began, self.go = threading.Event(), threading.Event()

    def embed(self, batch: Sequence[Samples]) -> Voiceprints:
        """Waits first."""
        self.began.set()
        assert self.go.wait(timeout=60)
        return super().embed(batch)


class Broken(Ecapa):
    """A voice model that fails whatever it is given."""

    def embed(self, batch: Sequence[Samples]) -> Voiceprints:
        """Fails."""
        raise RuntimeError(f"can't embed {len(batch)}")


@pytest.fixture
async def listed(
    agents: Registry, voice_tools: VoiceTools, speech: Callable[[str, int], bytes]
) -> str:
    """An actor with voiceprints of both models; the second model and a second profile are in shadow."""
    site = replace(default_profile(voice_tools.model.model_id), name="candidate")
    await agents.use_scorers(
        [voice_tools.scorer], [Scorer(plain_profile(SECOND.model_id)), Scorer(site)]
    )
    enroller = Enroller(
        registry=agents,
        tools=replace(voice_tools, further=(SECOND,)),
        policy=EnrollmentPolicy(),
        run=in_thread,
    )
    done = await enroller.enroll(
        EnrollmentRequest(
            actor=NewActor(display_name="甲", watchlist_ids=frozenset({LIST})),
            duplicate_policy=DuplicatePolicy.REFUSE,
            idempotency_key=None,
        ),
        given(named(speech("S4", 0))),
        principal="tester",
    )
    return done.actor.actor_id


def heard(tools: VoiceTools, samples: Samples, windows: int) -> HeardSpeech:
    """What the model in use makes of a call of so many windows."""
    rows = [
        tools.model.embed([samples[start * WINDOW : (start + 1) * WINDOW]])[0]
        for start in range(windows)
    ]
    return HeardSpeech(voiceprints=np.stack(rows), net_speech_s=np.full(windows, 3.0), snr_db=None)


def shadows_of(agents: Registry, tools: VoiceTools, *models: Ecapa, waiting: int = 16) -> Shadows:
    return Shadows(
        model_id=tools.model.model_id,
        models=models,
        snapshot=lambda: agents.snapshot,
        waiting_at_most=waiting,
    )


def settle(shadows: Shadows) -> None:
    """Wait until all that was offered is done."""
    done = threading.Event()
    shadows.close(done.set)
    assert done.wait(timeout=60)


def decision_on(agents: Registry, tools: VoiceTools, speech: HeardSpeech) -> Risk:
    """What the model and profile in use say."""
    results = search_lists(
        agents.snapshot, (), speech, profile_id=tools.scorer.profile_id, at=datetime.now(UTC)
    )
    return assess(results, LINE)


@pytest.fixture
def samples(speakers: Speakers) -> Samples:
    """Nine seconds of the actor, of another recording than the one of enrolment."""
    return speakers["S4"][1][: 3 * WINDOW]


async def test_what_is_in_shadow_says_what_it_would_have_said(
    agents: Registry,
    voice_tools: VoiceTools,
    listed: str,
    samples: Samples,
    logged: io.StringIO,
) -> None:
    """A profile says it of the voiceprints in use, a model of its own; the end of the call compares, with ids alone."""
    async with shadows_of(agents, voice_tools, SECOND) as shadows:
        call = shadows.of_call(call_id="c-1", watchlist_ids=(), line=LINE)
        for windows in (1, 2, 3):
            speech = heard(voice_tools, samples, windows)
            call.hear(samples[(windows - 1) * WINDOW : windows * WINDOW], speech)
        settle(shadows)
        risk = decision_on(agents, voice_tools, speech)
        call.conclude(risk)
        call.conclude(Risk())
        settle(shadows)
        second, candidate = sorted(call.outcomes, key=lambda one: one.model_id != SECOND.model_id)
        assert candidate.profile_id.startswith("candidate@")
        assert candidate.best == best_of(risk)
        assert (candidate.level, candidate.probability) == (risk.level, risk.probability)
        assert second.best is not None
        assert second.best.actor_id == listed
        assert second.actors_without_voiceprint == 0
        counts = shadows.statistics()
    assert (counts.heard, counts.dropped, counts.failed) == (3, 0, 0)
    assert risk.level is not None
    assert counts.agreements[candidate.profile_id, risk.level, risk.level] == 1
    told = events(logged, "call in shadow")
    assert {one["shadow_model"] for one in told} == {voice_tools.model.model_id, SECOND.model_id}
    assert {(one["call_id"], one["active_actor_id"], one["active_level"]) for one in told} == {
        ("c-1", listed, risk.level.name)
    }
    assert len(events(logged, "shadows")) == 1


async def test_a_shadow_that_fails_is_told_once(
    agents: Registry,
    voice_tools: VoiceTools,
    listed: str,
    samples: Samples,
    logged: io.StringIO,
) -> None:
    """Whatever it raises, the others in shadow go on."""
    broken = Broken(network(1), model_id=SECOND.model_id, dimension=DIMENSION)
    async with shadows_of(agents, voice_tools, broken) as shadows:
        call = shadows.of_call(call_id="c-2", watchlist_ids=(), line=LINE)
        speech = heard(voice_tools, samples, 1)
        for _ in range(2):
            call.hear(samples[:WINDOW], speech)
        settle(shadows)
        assert [one.model_id for one in call.outcomes] == [voice_tools.model.model_id]
        assert call.outcomes[0].best is not None
        assert shadows.statistics().failed == 2
    [told] = events(logged, "shadow failed")
    assert told["shadow"] == SECOND.model_id


async def test_windows_that_there_is_no_time_for_are_dropped_and_counted(
    agents: Registry,
    voice_tools: VoiceTools,
    listed: str,
    samples: Samples,
    logged: io.StringIO,
) -> None:
    """The call never waits; what was dropped is counted, for the server and for the call."""
    held = Held()
    async with shadows_of(agents, voice_tools, held, waiting=1) as shadows:
        call = shadows.of_call(call_id="c-3", watchlist_ids=(), line=LINE)
        speech = heard(voice_tools, samples, 1)
        call.hear(samples[:WINDOW], speech)
        assert held.began.wait(timeout=60)
        for _ in range(3):
            call.hear(samples[:WINDOW], speech)
        assert not call.outcomes
        assert shadows.statistics().dropped == 2
        call.conclude(decision_on(agents, voice_tools, speech))
        held.go.set()
        settle(shadows)
        assert shadows.statistics().heard == 2
        assert len(call.outcomes) == 2
    assert {one["windows_dropped"] for one in events(logged, "call in shadow")} == {2}


@pytest.mark.parametrize(
    ("levels_dbfs", "overlapped"),
    [
        pytest.param((-50.0, -20.0), (False, False), id="faint"),
        pytest.param((-20.0, -20.0), (True, False), id="two voices at once"),
    ],
)
async def test_another_model_leaves_the_same_windows_out(
    agents: Registry,
    voice_tools: VoiceTools,
    listed: str,
    samples: Samples,
    levels_dbfs: tuple[float, ...],
    overlapped: tuple[bool, ...],
) -> None:
    """What is no evidence for the model in use is none for one in shadow, also if that is known a window later."""
    async with shadows_of(agents, voice_tools, SECOND) as shadows:
        call = shadows.of_call(call_id="c-5", watchlist_ids=(), line=LINE)
        both = replace(
            heard(voice_tools, samples, 2),
            level_dbfs=np.array(levels_dbfs),
            overlapped=np.array(overlapped),
        )
        first = replace(both.only(np.array([0])), overlapped=np.array([False]))
        call.hear(samples[:WINDOW], first)
        call.hear(samples[WINDOW : 2 * WINDOW], both)
        alone = shadows.of_call(call_id="c-6", watchlist_ids=(), line=LINE)
        alone.hear(samples[WINDOW : 2 * WINDOW], both.only(np.array([1])))
        settle(shadows)
        [said], [expected] = (
            [one for one in each.outcomes if one.model_id == SECOND.model_id]
            for each in (call, alone)
        )
        assert said.best is not None
        assert said.best.actor_id == listed
        assert said == expected


async def test_nothing_in_shadow_costs_nothing(
    agents: Registry, voice_tools: VoiceTools, samples: Samples, logged: io.StringIO
) -> None:
    """Without a profile in shadow no window is kept or heard, and nothing is logged."""
    async with shadows_of(agents, voice_tools, SECOND) as shadows:
        call = shadows.of_call(call_id="c-4", watchlist_ids=(), line=LINE)
        speech = heard(voice_tools, samples, 1)
        call.hear(samples[:WINDOW], speech)
        call.conclude(decision_on(agents, voice_tools, speech))
        settle(shadows)
        assert not call.outcomes
        assert shadows.statistics().heard == 0
    assert not events(logged, "shadow")
    assert not events(logged, "call in shadow")


@pytest.fixture
def models(tmp_path: Path, models_dir: Path) -> Path:
    """A directory of models with a second voice model."""
    directory = tmp_path / "models"
    directory.mkdir()
    for artefact in CATALOGUE:
        (directory / artefact.name).symlink_to(models_dir / artefact.name)
    graph = network(1)
    ModelStore(directory).keep_converted(record_of(tmp_path, graph), graph)
    return directory


async def test_a_change_of_model_from_shadow_to_use(
    tmp_path: Path, models: Path, recordings: Recordings
) -> None:
    """Enrolled with both, screened with the second in shadow, then with the second: no list is enrolled again.

    Who was enrolled before the second model was there is told of, on the list, in decisions and by command.
    """
    data, model_id = tmp_path / "data", ModelStore(models).voice_model(NAME).model_id
    async with (
        Server(server_settings(data, models)) as server,
        ShengdunClient.connect(server.address) as client,
    ):
        await client.create_watchlist(new_watchlist(WATCHLIST))
        early = await enrol(client, recordings, "S1")
    library, profile = ProfileLibrary.of(data), plain_profile(model_id)
    library.keep(profile)
    library.activate(profile.profile_id, by="t", reason="t", installed_models=[model_id])
    beside = server_settings(data, models, voice__shadow_models=(NAME,))
    async with Server(beside) as server, ShengdunClient.connect(server.address) as client:
        actor = await enrol(client, recordings, "S6")
        shown = await in_thread(
            lambda: shengdun(
                *("models", "coverage", "--model", NAME, "--watchlist", WATCHLIST),
                environment={"SHENGDUN_SERVER_ADDRESS": server.address},
            )
        )
        assert early in shown.stdout
        assert actor not in shown.stdout
        assert f"1 of 2 actors in force have no voiceprint of {NAME}" in shown.stdout
        assert "add-voiceprints" in shown.stderr
        decided = await screened_in_shadow(client, telephone(speech_of(recordings, "S6")))
        [shadow] = decided.shadows
        assert (shadow.model_id, shadow.calibration_profile_id) == (model_id, profile.profile_id)
        assert shadow.actors_without_voiceprint == 1
        assert shadow.best is not None
        assert shadow.best.actor_id == actor
        assert decided.model_id != model_id
        assert decided.partial_reasons == ()
    switched = server_settings(data, models, voice__model=NAME)
    async with Server(switched) as server, ShengdunClient.connect(server.address) as client:
        watchlist = await client.get_watchlist(WATCHLIST)
        assert watchlist.model_id != model_id
        assert (watchlist.needs_reenrollment, watchlist.actors_without_voiceprint) == (True, 1)
        last = (await screen(client, "after", telephone(speech_of(recordings, "S6"))))[-1]
        assert (last.model_id, last.calibration_profile_id) == (model_id, profile.profile_id)
        assert last.state is DecisionState.FINAL
        assert last.best is not None
        assert last.best.actor_id == actor
        assert last.watchlists[0].actors_without_voiceprint == 1
        assert PartialReason.VOICEPRINTS_MISSING in last.partial_reasons
        await client.erase_actor(early, reason="end of the test")
        assert not (await client.get_watchlist(WATCHLIST)).needs_reenrollment


async def screened_in_shadow(client: ShengdunClient, audio: bytes) -> Decision:
    """The last decision of a call that the shadows kept up with; whether they did changes nothing else."""
    ends = []
    for attempt in range(20):
        ends.append((await screen(client, f"call-{attempt}", audio))[-1])
        assert evidence(ends[-1]) == evidence(ends[0])
        if ends[-1].shadows:
            break
    assert ends[-1].shadows
    return ends[-1]
