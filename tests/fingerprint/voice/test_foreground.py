"""The caller's own speech by its level: echoes are left out, drifting and quiet callers are not."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from fixtures.signals import silence
from shengdun.fingerprint.voice.activity import FRAME_SAMPLES, Framer, VoiceActivity
from shengdun.fingerprint.voice.demo_recordings import DemoRecording
from shengdun.fingerprint.voice.foreground import Foreground, ForegroundPolicy
from shengdun.fingerprint.voice.frames import measure_frames
from shengdun.fingerprint.voice.recordings import decode_recording
from shengdun.fingerprint.voice.samples import Samples
from shengdun.fingerprint.voice.windows import NetSpeech

EVERYTHING = ForegroundPolicy(range_db=np.inf)


@pytest.fixture(scope="module")
def voices(recordings: list[DemoRecording]) -> tuple[Samples, Samples]:
    """Ten seconds each of two people at one level: a caller and an agent."""
    long_enough = [item for item in recordings if item.duration_s > 10.0]
    caller = long_enough[0]
    agent = next(item for item in long_enough if item.speaker != caller.speaker)
    first, second = (decode_recording(item.read()).samples[:160_000] for item in (caller, agent))
    return _at_one_level(first), _at_one_level(second)


def _at_one_level(samples: Samples) -> Samples:
    return np.asarray(samples * (0.1 / np.sqrt(np.square(samples).mean())), np.float32)


def _net_speech(
    activity: VoiceActivity, samples: Samples, policy: ForegroundPolicy | None = None
) -> NetSpeech:
    framer = Framer()
    frames = np.concatenate([framer.push(samples), framer.finish()])
    [probabilities] = activity.speech_probabilities([(activity.new_state(), frames)])
    speech = NetSpeech(window_s=60.0, policy=None, foreground=policy)
    speech.push(frames, probabilities)
    return speech


def _decibels_down(samples: Samples, below_db: float) -> Samples:
    return np.asarray(samples * 10.0 ** (-below_db / 20.0), np.float32)


@pytest.mark.parametrize("agent_first", [True, False])
def test_echo_of_the_agent_is_left_out(
    voice_activity: VoiceActivity, voices: tuple[Samples, Samples], *, agent_first: bool
) -> None:
    """Speech 25 dB below the caller's is no net speech, also when it came first."""
    caller, agent = voices
    echo = _decibels_down(agent, 25.0)
    parts = [echo, silence(0.5), caller] if agent_first else [caller, silence(0.5), echo]
    alone_s = _net_speech(voice_activity, caller).net_speech_s
    both_s = _net_speech(voice_activity, np.concatenate(parts)).net_speech_s
    all_of_it_s = _net_speech(voice_activity, np.concatenate(parts), EVERYTHING).net_speech_s
    assert all_of_it_s > alone_s + 5.0
    assert both_s == pytest.approx(alone_s, abs=1.0)


@pytest.mark.parametrize("below_db", [0.0, 20.0, 35.0])
def test_callers_may_be_as_quiet_as_they_like(
    voice_activity: VoiceActivity, voices: tuple[Samples, Samples], below_db: float
) -> None:
    """A caller alone keeps 98 % of the speech at any level."""
    quiet = _decibels_down(voices[0], below_db)
    kept_s = _net_speech(voice_activity, quiet).net_speech_s
    assert kept_s >= 0.98 * _net_speech(voice_activity, quiet, EVERYTHING).net_speech_s


def test_caller_who_fades_is_heard_to_the_end(
    voice_activity: VoiceActivity, voices: tuple[Samples, Samples]
) -> None:
    """A level that drifts by 20 dB within a call costs hardly any speech."""
    both = np.concatenate(voices)
    gains_db = np.linspace(0.0, -20.0, len(both))
    fading = np.asarray(both * 10.0 ** (gains_db / 20.0), np.float32)
    kept_s = _net_speech(voice_activity, fading).net_speech_s
    assert kept_s >= 0.9 * _net_speech(voice_activity, fading, EVERYTHING).net_speech_s


def test_second_caller_at_an_ordinary_level_is_heard_at_once(
    voice_activity: VoiceActivity, voices: tuple[Samples, Samples]
) -> None:
    """Somebody who takes over the telephone 6 dB quieter is heard like the first."""
    call = np.concatenate([voices[0], silence(1.0), _decibels_down(voices[1], 6.0)])
    kept_s = _net_speech(voice_activity, call).net_speech_s
    assert kept_s >= 0.97 * _net_speech(voice_activity, call, EVERYTHING).net_speech_s


def test_bang_does_not_raise_the_level() -> None:
    """The caller's level is a median: a quarter of a second of noise leaves it where it was."""
    foreground = Foreground()
    for level_dbfs in [-30.0] * 60 + [-3.0] * 7 + [-30.0] * 40:
        near = foreground.push(level_dbfs, speaking=True)
    assert near
    assert foreground.caller_dbfs == pytest.approx(-30.0, abs=0.1)


def test_far_quieter_voice_is_heard_again_after_a_while() -> None:
    """The level falls by a decibel a second of speech, so a caller who moved away isn't lost for good."""
    foreground = Foreground()
    for _ in range(60):
        foreground.push(-20.0, speaking=True)
    near = [foreground.push(-38.0, speaking=True) for _ in range(300)]
    # Six decibels beyond the range take six seconds; the first frames still count by those before.
    assert not any(near[20:180])
    assert all(near[200:])


@given(st.lists(st.tuples(st.floats(-90, 0), st.booleans()), min_size=1, max_size=120))
def test_loudest_frame_is_always_near(frames: list[tuple[float, bool]]) -> None:
    """Whatever went before, a frame as loud as any before it may be the caller's."""
    foreground, loudest_dbfs = Foreground(), -np.inf
    for level_dbfs, speaking in frames:
        near = foreground.push(level_dbfs, speaking=speaking)
        loudest_dbfs = max(loudest_dbfs, level_dbfs)
        assert near or level_dbfs < loudest_dbfs


def test_level_of_a_frame_is_that_of_its_power() -> None:
    """Half of full scale is 6 dB below it, and silence has a floor."""
    frames = np.zeros((2, FRAME_SAMPLES), np.float32)
    frames[0] = 0.5
    half_dbfs, silent_dbfs = measure_frames(frames).levels_dbfs
    assert half_dbfs == pytest.approx(-6.02, abs=0.01)
    assert silent_dbfs == -120.0


@pytest.mark.parametrize(
    "wrong", [{"range_db": 0.0}, {"fall_db_per_s": -1.0}, {"reach_frames": 0}, {"talk_frames": 0}]
)
def test_impossible_policies_are_refused(wrong: dict[str, float]) -> None:
    """A policy that can't be meant can't be made."""
    with pytest.raises(ValueError, match="Needs"):
        ForegroundPolicy(**wrong)  # type: ignore[arg-type]
