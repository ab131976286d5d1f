"""Another voice that takes over, found in the voiceprints of a call's windows."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from shengdun.fingerprint.voice.demo_recordings import DemoRecording
from shengdun.fingerprint.voice.models import VoiceModel
from shengdun.fingerprint.voice.recordings import decode_recording
from shengdun.fingerprint.voice.samples import MODEL_RATE_HZ
from shengdun.index.calibration import default_profile
from shengdun.index.handover import FITTED, Handover, HandoverMap, divisions, find_handover
from shengdun.index.scoring import Scorer

WINDOW = 3 * MODEL_RATE_HZ
Rows = NDArray[np.float32]


@pytest.fixture(scope="module")
def scorer(voice_model: VoiceModel) -> Scorer:
    """Under the profile that ships with the model."""
    return Scorer(default_profile(voice_model.model_id))


@pytest.fixture(scope="module")
def voices(voice_model: VoiceModel, recordings: list[DemoRecording]) -> dict[str, Rows]:
    """Voiceprints of eight windows of each of two speakers of one meeting."""
    found = {}
    for speaker in ("S8", "S9"):
        longest = max((r for r in recordings if r.speaker == speaker), key=lambda r: r.duration_s)
        samples = decode_recording(longest.read()).samples[: 8 * WINDOW]
        found[speaker] = voice_model.embed(list(samples.reshape(8, WINDOW)))
    return found


def handover_in(scorer: Scorer, rows: Rows) -> Handover | None:
    """The likeliest handover in full windows."""
    return find_handover(scorer, rows, np.full(len(rows), 3.0))


def test_too_few_windows_say_nothing(scorer: Scorer, voices: dict[str, Rows]) -> None:
    """Two windows of either voice are needed, whoever they are of."""
    rows = np.concatenate([voices["S8"][:2], voices["S9"][:1]])
    assert handover_in(scorer, rows) is None
    assert handover_in(scorer, rows[:0]) is None


@pytest.mark.parametrize("before", [2, 3, 5])
def test_a_voice_that_takes_over_is_found_where_it_does(
    scorer: Scorer, voices: dict[str, Rows], before: int
) -> None:
    """Whether it comes early or late, from its third window on."""
    found = handover_in(scorer, np.concatenate([voices["S8"][:before], voices["S9"][:3]]))
    assert found is not None
    assert found.llr > 2.0
    assert found.division.first_window == before
    assert not found.division.in_turns
    assert abs(found.division.shift) < 1.0


def test_a_voice_that_comes_back_is_one_voice(scorer: Scorer, voices: dict[str, Rows]) -> None:
    """The windows before and behind the other's are the first voice's."""
    rows = np.concatenate([voices["S8"][:3], voices["S9"][:4], voices["S8"][3:6]])
    found = handover_in(scorer, rows)
    assert found is not None
    assert found.division.in_turns
    assert found.division.second.tolist() == [False] * 3 + [True] * 4 + [False] * 3
    assert found.llr > 2.0


@pytest.mark.parametrize("speaker", ["S8", "S9"])
def test_one_voice_is_no_handover(scorer: Scorer, voices: dict[str, Rows], speaker: str) -> None:
    """The likeliest of all divisions speaks against it at any number of windows."""
    for count in range(4, 9):
        found = handover_in(scorer, voices[speaker][:count])
        assert found is not None
        assert found.llr < 0.0


def test_the_same_windows_give_the_same_whatever_came_before(
    scorer: Scorer, voices: dict[str, Rows]
) -> None:
    """It depends on the windows alone."""
    rows = np.concatenate([voices["S8"][:4], voices["S9"][:4]])
    one, other = handover_in(scorer, rows), handover_in(scorer, rows.copy())
    assert one is not None
    assert other is not None
    assert (one.llr, one.division.second.tolist()) == (other.llr, other.division.second.tolist())


def test_both_voices_have_two_windows_in_every_division(
    scorer: Scorer, voices: dict[str, Rows]
) -> None:
    """A single window that is unlike all others makes no voice."""
    rows = np.concatenate([voices["S8"][:4], voices["S9"][:1], voices["S8"][4:7]])
    for division in divisions(scorer, rows, np.full(len(rows), 3.0)):
        assert min(division.second.sum(), (~division.second).sum()) >= 2
        assert not division.second[0]


@given(st.floats(-50.0, 50.0), st.integers(4, 5000))
def test_llrs_stay_within_their_limits_and_fall_with_likeness(
    one_voice: float, windows: int
) -> None:
    """And with the number of change times that were looked at."""
    llr = FITTED.llr(one_voice, windows)
    assert FITTED.floor <= llr <= FITTED.cap
    assert FITTED.llr(one_voice + 1.0, windows) <= llr
    assert FITTED.llr(one_voice, windows + 1) <= llr


def test_a_map_that_likeness_speaks_for_is_refused() -> None:
    """Nor may its limits be on one side of nothing."""
    with pytest.raises(ValueError, match="likeness"):
        HandoverMap(across=0.5)
    with pytest.raises(ValueError, match="limits"):
        HandoverMap(floor=1.0)
