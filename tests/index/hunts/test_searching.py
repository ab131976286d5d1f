"""Hunts find every archived call of a voice or a script, and none that isn't."""

from collections.abc import Iterable
from dataclasses import replace
from datetime import timedelta

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from fixtures.archive import NOON, call
from shengdun.index.archive.blocks import CallBlock
from shengdun.index.archive.errors import PartitionDamaged
from shengdun.index.archive.rows import ArchivedCall
from shengdun.index.archive.signatures import signature_of
from shengdun.index.archive.tables import CallTable
from shengdun.index.archive.voiceprints import restored, stored
from shengdun.index.calibration import CalibrationProfile, default_profile
from shengdun.index.errors import InvalidRecord, TextTooShort
from shengdun.index.hunts.bounding import CosineBound, Sieve, least_cosines
from shengdun.index.hunts.hits import Hits, expected_by_chance, probability_of
from shengdun.index.hunts.matching import Matcher, VoiceMatcher, WordsMatcher
from shengdun.index.hunts.searching import matches_of
from shengdun.index.hunts.subject import WantedVoice, WantedWords
from shengdun.index.llr import Sides
from shengdun.index.rotation import rotation_matrix
from shengdun.index.scoring import Scorer, unit_rows

MODEL = "campplus-zh-en@92f29b94e694"
DIMENSION = 192
SCRIPT = (
    "您好我要投诉你们的暴力催收行为根据相关监管规定你们无权联系我的家人和单位我已经保留了全部录音证据并将向银保监会实名举报"
    "请立即停止催收并为我办理停息挂账分六十期还款否则我将继续向人民银行和消费者协会投诉"
)


@pytest.fixture(scope="module")
def profile() -> CalibrationProfile:
    """The shipped one, which whitens."""
    return default_profile(MODEL)


@pytest.fixture(scope="module")
def rotation() -> NDArray[np.float64]:
    return rotation_matrix(b"0" * 32, DIMENSION)


def strangers(profile: CalibrationProfile, count: int, seed: int) -> NDArray[np.float32]:
    """Voiceprints spread as the profile's own voices are: whitened they are round."""
    rng = np.random.default_rng(seed)
    assert profile.whitening is not None
    round_rows = rng.normal(size=(count, DIMENSION)) * 0.9 / np.sqrt(DIMENSION)
    spread = np.linalg.inv(profile.whitening.astype(float)) * np.sqrt(DIMENSION)
    return unit_rows(profile.mean + round_rows @ spread * 0.9)


def near(voice: NDArray[np.float32], count: int, seed: int, noise: float) -> NDArray[np.float32]:
    """The same voice on other calls."""
    rng = np.random.default_rng(seed)
    return unit_rows(voice + rng.normal(size=(count, len(voice))) * noise / np.sqrt(len(voice)))


def block_of(calls: Iterable[ArchivedCall], rotation: NDArray[np.float64]) -> CallBlock:
    """A block in memory."""
    table = CallTable.of(list(enumerate(calls, 1)), rotation)
    return CallBlock(table, np.arange(len(table)), "2026-11-20")


def calls_with(voiceprints: NDArray[np.float32], first: int = 0) -> list[ArchivedCall]:
    """Calls with these voiceprints, with net speech and noise of all sorts."""
    return [
        replace(
            call(first + number),
            model_id=MODEL,
            voiceprint=row,
            net_speech_s=2.0 + (number % 40),
            started_at=NOON + timedelta(seconds=number),
            ended_at=NOON + timedelta(seconds=number + 60),
        )
        for number, row in enumerate(voiceprints)
    ]


def wanted(voiceprints: NDArray[np.float32]) -> WantedVoice:
    """A voice by its voiceprints."""
    count = len(voiceprints)
    return WantedVoice(
        model_id=MODEL,
        voiceprints=voiceprints,
        net_speech_s=np.linspace(4.0, 30.0, count),
        snr_db=np.array([np.nan, 9.0, 22.0][:count]),
    )


def one_by_one(scorer: Scorer, voice: WantedVoice, block: CallBlock, row: int) -> float:
    """What scoring one call in the plainest way gives."""
    snr = block.snr_db[row]
    llrs = [
        scorer.pairwise_llr(
            voice.voiceprints[number],
            block.voiceprints[row],
            net_a_s=float(voice.net_speech_s[number]),
            net_b_s=float(block.net_speech_s[row]),
            snr_a_db=None if np.isnan(voice.snr_db[number]) else float(voice.snr_db[number]),
            snr_b_db=None if np.isnan(snr) else float(snr),
        )
        for number in range(len(voice.voiceprints))
    ]
    return float(np.log(np.mean(np.exp(llrs))))


