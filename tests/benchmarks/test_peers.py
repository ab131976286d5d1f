"""The comparison with peers, on the demo recordings: real models, the command as people run it."""

import csv
import json
import subprocess
import sys
from collections import defaultdict
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from benchmarks.accuracy.one_person import options
from benchmarks.accuracy.peers import PlainPath, loud_parts
from benchmarks.accuracy.profiles import site_profiles
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from shengdun.fingerprint.voice.models import VoiceModel
from shengdun.fingerprint.voice.samples import Samples
from shengdun.index.accuracy.corpus import Corpus, CorpusRecording
from shengdun.index.accuracy.embeddings import WHOLE, Heard
from shengdun.index.accuracy.sides import Calls
from shengdun.index.calibration import default_profile
from shengdun.index.scoring import unit_rows

SPEAKERS, RECORDINGS = 6, 2
REPOSITORY = Path(__file__).parents[2]
OURS, PLAIN, TELEPHONE = "ours, shipped profile", "plain path", "plain path, enrolled by telephone"


def compare(corpus: Path, models: Path, output: Path, *options: str) -> Any:  # noqa: ANN401 (a JSON file)
    """Run the command and read what it wrote."""
    run = subprocess.run(
        [
            sys.executable, "-m", "benchmarks.accuracy.compare", str(corpus), str(models), str(output),
            "--condition", "pcmu", "--seconds", "3", "--replicates", "40", *options,
        ],
        cwd=REPOSITORY, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert run.returncode == 0, run.stderr
    return json.loads((output / "peers.json").read_text())


@pytest.fixture(scope="session")
def few(council: Path) -> Path:
    """Two short recordings of each of six speakers, of two meetings."""
    with council.open(newline="", encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    rows.sort(key=lambda row: (council.parent / row["path"]).stat().st_size)
    of_speaker: dict[str, list[dict[str, str]]] = defaultdict(list)
    for row in rows:
        of_speaker[row["speaker"]].append(row)
    several = [own for own in of_speaker.values() if len(own) >= RECORDINGS][:SPEAKERS]
    chosen = [row for own in several for row in own[:RECORDINGS]]
    manifest = council.with_name("few.csv")
    with manifest.open("w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, fieldnames=list(chosen[0]))
        writer.writeheader()
        writer.writerows(chosen)
    return manifest


def shipped_cell(found: Any) -> Any:  # noqa: ANN401
    """The one condition and length that is measured, with the profile that ships."""
    [cell] = [cell for cell in found["cells"] if cell["profile"] == "shipped profile"]
    return cell


@pytest.fixture(scope="session")
def cache(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("peer-voiceprints")


@pytest.fixture(scope="session")
def report(
    few: Path, models_dir: Path, cache: Path, tmp_path_factory: pytest.TempPathFactory
) -> Path:
    output = tmp_path_factory.mktemp("peers")
    compare(few, models_dir, output, "--cache", str(cache))
    return output


@pytest.fixture
def found(report: Path) -> Any:  # noqa: ANN401 (a JSON file)
    return json.loads((report / "peers.json").read_text())


def test_every_system_tells_the_voices_apart(found: Any) -> None:  # noqa: ANN401
    """Six people over G.711 at 3 s. So few don't say who is ahead, but a side that was mixed up would show."""
    cell = shipped_cell(found)
    assert set(cell["systems"]) == {OURS, PLAIN, TELEPHONE}
    assert cell["targets"] == SPEAKERS * RECORDINGS
    assert cell["listed"] == cell["strangers"] == SPEAKERS * RECORDINGS
    for figures in cell["systems"].values():
        assert figures["eer"][0] < 0.2
        assert figures["min_cllr"][0] < 0.4


def test_differences_are_those_of_the_figures(found: Any) -> None:  # noqa: ANN401
    """A relative difference is ours over the peer's less 1, and lies in its interval."""
    cell = shipped_cell(found)
    assert {each["peer"] for each in cell["relative"]} == {PLAIN, TELEPHONE}
    for each in cell["relative"]:
        for measure in ("eer", "mean_eer", "min_dcf", "min_cllr"):
            value, low, high = each[measure]
            ours, peer = (cell["systems"][each[side]][measure][0] for side in ("ours", "peer"))
            assert value == pytest.approx(ours / peer - 1.0, abs=1e-3)
            assert low <= value <= high


def test_a_cosine_has_no_cllr(found: Any) -> None:  # noqa: ANN401
    """Only what is calibrated can be honest or not."""
    cell = shipped_cell(found)
    assert [name for name, figures in cell["systems"].items() if "cllr" in figures] == [OURS]


def test_the_report_names_every_system_and_what_is_lost(report: Path) -> None:
    """The Markdown says who was compared and where ours is behind; the plot has a curve for each."""
    text = (report / "peers.md").read_text()
    assert "## Where ours is not ahead" in text
    [plot] = report.glob("det-peers-*-shipped.svg")
    assert plot.name in text
    assert plot.read_text().count("<polyline") == 3


def test_a_second_run_takes_everything_from_the_cache(
    few: Path,
    models_dir: Path,
    cache: Path,
    found: Any,  # noqa: ANN401
    tmp_path: Path,
) -> None:
    """Nothing is embedded again, and the figures are the same to the last digit."""
    kept = sorted(cache.rglob("*.npz"))
    again = compare(few, models_dir, tmp_path, "--cache", str(cache))
    assert again == found
    assert sorted(cache.rglob("*.npz")) == kept


def test_a_peer_that_is_not_installed_is_named(few: Path, models_dir: Path, tmp_path: Path) -> None:
    """An interpreter without Resemblyzer ends the run before anything is embedded, and says what to do."""
    run = subprocess.run(
        [
            sys.executable, "-m", "benchmarks.accuracy.compare", str(few), str(models_dir), str(tmp_path),
            "--resemblyzer", sys.executable,
        ],
        cwd=REPOSITORY, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert run.returncode == 1
    assert "PEERS=no leaves it out" in run.stderr
    assert "No module named 'resemblyzer'" in run.stderr


@given(
    frames=arrays.arrays(
        np.float32, st.tuples(st.integers(1, 12), st.just(320)), elements=st.floats(-1, 1, width=32)
    ),
    rest=st.integers(0, 319),
)
def test_pauses_are_cut_out_and_nothing_else(frames: Samples, rest: int) -> None:
    """Frames within 30 dB of the loudest stay as they are, in order; what is quieter, and a broken frame, goes."""
    power = (frames.astype(np.float64) ** 2).mean(axis=1)
    expected = frames[(power > 0) & (power >= power.max() / 1_000)]
    speech = np.concatenate([frames.reshape(-1), np.zeros(rest, np.float32)])
    assert np.array_equal(loud_parts(speech), expected.reshape(-1))


def test_the_plain_path_is_one_window_of_the_first_seconds(voice_model: VoiceModel) -> None:
    """What comes after the seconds that are asked for changes nothing, and half a second is the least."""
    peer = PlainPath(voice_model)
    speech = np.random.default_rng(1).normal(0.0, 0.1, 5 * 16_000).astype(np.float32)
    first = peer.embed(speech, (3.0,))[3.0]
    assert first is not None
    assert np.array_equal(first, voice_model.embed([speech[:48_000]])[0])
    assert peer.embed(speech[:7_000], (3.0, WHOLE)) == {3.0: None, WHOLE: None}
    assert peer.embed(np.zeros(48_000, np.float32), (3.0,)) == {3.0: None}


def test_a_site_profile_knows_nothing_of_those_who_are_scored(voice_model: VoiceModel) -> None:
    """Whatever the speakers who are held out say, the profile stays the same; what the others say changes it."""
    speakers = [f"P{number:02}" for number in range(20)]
    held_out = frozenset(speakers[:6])
    default = default_profile(voice_model.model_id)
    base = replace(default, site_coefficients=default.coefficients)

    def mean_of(voices: Samples) -> Samples:
        recordings = [recording_of(speaker) for speaker in speakers]
        corpus = Corpus(recordings=tuple(recordings), sessions_known=False, warnings=())
        calls = Calls(
            recordings=tuple((recording,) for recording in recordings),
            seconds=((3.0,),) * len(speakers),
            speakers=np.arange(len(speakers)),
            heard=tuple(Heard(voiceprints={3.0: row}, net_speech_s={3.0: 3.0}) for row in voices),
            expected_s=np.full(len(speakers), 3.0),
        )
        profile_of = site_profiles(lambda _corpus, _speakers: base, corpus, calls)
        profile = profile_of("made", held_out)
        assert profile.based_on == base.profile_id
        return profile.mean

    rng = np.random.default_rng(1)
    voices = unit_rows(rng.normal(size=(len(speakers), default.dimension)))
    others = unit_rows(rng.normal(size=voices.shape))
    mean = mean_of(voices)
    assert np.array_equal(mean_of(np.concatenate([others[:6], voices[6:]])), mean)
    assert not np.array_equal(mean_of(np.concatenate([voices[:6], others[6:]])), mean)


def recording_of(speaker: str) -> CorpusRecording:
    """A recording that nobody reads."""
    return CorpusRecording(
        name=speaker, path=Path(speaker), speaker=speaker, session=speaker, corpus="made",
        language="", sex="", sha256=speaker,
    )  # fmt: skip


def test_people_with_two_names_are_joined_where_a_corpus_has_both(few: Path) -> None:
    """Those known to be one are named; a name that stands alone is left as it is."""
    with few.open(newline="", encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    names = dict(
        zip({row["speaker"]: None for row in rows}, ["ast_en", "ast_es", "fs_june"], strict=False)
    )
    manifest = few.with_name("prompts.csv")
    with manifest.open("w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, fieldnames=["path", "speaker", "corpus"])
        writer.writeheader()
        writer.writerows(
            {"path": row["path"], "speaker": names[row["speaker"]], "corpus": "pbx_prompts"}
            for row in rows
            if row["speaker"] in names
        )
    assert options(manifest) == ["--same-speaker", "pbx_prompts/ast_es=pbx_prompts/ast_en"]
