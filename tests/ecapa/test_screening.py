"""A server that screens with a converted model. Its weights are random, so nothing here is about accuracy."""

from collections.abc import AsyncIterator, Sequence
from pathlib import Path

import numpy as np
import pytest
import pytest_asyncio

from fixtures.calls import (
    PCMU,
    Desk,
    evidence,
    open_desk,
    screen,
    server_settings,
    speech_of,
    telephone,
)
from fixtures.command_line import shengdun
from shengdun.fingerprint.voice.codecs import StreamDecoder, encode
from shengdun.fingerprint.voice.demo_recordings import DemoRecording
from shengdun.fingerprint.voice.model_store import ModelStore
from shengdun.fingerprint.voice.models import VoiceModel
from shengdun.fingerprint.voice.recordings import decode_recording
from shengdun.fingerprint.voice.samples import MODEL_RATE_HZ
from shengdun.index.calibration import CalibrationProfile, LlrCoefficients, ProfileMismatch
from shengdun.service.client import DecisionState
from shengdun.service.demo.model import installed_model
from shengdun.service.voice_path import open_voice

pytestmark = pytest.mark.asyncio(loop_scope="module")

NAME = "ecapa-voxceleb"
WINDOW = 3 * MODEL_RATE_HZ

Recordings = Sequence[DemoRecording]


def _windows(model: VoiceModel, recordings: Recordings) -> tuple[list[str], np.ndarray]:
    speakers, voiceprints = list[str](), list[np.ndarray]()
    for recording in recordings:
        if recording.duration_s >= 10.0 and speakers.count(recording.speaker) < 4:
            samples = StreamDecoder(PCMU).decode(
                encode(decode_recording(recording.read()).samples[: 2 * WINDOW], PCMU)
            )
            speakers.append(recording.speaker)
            voiceprints.append(model.embed([samples[:WINDOW]])[0])
    return speakers, np.stack(voiceprints)


@pytest.fixture(scope="module")
def profile(
    ecapa_store: ModelStore, recordings: Recordings, tmp_path_factory: pytest.TempPathFactory
) -> Path:
    """A profile of the model, fitted on a few windows: two normal distributions of one variance."""
    model = ecapa_store.voice_model(NAME)
    speakers, voiceprints = _windows(model, recordings)
    mean = voiceprints.mean(axis=0)
    centred = voiceprints - mean
    centred /= np.linalg.norm(centred, axis=1, keepdims=True)
    cosines = centred @ centred.T
    same = np.equal.outer(np.array(speakers), np.array(speakers))
    pairs = np.triu(np.ones_like(same), 1)
    ours, theirs = cosines[same & pairs], cosines[~same & pairs]
    slope = (ours.mean() - theirs.mean()) / cosines[pairs].var()
    assert slope > 0
    path = tmp_path_factory.mktemp("profile") / "test.npz"
    CalibrationProfile(
        name="test",
        model_id=model.model_id,
        created_at="2026-11-22T00:00:00Z",
        provenance="random weights, for the tests of this service alone",
        mean=mean.astype(np.float32),
        whitening=None,
        cohort=None,
        cohort_nearest=0,
        coefficients=LlrCoefficients(
            offset=float(-slope * (ours.mean() + theirs.mean()) / 2),
            offset_brevity=0.0,
            slope=float(slope),
            slope_brevity=0.0,
            shortest_net_speech_s=1.0,
            longest_net_speech_s=60.0,
            floor=-6.0,
            cap=6.0,
        ),
    ).save(path)
    return path


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def desk(
    tmp_path_factory: pytest.TempPathFactory,
    ecapa_store: ModelStore,
    profile: Path,
    recordings: Recordings,
) -> AsyncIterator[Desk]:
    """A server with the converted model, one agent enrolled."""
    settings = server_settings(
        tmp_path_factory.mktemp("desk"),
        ecapa_store.directory,
        voice__model=NAME,
        voice__calibration_profile=profile,
    )
    async with open_desk(settings, recordings, speakers=("S6",)) as desk:
        yield desk


