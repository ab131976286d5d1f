"""Which windows of a call are asked about, and which are left out."""

from collections.abc import Sequence

import numpy as np
import pytest
from numpy.typing import NDArray

from shengdun.fingerprint.voice.models import VoiceModel
from shengdun.fingerprint.voice.samples import Samples
from shengdun.index.calibration import default_profile
from shengdun.index.overlap import CallOverlap, OverlapPolicy
from shengdun.index.scoring import Scorer, unit_rows

ONE, OTHER = "one", "other"


@pytest.fixture(scope="module")
def scorer(voice_model: VoiceModel) -> Scorer:
    """Of the profile that ships."""
    return Scorer(default_profile(voice_model.model_id))


class Call:
    """A call whose windows hold a voice, and one of many others with it for a stated share.

    Args:
        scorer: of the profile in use.
        known: whether anybody tells how much two people talk at once.
    """

    def __init__(self, scorer: Scorer, *, known: bool = True) -> None:
        self.asked: list[float] = []
        self._scorer = scorer
        self._overlap = CallOverlap(self._share_of if known else None)
        self._rows: list[NDArray[np.float32]] = []
        rng = np.random.default_rng(5)
        self._rng = rng
        self._voices = {voice: self._new_voice() for voice in (ONE, OTHER)}

    @property
    def is_heard(self) -> bool:
        """Whether two people talk at once anywhere."""
        return self._overlap.is_heard

    def hear(self, voice: str, share: float, *, far: Sequence[int] = ()) -> list[int]:
        """Gives the windows that are left out once there is another one; ``far`` are no evidence anyway."""
        row = self._voices[voice]
        if share:
            row = 0.2 * row + 0.8 * self._new_voice()
        noisy = row + 0.005 * self._rng.standard_normal(row.shape)
        self._rows.append(unit_rows(noisy[np.newaxis])[0])
        near = np.ones(len(self._rows), np.bool_)
        near[list(far)] = False
        left_out = self._overlap.left_out(
            self._scorer,
            np.full(48_000, share, np.float32),
            voiceprints=np.stack(self._rows),
            net_speech_s=np.full(len(self._rows), 3.0),
            near=near,
        )
        return np.flatnonzero(left_out).tolist()

    def _new_voice(self) -> NDArray[np.float64]:
        mean = self._scorer.profile.mean
        voice: NDArray[np.float64] = mean + 0.05 * self._rng.standard_normal(mean.shape)
        return voice

    def _share_of(self, samples: Samples) -> float:
        self.asked.append(round(float(samples[0]), 6))
        return self.asked[-1]


def test_a_call_of_one_voice_asks_nothing(scorer: Scorer) -> None:
    """Its windows are alike, so nothing is asked, and nothing is left out."""
    call = Call(scorer)
    assert [call.hear(ONE, 0.0) for _ in range(4)] == [[], [], [], []]
    assert (call.asked, call.is_heard) == ([], False)


def test_a_window_with_two_voices_at_once_is_left_out(scorer: Scorer) -> None:
    """It alone is asked about, once; a window with little of them stays, though it is told of no overlap."""
    call = Call(scorer)
    heard = [call.hear(ONE, share) for share in (0.0, 0.0, 0.5, 0.0, 0.1, 0.0)]
    assert heard == [[], [], [2], [2], [2], [2]]
    assert (call.asked, call.is_heard) == ([0.5, 0.1], True)


def test_the_first_window_is_judged_once_there_are_others(scorer: Scorer) -> None:
    """With the second it is known, and with the third there is enough to leave it out."""
    call = Call(scorer)
    assert [call.hear(ONE, share) for share in (0.5, 0.0)] == [[], []]
    assert call.is_heard
    assert [call.hear(ONE, 0.0) for _ in range(2)] == [[0], [0]]
    assert call.asked == [0.5, 0.0]


def test_two_windows_remain_of_a_call_of_nothing_else(scorer: Scorer) -> None:
    """Those with the least overlap, until there are windows of one voice."""
    call = Call(scorer)
    shares = (0.5, 0.0, 0.9, 0.7)
    assert [call.hear(ONE, share) for share in shares] == [[], [], [2], [2, 3]]
    assert call.hear(ONE, 0.0) == [0, 2, 3]


def test_people_who_take_turns_are_not_left_out(scorer: Scorer) -> None:
    """The second voice is suspicious, and is no overlap."""
    call = Call(scorer)
    assert [call.hear(voice, 0.0) for voice in (ONE, ONE, OTHER, OTHER, ONE)] == [[]] * 5
    assert call.asked
    assert not call.is_heard


def test_windows_that_are_no_evidence_are_neither_asked_about_nor_compared_with(
    scorer: Scorer,
) -> None:
    """A faint voice that spoke first is unlike the caller, and would make all of the call suspicious."""
    call = Call(scorer)
    assert call.hear(OTHER, 0.0) == []
    assert [call.hear(ONE, 0.0, far=[0]) for _ in range(3)] == [[], [], []]
    assert call.asked == []


def test_nothing_is_left_out_where_nobody_tells(scorer: Scorer) -> None:
    """Without the network a call is as it was."""
    call = Call(scorer, known=False)
    assert [call.hear(ONE, share) for share in (0.0, 0.9, 0.0)] == [[], [], []]
    assert not call.is_heard


@pytest.mark.parametrize(
    "wrong", [{"most_share": 1.0}, {"least_windows": 0}, {"first_again": 0}], ids=str
)
def test_impossible_policies_are_refused(wrong: dict[str, float]) -> None:
    """A policy that contradicts itself can't be made."""
    with pytest.raises(ValueError, match=r"share|window"):
        OverlapPolicy(**wrong)  # type: ignore[arg-type]
