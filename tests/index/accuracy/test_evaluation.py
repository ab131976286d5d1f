"""A small evaluation of real speech: the demo recordings, several sessions a speaker."""

import json
import shutil
import xml.etree.ElementTree as ET
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from fixtures import signals
from shengdun.fingerprint.voice.acoustics import Acoustics
from shengdun.fingerprint.voice.activity import VoiceActivity
from shengdun.fingerprint.voice.conditions import Condition
from shengdun.fingerprint.voice.models import VoiceModel
from shengdun.index.accuracy.corpus import Corpus, read_corpus
from shengdun.index.accuracy.embeddings import WHOLE, Embedder, EmbeddingCache, Take
from shengdun.index.accuracy.evaluation import Cell, Evaluation, Plan, evaluate
from shengdun.index.accuracy.identification import LinePolicy, Watchlists, _enrolled_rows
from shengdun.index.accuracy.report import write_report
from shengdun.index.accuracy.sides import enroll, may_be_compared, place_calls
from shengdun.index.calibration import default_profile
from shengdun.index.posterior import open_set_posterior
from shengdun.index.scoring import Scorer
from shengdun.index.search import rank
from shengdun.index.segments import NEVER_US, Row, append

POLICY = LinePolicy(name="default", prior=0.03, medium=0.5, high=0.95)
PLAN = Plan(
    conditions=(Condition.PCMU, Condition.NOISE_0_DB),
    policy=POLICY,
    seconds=(3.0,),
    sizes=(5, 50),
    replicates=50,
)

MakeEmbedder = Callable[[Path | None], Embedder]


def quiet(_stage: str, _done: int, _of: int) -> None:
    """Tell nobody."""


@pytest.fixture(scope="session")
def make_embedder(voice_model: VoiceModel, voice_activity: VoiceActivity) -> MakeEmbedder:
    def make(cache: Path | None) -> Embedder:
        return Embedder(
            model=voice_model,
            activity=voice_activity,
            acoustics=Acoustics.made(),
            cache=EmbeddingCache(cache),
        )

    return make