async def test_without_a_profile_it_does_not_start(
    tmp_path: Path, ecapa_store: ModelStore, models_dir: Path
) -> None:
    """A model that nobody calibrated makes no decisions: the error names it and asks for a profile."""
    settings = server_settings(tmp_path, ecapa_store.directory, voice__model=NAME)
    with pytest.raises(ProfileMismatch, match=rf"No calibration profile is shipped .* {NAME}@"):
        open_voice(settings)


async def test_profile_of_another_model_is_refused(
    tmp_path: Path, ecapa_store: ModelStore, profile: Path
) -> None:
    """A profile of the converted model does not fit the default one."""
    settings = server_settings(tmp_path, ecapa_store.directory, voice__calibration_profile=profile)
    with pytest.raises(ProfileMismatch, match=f"was fitted for voice model {NAME}@"):
        open_voice(settings)


async def test_calls_are_decided_with_the_converted_model(
    desk: Desk, ecapa_store: ModelStore, recordings: Recordings
) -> None:
    """An agent is enrolled and calls are screened to FINAL, and every decision names the model."""
    model_id = ecapa_store.voice_model(NAME).model_id
    assert (await desk.client.server_info()).model_id == model_id
    decisions = await screen(desk.client, "ecapa", telephone(speech_of(recordings, "S6")))
    assert {decision.model_id for decision in decisions} == {model_id}
    assert decisions[-1].state is DecisionState.FINAL
    (outcome,) = decisions[-1].watchlists
    assert outcome.best is not None
    assert outcome.best.actor_id == desk.actors["S6"]
    assert np.isfinite(outcome.best.llr)


async def test_size_of_chunks_does_not_matter(desk: Desk, recordings: Recordings) -> None:
    """A call in chunks of 20 ms ends with the evidence of the same call in chunks of a second."""
    audio = telephone(speech_of(recordings, "S4", seconds=8.0))
    small = await screen(desk.client, "small", audio, chunk_bytes=160)
    large = await screen(desk.client, "large", audio, chunk_bytes=8_000)
    assert evidence(small[-1]) == evidence(large[-1])


async def test_demo_takes_model_and_profile_of_the_settings(
    ecapa_store: ModelStore, profile: Path, tmp_path: Path
) -> None:
    """The demo's own server runs with the model; how far enrolment trusts random weights is no matter here."""
    environment = {
        "SHENGDUN_MODELS_DIR": str(ecapa_store.directory),
        "SHENGDUN_VOICE__MODEL": NAME,
        "SHENGDUN_VOICE__CALIBRATION_PROFILE": str(profile),
    }
    shown = shengdun("demo", "--fast", "--data-dir", tmp_path, environment=environment)
    assert ecapa_store.voice_model(NAME).model_id in shown.stdout, shown.stderr


@pytest.mark.timeout(600)
async def test_demo_converts_a_directory_and_runs_with_it(
    hub_directory: Path, models_dir: Path, tmp_path: Path
) -> None:
    """From SpeechBrain's files to the last step, with a profile fitted on the spot; the next run converts nothing."""
    shown = shengdun(
        *("demo", "--fast", "--model", hub_directory, "--data-dir", tmp_path),
        environment={"SHENGDUN_MODELS_DIR": str(models_dir)},
        too_long_s=500.0,
    )
    assert shown.returncode == 0, shown.stdout + shown.stderr
    assert "converting " in shown.stdout
    assert f"model {NAME}@" in shown.stdout
    assert shown.stdout.splitlines()[-1].startswith("as it should be: every step worked")
    said: list[str] = []
    again = installed_model(
        str(hub_directory), directory=tmp_path, models=models_dir, say=said.append
    )
    assert again.settings.model == NAME
    assert not said