@pytest.mark.parametrize("least_llr", [-2.0, 1.0, 6.0])
def test_a_hunt_is_exact(
    profile: CalibrationProfile, rotation: NDArray[np.float64], least_llr: float
) -> None:
    """It finds just the calls that scoring each by itself finds, with the same LLRs, the best first."""
    scorer = Scorer(profile)
    agent = strangers(profile, 1, 99)[0]
    everybody = np.concatenate([strangers(profile, 400, 1), near(agent, 20, 3, 0.7)])
    block = block_of(calls_with(everybody), rotation)
    voice = wanted(near(agent, 3, 2, 0.5))
    expected = {
        block.call_ids[row]: llr
        for row in range(len(block))
        if (llr := one_by_one(scorer, voice, block, row)) >= least_llr
    }
    hits = Hits(limit=1000).joined(block, VoiceMatcher(scorer, voice, least_llr).match(block))
    assert {hit.call_id for hit in hits.best} == set(expected)
    assert hits.found == len(expected)
    for hit in hits.best:
        assert hit.score == pytest.approx(expected[hit.call_id], abs=1e-4)
    assert [hit.score for hit in hits.best] == sorted(
        (hit.score for hit in hits.best), reverse=True
    )


def test_the_bound_spares_the_work(
    profile: CalibrationProfile, rotation: NDArray[np.float64]
) -> None:
    """It lets few strangers through, and everyone whose cosine is as high."""
    scorer = Scorer(profile)
    everybody = np.concatenate(
        [strangers(profile, 4000, 5), near(strangers(profile, 1, 9)[0], 50, 6, 0.8)]
    )
    target = scorer.project(strangers(profile, 1, 9))
    rows = stored(everybody, rotation)
    cosines = scorer.project(restored(rows, rotation)) @ target[0]
    for least in (0.2, 0.4, 0.6):
        found = Sieve(profile, target, rotation, np.array([least])).passing(rows)
        assert set(np.flatnonzero(cosines >= least)) <= set(found.tolist())
    assert len(Sieve(profile, target, rotation, np.array([0.5])).passing(rows)) < 100


def test_the_more_directions_are_measured_the_fewer_strangers_pass(
    profile: CalibrationProfile, rotation: NDArray[np.float64]
) -> None:
    """So that what a cheap bound lets pass is worth a tighter one."""
    rows = stored(strangers(profile, 4000, 5), rotation)
    target = Scorer(profile).project(strangers(profile, 1, 9))
    passed = [
        len(
            CosineBound.of(profile, target, rotation, directions=directions).reaching(
                rows, np.array([0.4])
            )
        )
        for directions in (0, 2, 12, 32)
    ]
    assert passed == sorted(passed, reverse=True)
    assert passed[0] > 4 * passed[1] > 0
    assert passed[1] > 2 * passed[3]


def test_a_call_without_a_voice_is_nobody(
    profile: CalibrationProfile, rotation: NDArray[np.float64]
) -> None:
    """Zeros are taken for no voiceprint, whatever is asked for."""
    rows = stored(strangers(profile, 3, 5), rotation)
    rows[1] = 0
    target = Scorer(profile).project(strangers(profile, 1, 9))
    assert Sieve(profile, target, rotation, np.array([-1.0])).passing(rows).tolist() == [0, 2]


@settings(deadline=None, max_examples=40)
@given(
    seed=st.integers(0, 2**31),
    least=st.floats(-0.5, 0.99),
    stretch=st.floats(0.01, 100.0),
)
def test_the_bound_loses_nothing(seed: int, least: float, stretch: float) -> None:
    """Whatever the profile's centre and whitening are."""
    rng = np.random.default_rng(seed)
    plain = default_profile(MODEL)
    profile = replace(
        plain,
        mean=(rng.normal(size=DIMENSION) * rng.uniform(0, 0.06)).astype(np.float32),
        whitening=(
            np.linalg.qr(rng.normal(size=(DIMENSION, DIMENSION)))[0]
            * np.geomspace(1.0, stretch, DIMENSION)
        ).astype(np.float32),
    )
    scorer = Scorer(profile)
    voices = unit_rows(rng.normal(size=(3, DIMENSION)))
    everybody = np.concatenate(
        [near(one, 30, seed, noise) for one, noise in zip(voices, (0.1, 0.6, 2.0), strict=True)]
    )
    matrix = rotation_matrix(seed.to_bytes(32, "big"), DIMENSION)
    rows = stored(everybody, matrix)
    target = scorer.project(voices)
    cosines = scorer.project(restored(rows, matrix)) @ target.T
    reached = set(np.flatnonzero((cosines >= least).any(axis=1)))
    for directions in (0, 2, 32, DIMENSION):
        bound = CosineBound.of(profile, target, matrix, directions=directions)
        assert reached <= set(bound.reaching(rows, np.full(3, least)).tolist())
    assert reached <= set(Sieve(profile, target, matrix, np.full(3, least)).passing(rows).tolist())