@pytest.fixture(scope="session")
def cache(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("voiceprints")


@pytest.fixture(scope="session")
def corpus(council: Path, tmp_path_factory: pytest.TempPathFactory) -> Corpus:
    """The demo recordings, and one of S1's in which nobody speaks."""
    folder = tmp_path_factory.mktemp("with-silence") / "corpus"
    shutil.copytree(council.parent, folder)
    (folder / "silent.wav").write_bytes(signals.wav_file(signals.silence(5.0)))
    with (folder / council.name).open("a", encoding="utf-8") as manifest:
        manifest.write("silent.wav,S1,elsewhere,f\r\n")
    return read_corpus(folder)


@pytest.fixture(scope="session")
def evaluation(
    corpus: Corpus, make_embedder: MakeEmbedder, cache: Path, voice_model: VoiceModel
) -> Evaluation:
    scorer = Scorer(default_profile(voice_model.model_id))
    return evaluate(
        corpus,
        PLAN,
        make_embedder(cache),
        scorer,
        dimension=voice_model.dimension,
        progress=quiet,
    )


def cell_of(evaluation: Evaluation, condition: Condition) -> Cell:
    [cell] = [c for c in evaluation.cells if c.condition is condition and not c.group]
    return cell


def test_real_voices_are_recognised_and_noise_makes_it_harder(evaluation: Evaluation) -> None:
    """Three seconds over G.711 tell most council members apart; noise as loud as the voice does not."""
    clean = cell_of(evaluation, Condition.PCMU).verification.figures
    noisy = cell_of(evaluation, Condition.NOISE_0_DB).verification.figures
    assert clean["eer"].value < 0.2
    assert clean["eer"].value < noisy["eer"].value
    assert clean["min_cllr"].value <= clean["cllr"].value < 0.7


def test_every_figure_lies_in_its_interval(evaluation: Evaluation) -> None:
    """Intervals are never empty of what they are about."""
    checked = 0
    for cell in evaluation.cells:
        found = [cell.verification.figures, *(i.figures for i in cell.identification.values())]
        for figure in (figure for figures in found for figure in figures.values()):
            assert figure.low <= figure.value <= figure.high
            checked += 1
    assert checked > 20


def test_a_recording_without_speech_is_a_miss_and_not_left_out(evaluation: Evaluation) -> None:
    """The silent recording is listed, and trials of its speaker with it count as failed."""
    assert list(evaluation.failures) == ["silent.wav"]
    assert cell_of(evaluation, Condition.PCMU).verification.failed > 0
    assert evaluation.call_failures["pcmu"] == 1


def test_longer_lists_are_filled_up_and_say_so(evaluation: Evaluation) -> None:
    """Nine speakers fill a list of five; of one of fifty most don't exist, and the share is told."""
    lists = cell_of(evaluation, Condition.PCMU).identification
    assert lists[5].made_share == 0.0
    assert lists[5].own_share == 1.0
    assert lists[50].made_share == pytest.approx(42 / 50)
    assert lists[50].own_share + lists[50].made_share == pytest.approx(1.0)


def test_more_certainty_flags_fewer(evaluation: Evaluation) -> None:
    """At a higher level fewer strangers are flagged and more of the listed are missed."""
    for found in cell_of(evaluation, Condition.PCMU).identification.values():
        rates = {name: figure.value for name, figure in found.figures.items()}
        assert rates["fpir_high"] <= rates["fpir_medium"]
        assert rates["fnir_high"] >= rates["fnir_medium"]


def test_groups_are_told_apart_where_they_are_known(evaluation: Evaluation) -> None:
    """Sex is in the manifest; four speakers are too few for a group, five are enough."""
    assert {cell.group for cell in evaluation.cells} == {"", "sex f"}


def test_a_run_is_taken_up_from_the_cache(
    corpus: Corpus,
    evaluation: Evaluation,
    make_embedder: MakeEmbedder,
    cache: Path,
    voice_model: VoiceModel,
    tmp_path: Path,
) -> None:
    """With every recording gone the same figures come out: all voiceprints were kept."""
    gone = replace(
        corpus,
        recordings=tuple(replace(one, path=tmp_path / "gone") for one in corpus.recordings),
    )
    told: list[tuple[str, int, int]] = []
    again = evaluate(
        gone,
        replace(PLAN, jobs=2),
        make_embedder(cache),
        Scorer(default_profile(voice_model.model_id)),
        dimension=voice_model.dimension,
        progress=lambda *step: told.append(step),
    )
    first, second = (cell_of(each, Condition.PCMU) for each in (evaluation, again))
    assert first.verification.figures == second.verification.figures
    assert [one.figures for one in first.identification.values()] == [
        one.figures for one in second.identification.values()
    ]
    assert ("enrolments", len(corpus.recordings), len(corpus.recordings)) in told


def test_the_cache_is_not_trusted_when_it_is_damaged(
    corpus: Corpus, make_embedder: MakeEmbedder, tmp_path: Path
) -> None:
    """A damaged entry is made anew, and another condition is another entry."""
    embedder = make_embedder(tmp_path)
    take = Take(recordings=corpus.recordings[:1], condition=Condition.PCMU, seconds=(3.0, WHOLE))
    once = embedder.embed(take)
    [entry] = tmp_path.rglob("*.npz")
    entry.write_bytes(b"damaged")
    again = embedder.embed(take)
    assert np.array_equal(once.voiceprints[3.0], again.voiceprints[3.0])
    embedder.embed(replace(take, condition=Condition.PCMA))
    assert len(list(tmp_path.rglob("*.npz"))) == 2


def test_a_call_ends_after_as_much_speech_as_was_asked_for(
    corpus: Corpus, make_embedder: MakeEmbedder
) -> None:
    """Voiceprints are of exactly the net speech that is asked for; of more than there is, there is none."""
    longest = max(corpus.recordings, key=lambda one: one.path.stat().st_size)
    take = Take(recordings=(longest,), condition=Condition.PCMU, seconds=(3.0, 5.0, 1000.0, WHOLE))
    heard = make_embedder(None).embed(take)
    assert heard.net_speech_s[3.0] == 3.0
    assert heard.net_speech_s[5.0] == 5.0
    assert heard.net_speech_s[WHOLE] > 5.0
    assert 1000.0 not in heard.voiceprints


def test_no_call_is_compared_with_itself_or_its_session(
    corpus: Corpus, make_embedder: MakeEmbedder, cache: Path, voice_model: VoiceModel
) -> None:
    """The enrolments that a call may meet are its speaker's, of other meetings."""
    embedder = make_embedder(cache)
    enrolments = enroll(corpus, embedder, voice_model.dimension, jobs=1, progress=quiet)
    calls = place_calls(
        corpus, enrolments, embedder, Condition.PCMU, (3.0,), jobs=1, progress=quiet
    )
    for call in range(len(calls.recordings)):
        for row in np.flatnonzero(may_be_compared(enrolments, calls, call)):
            enrolled = enrolments.recordings[row]
            assert enrolled.speaker == calls.recordings[call][0].speaker
            assert enrolled not in calls.recordings[call]
            assert enrolled.session not in {one.session for one in calls.recordings[call]}


def test_calls_that_noise_cuts_short_are_counted(evaluation: Evaluation) -> None:
    """Noise hides speech; calls that become too short by it are told, not dropped in silence."""
    clean, noisy = (cell_of(evaluation, each) for each in PLAN.conditions)
    lists = clean.identification[5].strangers - noisy.identification[5].strangers
    lost = noisy.shortened - clean.shortened
    lost += evaluation.call_failures["noise-0"] - evaluation.call_failures["pcmu"]
    assert lists == lost > 0


def test_lists_are_searched_as_the_service_searches_them(
    corpus: Corpus, make_embedder: MakeEmbedder, cache: Path, voice_model: VoiceModel
) -> None:
    """A stranger's posterior is that of the service's own search in the same voiceprints."""
    embedder, scorer = make_embedder(cache), Scorer(default_profile(voice_model.model_id))
    enrolments = enroll(corpus, embedder, voice_model.dimension, jobs=1, progress=quiet)
    calls = place_calls(
        corpus, enrolments, embedder, Condition.PCMU, (3.0,), jobs=1, progress=quiet
    )
    others = len(corpus.speakers) - 1
    lists = Watchlists(enrolments, scorer, POLICY, largest=others, seed=1)
    measured = lists.search(calls, 3.0, (others,))[others]
    order = np.random.default_rng(1).permutation(len(enrolments.recordings))
    for place, call in enumerate(calls.ready(3.0)[:5]):
        caller = int(calls.speakers[call])
        nobody = np.zeros(len(order), dtype=bool)
        rows = [
            Row(
                voiceprint_id=str(row),
                actor_id=enrolments.recordings[row].speaker,
                actor_code=int(enrolments.speakers[row]),
                expires_us=NEVER_US,
                net_speech_s=float(enrolments.net_speech_s[row]),
                vector=enrolments.voiceprints[row],
                snr_db=float(enrolments.snr_db[row]),
            )
            for row in _enrolled_rows(enrolments, order, caller, nobody)
        ]
        heard = calls.heard[call]
        ranking = rank(
            append((), rows, scorer),
            scorer,
            heard.voiceprints[3.0],
            net_speech_s=heard.net_speech_s[3.0],
            at_us=0,
            snr_db=heard.snr_db,
        )
        posterior = open_set_posterior(ranking.llrs, prior_on_list=POLICY.prior, actors=others)
        # The service compares vectors of 16 bits a component: LLRs move by less than 0.001.
        assert measured.stranger[place] == pytest.approx(posterior.on_list, rel=1e-3)


def test_the_report_is_for_people_and_programs(evaluation: Evaluation, tmp_path: Path) -> None:
    """Markdown marks synthetic lists and names failures, JSON has every figure, plots are SVG."""
    report = write_report(evaluation, tmp_path / "new", about=["Run by a test."])
    text = report.read_text(encoding="utf-8")
    assert "Run by a test." in text
    assert "50, **84 % synthetic**" in text
    assert "`silent.wav` can't be enrolled" in text
    content = json.loads((tmp_path / "new" / "report.json").read_text(encoding="utf-8"))
    cell = content["cells"][0]
    whole = cell_of(evaluation, Condition.PCMU).verification.figures["eer"]
    assert cell["verification"]["figures"]["eer"]["value"] == whole.value
    assert {found["actors"] for found in cell["identification"]} == {5, 50}
    for name in ("det-pcmu.svg", "det-noise-0.svg"):
        assert f"]({name})" in text
        plot = ET.fromstring((tmp_path / "new" / name).read_text(encoding="utf-8"))  # noqa: S314 - our own
        assert plot.findall(".//{http://www.w3.org/2000/svg}polyline")
