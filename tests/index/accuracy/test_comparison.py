"""Voice models side by side on real speech. The second model is a tiny one with random weights."""

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from fixtures.converted_models import DIMENSION, network
from shengdun.fingerprint.voice.acoustics import Acoustics
from shengdun.fingerprint.voice.activity import VoiceActivity
from shengdun.fingerprint.voice.conditions import Condition
from shengdun.fingerprint.voice.ecapa import Ecapa
from shengdun.fingerprint.voice.models import VoiceModel
from shengdun.index.accuracy.comparison import (
    CENTRED_COSINE,
    Comparison,
    ComparisonPlan,
    Contender,
    compare,
    cosine_profile,
)
from shengdun.index.accuracy.comparison_report import write_comparison
from shengdun.index.accuracy.corpus import Corpus, read_corpus
from shengdun.index.accuracy.cost import measure_costs
from shengdun.index.accuracy.embeddings import Embedder, EmbeddingCache
from shengdun.index.accuracy.sides import enroll
from shengdun.index.calibration import ProfileMismatch
from shengdun.index.scoring import Scorer

PLAN = ComparisonPlan(conditions=(Condition.PCMU,), seconds=(3.0,), size=5, replicates=20, rounds=4)

MakeContender = Callable[..., Contender]


def quiet(_stage: str, _done: int, _of: int) -> None:
    """Tell nobody."""


def tiny(name: str, seed: int) -> Ecapa:
    """A voice model that costs next to nothing and knows next to nothing."""
    return Ecapa(network(seed), model_id=f"{name}@{seed:012x}", dimension=DIMENSION)


@pytest.fixture(scope="module")
def corpus(council: Path) -> Corpus:
    """The two shortest recordings of six speakers, of two sessions each."""
    whole = read_corpus(council)
    pairs = [own[:2] for own in whole.by_speaker().values() if len(own) > 1]
    return replace(whole, recordings=tuple(one for pair in pairs[:6] for one in pair))


@pytest.fixture(scope="module")
def contend(
    voice_activity: VoiceActivity, tmp_path_factory: pytest.TempPathFactory
) -> MakeContender:
    acoustics = Acoustics.made()
    cache = EmbeddingCache(tmp_path_factory.mktemp("voiceprints"))

    def make(model: VoiceModel) -> Contender:
        embedder = Embedder(model=model, activity=voice_activity, acoustics=acoustics, cache=cache)
        return Contender(model=model, embedder=embedder, size_bytes=1_000)

    return make


@pytest.fixture(scope="module")
def twins(corpus: Corpus, contend: MakeContender) -> Comparison:
    """A model against the same network under another name."""
    contenders = [contend(tiny("one", 1)), contend(tiny("two", 1))]
    return compare(corpus, PLAN, contenders, progress=quiet)


def test_the_same_network_twice_makes_no_difference(twins: Comparison) -> None:
    """Takes, noise, trials and lists are the same for all: of two equal models neither is better, on any draw."""
    first, second = twins.rows
    assert first.scoring == second.scoring == CENTRED_COSINE
    assert first.figures == second.figures
    assert first.figures.keys() == {"eer", "min_dcf", "min_cllr"}
    assert not first.differences
    assert second.differences.keys() == first.figures.keys()
    for figure in second.differences.values():
        assert (figure.value, figure.low, figure.high) == (0.0, 0.0, 0.0)
    [cell] = twins.trialled
    assert cell.speakers == 6
    assert cell.targets > 0
    assert cell.listed > 0


