"""Who is erased during a call, where profiles run in shadow beside it."""

import threading
from dataclasses import replace

import numpy as np

from fixtures.enrolling import LIST, Speakers
from fixtures.store import new_actor
from shengdun.enrollment.assessment import VoiceTools
from shengdun.index.calibration import default_profile
from shengdun.index.registry import Registry
from shengdun.index.scoring import Scorer
from shengdun.index.watchlists import Template
from shengdun.service.evidence import HeardSpeech
from shengdun.service.line_settings import LineSettings
from shengdun.service.lines import Lines
from shengdun.service.shadows import Shadows

WINDOW = 48_000


async def test_an_outcome_that_names_who_was_erased_since_is_left_out(
    agents: Registry, voice_tools: VoiceTools, speakers: Speakers
) -> None:
    """Even if no window is heard after the erasure; what rests on others stays."""
    model, samples = voice_tools.model, speakers["S4"][1][:WINDOW]
    row = model.embed([samples])[0]
    actors = []
    for name, voiceprint in (("A1", row), ("A2", np.roll(row, 1))):
        template = Template.new(
            voiceprint, model_id=model.model_id, net_speech_s=12.0, codec="pcm_mulaw"
        )
        actor = await agents.register_actor(new_actor(name, LIST), [template], principal="tester")
        actors.append(actor.actor_id)
    candidate = replace(default_profile(model.model_id), name="candidate")
    await agents.use_scorers([voice_tools.scorer], [Scorer(candidate)])
    line = Lines({"default": LineSettings()}).get("default")
    async with Shadows(
        model_id=model.model_id, models=(), snapshot=lambda: agents.snapshot
    ) as shadows:
        call = shadows.of_call(call_id="c", watchlist_ids=(), line=line)
        speech = HeardSpeech(voiceprints=row[np.newaxis], net_speech_s=np.array([3.0]), snr_db=None)
        call.hear(samples, speech)
        heard = threading.Event()
        shadows.close(heard.set)
        assert heard.wait(timeout=60)
        before = call.outcomes
        (outcome,) = before
        assert outcome.best is not None
        assert outcome.best.actor_id == actors[0]
        await agents.erase_actor(actors[1], principal="tester", reason="test")
        assert call.outcomes == before
        await agents.erase_actor(actors[0], principal="tester", reason="test")
        assert not call.outcomes
