"""What telephone lines bring, as the robustness benchmark makes it."""

import numpy as np
import pytest
from benchmarks.robustness.disturbances import (
    CLEAN,
    DISTURBANCES,
    Disturbance,
    Leg,
    Material,
    at_level,
    caller,
)

from fixtures.signals import music
from shengdun.fingerprint.voice.acoustics import speech_rms
from shengdun.fingerprint.voice.demo_recordings import DemoRecording
from shengdun.fingerprint.voice.recordings import decode_recording
from shengdun.fingerprint.voice.samples import Samples


@pytest.fixture(scope="module")
def speech(recordings: list[DemoRecording]) -> list[Samples]:
    """Three stretches of speech of three seconds."""
    chosen = [item for item in recordings if item.duration_s > 3.0][:3]
    return [decode_recording(item.read()).samples[:48_000] for item in chosen]


@pytest.fixture(scope="module")
def material(speech: list[Samples]) -> Material:
    """Made music, and a recording as prompt and as other people."""
    return Material(
        hold_music=(at_level(music(10.0), 0.0),),
        mixed_music=(at_level(music(10.0), 0.0),),
        prompt=at_level(speech[2], 0.0),
        others=(at_level(speech[2], 0.0),),
    )


def _leg(speech: list[Samples], disturbance: Disturbance, material: Material) -> Leg:
    leg = caller(speech[:2], np.random.default_rng(1))
    return disturbance.disturb(leg, material, np.random.default_rng(2))


@pytest.mark.parametrize("disturbance", DISTURBANCES, ids=lambda one: one.name)
def test_every_disturbance_is_what_it_says_and_repeats(
    speech: list[Samples], material: Material, disturbance: Disturbance
) -> None:
    """Marks keep to the samples, the same seed gives the same call, and all but the clean one differ from it."""
    leg = _leg(speech, disturbance, material)
    assert len(leg.samples) == len(leg.talking) == len(leg.intruding)
    assert leg.talking.sum() == 96_000
    carried = disturbance.carry(leg.samples, np.random.default_rng(3))
    again = disturbance.carry(_leg(speech, disturbance, material).samples, np.random.default_rng(3))
    assert np.array_equal(carried, again)
    clean = CLEAN.carry(_leg(speech, CLEAN, material).samples, np.random.default_rng(3))
    assert (disturbance is CLEAN) == np.array_equal(carried, clean)


@pytest.mark.parametrize("below_db", [12, 18, 25])
def test_echo_is_as_faint_as_its_name_says(
    speech: list[Samples], material: Material, below_db: int
) -> None:
    """What was added lies so far below the caller."""
    disturbance = next(
        one for one in DISTURBANCES if one.name.startswith(f"agent's echo {below_db}")
    )
    clean, leg = _leg(speech, CLEAN, material), _leg(speech, disturbance, material)
    echo = (leg.samples - clean.samples)[leg.intruding]
    caller_rms = speech_rms(clean.samples[clean.talking])
    assert 20 * np.log10(caller_rms / speech_rms(echo)) == pytest.approx(below_db, abs=2.0)