def test_only_a_profile_gives_llrs_to_be_judged(
    corpus: Corpus, contend: MakeContender, tmp_path: Path
) -> None:
    """Cllr is given with a profile alone; a model without one is compared by cosine, and the report says so."""
    calibrated, plain = contend(tiny("one", 1)), contend(tiny("two", 2))
    enrolments = enroll(corpus, calibrated.embedder, DIMENSION, jobs=1, progress=quiet)
    profile = cosine_profile(calibrated.model.model_id, enrolments, name="site")
    contenders = [plain, replace(calibrated, profile=profile)]
    compared = compare(corpus, PLAN, contenders, progress=quiet)
    by_scoring = {(row.model_id.partition("@")[0], row.scoring): row for row in compared.rows}
    assert by_scoring.keys() == {
        ("two", CENTRED_COSINE),
        ("one", CENTRED_COSINE),
        ("one", profile.profile_id),
    }
    assert "cllr" in by_scoring["one", profile.profile_id].figures
    assert not by_scoring["one", profile.profile_id].differences
    difference = by_scoring["one", CENTRED_COSINE].differences["eer"]
    assert difference.low <= difference.value <= difference.high
    report = write_comparison(compared, tmp_path / "new", about=["Run by a test."])
    text = report.read_text(encoding="utf-8")
    assert "Run by a test." in text
    assert "| difference |" in text
    assert "`two@000000000002` has no calibration profile" in text
    assert "`one@000000000001` has no calibration profile" not in text
    content = json.loads((tmp_path / "new" / "report.json").read_text(encoding="utf-8"))
    assert [one["profile_id"] for one in content["models"]] == ["", profile.profile_id]
    eers = {(row["model_id"], row["scoring"]): row["figures"]["eer"] for row in content["rows"]}
    plainly = by_scoring["two", CENTRED_COSINE].figures["eer"]
    assert eers["two@000000000002", CENTRED_COSINE]["value"] == plainly.value


def test_centred_cosine_is_the_cosine_about_the_speakers_mean(
    corpus: Corpus, contend: MakeContender
) -> None:
    """The centre is the mean over speakers, so who has many recordings doesn't pull it; the order is the cosine's."""
    enrolments = enroll(corpus, contend(tiny("one", 1)).embedder, DIMENSION, jobs=1, progress=quiet)
    profile = cosine_profile("one@000000000001", enrolments)
    of_speakers = [
        enrolments.voiceprints[enrolments.speakers == row].astype(np.float64).sum(axis=0)
        for row in range(len(corpus.speakers))
    ]
    centre = np.mean([one / np.linalg.norm(one) for one in of_speakers], axis=0)
    assert profile.mean == pytest.approx(centre, abs=1e-6)
    pair = Scorer(profile).project(enrolments.voiceprints[:2])
    llr = Scorer(profile).pairwise_llr(*enrolments.voiceprints[:2], net_a_s=3.0, net_b_s=20.0)
    assert llr == pytest.approx(30.0 * float(pair[0] @ pair[1]), abs=1e-4)


def test_cost_is_a_ratio_within_a_round(voice_model: VoiceModel) -> None:
    """The first model is its own measure, and a network of one layer costs less than CAM++ beside it."""
    rng = np.random.default_rng(1)
    window = rng.normal(0, 0.1, 48_000).astype(np.float32)
    first, second = measure_costs([voice_model, tiny("one", 1)], [window, window[::-1]], rounds=5)
    assert (first.ratio.low, first.ratio.value, first.ratio.high) == (1.0, 1.0, 1.0)
    assert second.ratio.high < 1.0
    assert first.window_ms.low <= first.window_ms.value <= first.window_ms.high
    assert second.rounds == 5


def test_what_cannot_be_compared_is_refused(corpus: Corpus, contend: MakeContender) -> None:
    """One model alone, one twice, another model's profile: nothing to compare."""
    one = contend(tiny("one", 1))
    for few in ([one], [one, one]):
        with pytest.raises(ValueError, match="two different models"):
            compare(corpus, PLAN, few, progress=quiet)
    enrolments = enroll(corpus, one.embedder, DIMENSION, jobs=1, progress=quiet)
    with pytest.raises(ProfileMismatch):
        replace(one, profile=cosine_profile("two@000000000002", enrolments))
    with pytest.raises(ValueError, match="1 or more"):
        replace(PLAN, rounds=0)
