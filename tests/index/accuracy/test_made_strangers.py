"""Strangers that are made for lists longer than a corpus."""

from pathlib import Path

import numpy as np

from shengdun.index.accuracy.corpus import CorpusRecording
from shengdun.index.accuracy.made_strangers import make_strangers
from shengdun.index.accuracy.sides import Enrolments
from shengdun.index.scoring import unit_rows

SPEAKERS, EACH, DIMENSION = 6, 12, 32


def _enrolments(*, moved: float = 0.0, of_a_pair: int = 0) -> Enrolments:
    """Recordings of six drawn voices, the first of which lies further off by ``moved``; so many are a corpus apart."""
    rng = np.random.default_rng(3)
    speakers = np.repeat(np.arange(SPEAKERS), EACH)
    rows = rng.standard_normal((SPEAKERS, DIMENSION))[speakers]
    rows = rows + 0.3 * rng.standard_normal((len(speakers), DIMENSION))
    rows[speakers == 0] += moved
    recordings = tuple(
        CorpusRecording(
            name=f"{row}", path=Path(f"{row}"), speaker=f"{speaker}", session=f"{row}",
            corpus="pair" if speaker < of_a_pair else "rest", language="", sex="", sha256=f"{row}",
        )
        for row, speaker in enumerate(speakers.tolist())
    )  # fmt: skip
    return Enrolments(
        recordings=recordings,
        speakers=speakers,
        failed=np.zeros(len(speakers), dtype=np.bool_),
        voiceprints=unit_rows(rows.astype(np.float32)),
        net_speech_s=np.full(len(speakers), 5.0),
        snr_db=np.full(len(speakers), 20.0),
        failures={},
    )


def test_a_caller_has_no_part_in_the_strangers_that_the_call_is_compared_with() -> None:
    """Whatever the caller sounds like, the crowd is the same: else it is full of the caller's likes, and is flagged."""
    here, there = (
        make_strangers(_enrolments(moved=moved), "rest", count=200, seed=1) for moved in (0.0, 3.0)
    )
    np.testing.assert_allclose(here.apart_from(0), there.apart_from(0), atol=1e-5)
    assert abs(here.voiceprints() - there.voiceprints()).max() > 0.1
    of_caller = unit_rows(_enrolments(moved=3.0).voiceprints[:1])[0]
    assert (there.voiceprints() @ of_caller).mean() > (there.apart_from(0) @ of_caller).mean() + 0.1


def test_a_corpus_of_few_speakers_is_joined_by_the_others() -> None:
    """A crowd made of two people would be these two over and over, however many recordings there are of them."""
    enrolments = _enrolments(of_a_pair=2)
    assert set(make_strangers(enrolments, "pair", count=1, seed=1).speakers) == set(range(SPEAKERS))
    enrolments = _enrolments(of_a_pair=5)
    assert set(make_strangers(enrolments, "pair", count=1, seed=1).speakers) == set(range(5))
