"""Tests of the systems: the components of the peers, drawn crowds, and the product on real speakers."""

import sys

import numpy as np
import pytest
from benchmarks.other_interpreter import PeerUnavailable
from benchmarks.unknown.calibrating import Fitted, calls_of, fit
from benchmarks.unknown.figures import judge, summed_up
from benchmarks.unknown.hearing import Voice
from benchmarks.unknown.ours import Level, Ours, Product
from benchmarks.unknown.peer_worker import components
from benchmarks.unknown.peers import Peer, PeerName, PeerProcess
from benchmarks.unknown.systems import groups_at_end
from benchmarks.unknown.voices import Crowd
from benchmarks.unknown.worlds import Origin, Plan, make_window, make_world

from fixtures.drawn_voices import MODEL_ID, drawn_voice
from shengdun.fingerprint.voice.models import VoiceModel


def _ours(fitted: Fitted) -> Ours:
    return Ours(Product(), fitted, Level.both(0.9))


def test_components_join_through_others() -> None:
    """Two calls that are unlike are one group through a third that is like both."""
    rows = np.array([[1.0, 0.0], [0.0, 1.0], [np.sqrt(0.5), np.sqrt(0.5)], [-1.0, 0.0]], np.float32)
    told = np.array(list(components(rows, {"threshold": 0.6}, [])))
    groups = groups_at_end(told, 4)
    assert groups[0] == groups[1] == groups[2] != groups[3]
    assert (told[:, 0] == 2).all()


def test_the_components_run_in_a_process_of_their_own(drawn_voices: list[Voice]) -> None:
    """They need NumPy alone, so that this interpreter will do; well separated voices are all told apart."""
    world = make_world(drawn_voices, model_id=MODEL_ID, plan=Plan(), name="test", seed=3)
    with PeerProcess(sys.executable, PeerName.COMPONENTS) as process:
        peer = Peer(
            process,
            label="components",
            options={"threshold": 0.7},
            projection=("raw", lambda voiceprints: voiceprints),
        )
        figures = summed_up([judge(world, peer.watch(world.calls))], origin=Origin.REAL)
    assert figures.f.value > 0.9


def test_a_peer_that_is_not_there_is_named() -> None:
    """With what would install it, or why it can't be run."""
    with pytest.raises(PeerUnavailable, match="hdbscan stopped"):
        PeerProcess(sys.executable, PeerName.HDBSCAN)


def test_calls_of_a_drawn_voice_are_alike(drawn_voices: list[Voice]) -> None:
    """Two calls of one are nearer to each other than to those of others, and all are of unit length."""
    crowd = Crowd(calls_of(drawn_voices, seed=1))
    voices = crowd.voices(200, seed=1)
    one, other = crowd.calls(voices, seed=2), crowd.calls(voices, seed=3)
    cosines = one.voiceprints @ other.voiceprints.T
    assert np.linalg.norm(one.voiceprints, axis=1) == pytest.approx(1.0)
    assert np.median(np.diag(cosines)) > np.quantile(cosines, 0.99)


def test_a_crowd_comes_in_blocks_of_any_number(drawn_voices: list[Voice]) -> None:
    """As many as were asked for, none twice."""
    crowd = Crowd(calls_of(drawn_voices, seed=1))
    rows = np.concatenate([block.voiceprints for block in crowd.blocks(60_001, seed=5)])
    assert len(np.unique(rows[:, :4], axis=0)) == len(rows) == 60_001


def test_a_window_has_as_many_calls_as_are_asked_for(drawn_voices: list[Voice]) -> None:
    """Real voices keep their parts, and drawn customers fill the rest."""
    window = make_window(
        drawn_voices,
        [drawn_voice(1000, 3)],
        Crowd(calls_of(drawn_voices, seed=1)),
        model_id=MODEL_ID,
        plan=Plan(agents=(1, 1, 1), families=2),
        calls=500,
        name="window",
        seed=1,
    )
    assert 500 <= len(window.calls) <= 501
    origins = [identity.origin for identity in window.identities]
    assert origins.count(Origin.REAL) >= len(drawn_voices)
    assert origins.count(Origin.DRAWN) > 100


def test_the_product_finds_agents_whose_voices_are_drawn(drawn_voices: list[Voice]) -> None:
    """Voices as far apart as these are all found out, and nobody else is accused."""
    fitted = fit(drawn_voices[1::2] + drawn_voices[0::4], model_id=MODEL_ID, seed=1)
    plan = Plan(agents=(0, 2, 1), families=3)
    world = make_world(drawn_voices, model_id=MODEL_ID, plan=plan, name="test", seed=4)
    figures = summed_up([judge(world, _ours(fitted).watch(world.calls))], origin=Origin.REAL)
    assert figures.found["5-40"].value == 1.0
    assert (figures.ordinary_accused, figures.families_accused) == (0, 0)
    assert figures.f.value > 0.9


def test_nobody_real_is_accused_for_want_of_material(
    council_voices: list[Voice], voice_model: VoiceModel
) -> None:
    """Nine speakers are too few to learn from how far voices lie apart; what comes of it accuses nobody."""
    model_id = voice_model.model_id
    fitted = fit(council_voices, model_id=model_id, seed=1)
    plan = Plan(agents=(0, 2, 0), families=1)
    world = make_world(council_voices, model_id=model_id, plan=plan, name="council", seed=1)
    figures = summed_up([judge(world, _ours(fitted).watch(world.calls))], origin=Origin.REAL)
    assert (figures.ordinary_accused, figures.families_accused) == (0, 0)
    assert figures.precision.value > 0.9