@settings(deadline=None, max_examples=40)
@given(
    least_llr=st.floats(-4.0, 9.5),
    net_s=st.floats(0.5, 60.0),
    own_s=st.floats(0.5, 60.0),
    snr=st.floats(-15.0, 50.0),
)
def test_no_call_below_the_least_cosine_reaches_the_llr(
    least_llr: float, net_s: float, own_s: float, snr: float
) -> None:
    """However much net speech it has and however noisy it is."""
    scorer = Scorer(default_profile(MODEL))
    coefficients = scorer.profile.coefficients
    least = least_cosines(coefficients, least_llr, np.array([own_s]), np.array([np.nan]))[0]
    sides = Sides(net_a_s=net_s, net_b_s=own_s, snr_a_db=snr)
    assert least <= -1.0 or coefficients.llr(np.array([least]), sides)[0] <= least_llr


@pytest.mark.parametrize("workers", [1, 2])
def test_blocks_come_out_in_order(
    profile: CalibrationProfile, rotation: NDArray[np.float64], workers: int
) -> None:
    """Whichever thread is done first, the list of hits is the same."""
    agent = strangers(profile, 1, 99)[0]
    blocks = [
        block_of(calls_with(near(agent, 9, seed, 0.6), first=100 * seed), rotation)
        for seed in range(9)
    ]
    matcher = VoiceMatcher(Scorer(profile), wanted(near(agent, 2, 2, 0.5)), 0.0)
    hits = Hits(limit=7)
    for block, matches in matches_of(blocks, matcher, workers=workers, damaged=_refuse):
        hits = hits.joined(block, matches)
    every = Hits(limit=1000)
    for block in blocks:
        every = every.joined(block, matcher.match(block))
    assert hits.best == every.best[:7]
    assert hits.found == every.found == 81


def _refuse(damaged: PartitionDamaged) -> None:
    raise AssertionError(damaged)


def test_a_script_is_found_by_what_calls_contain_of_it(rotation: NDArray[np.float64]) -> None:
    """Whole, in part, and not in other words."""
    texts = [
        "今天天气很好我想问一下信用卡的还款日期是哪一天",
        SCRIPT[:60],
        "喂你好" + SCRIPT + "就这样吧谢谢",
        "",
    ]
    calls = [
        replace(call(number), signature=signature_of(text)[0]) for number, text in enumerate(texts)
    ]
    block = block_of(calls, rotation_matrix(b"1" * 32, len(calls[0].voiceprint)))  # type: ignore[arg-type]
    hits = Hits(limit=10).joined(block, WordsMatcher(WantedWords.of_text(SCRIPT), 0.2).match(block))
    assert [hit.call_id for hit in hits.best] == [calls[2].call_id, calls[1].call_id]
    assert hits.best[0].score == pytest.approx(1.0)
    assert 0.3 < hits.best[1].score < 0.7


def test_a_script_that_says_too_little_is_refused() -> None:
    """Anybody may use its wording."""
    with pytest.raises(TextTooShort):
        WantedWords.of_text("你好请问")


def test_what_no_call_can_reach_is_refused(profile: CalibrationProfile) -> None:
    """Rather than looking through the archive for nothing."""
    voice = wanted(strangers(profile, 1, 1))
    with pytest.raises(InvalidRecord, match="vouches"):
        VoiceMatcher(Scorer(profile), voice, 99.0)
    with pytest.raises(InvalidRecord, match="model"):
        VoiceMatcher(Scorer(profile), replace(voice, model_id="other@0"), 1.0)
    with pytest.raises(InvalidRecord, match="share"):
        WordsMatcher(WantedWords.of_text(SCRIPT), 0.0)


def test_erased_calls_leave_the_hits(
    profile: CalibrationProfile, rotation: NDArray[np.float64]
) -> None:
    """And are not counted any more."""
    agent = strangers(profile, 1, 99)[0]
    block = block_of(calls_with(near(agent, 5, 1, 0.3)), rotation)
    matcher: Matcher = VoiceMatcher(Scorer(profile), wanted(agent[np.newaxis]), 0.0)
    hits = Hits(limit=10).joined(block, matcher.match(block))
    left = hits.without({block.call_ids[2], "another"})
    assert left.found == hits.found - 1
    assert block.call_ids[2] not in {hit.call_id for hit in left.best}


def test_chance_and_prior_are_in_the_arithmetic() -> None:
    """What an LLR is worth depends on how many calls were looked through."""
    assert expected_by_chance(1000, 0.0) == 1000
    assert expected_by_chance(1000, -3.0) == 1000
    assert expected_by_chance(10_000_000, np.log(1e6)) == pytest.approx(10.0)
    assert probability_of(0.0, 0.01) == pytest.approx(0.01)
    assert probability_of(np.log(99), 0.01) == pytest.approx(0.5)
    assert probability_of(-1000.0, 0.01) == 0.0
