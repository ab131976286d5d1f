"""The spread that ships."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from fixtures.store import make_scorer
from shengdun.index.calibration import default_profile
from shengdun.index.scoring import Scorer
from shengdun.index.strangers import Strangers
from shengdun.index.voices.shipped import (
    SpreadMissing,
    default_spread,
    load_spread,
    save_spread,
    shipped_spread,
)

MODEL_ID = "campplus-zh-en@92f29b94e694"


def test_the_default_model_has_one() -> None:
    """It fits the default profile, and its voices lie further apart than calls of one voice."""
    scorer = Scorer(default_profile(MODEL_ID))
    spread = shipped_spread(scorer)
    assert spread is not None
    assert len(spread.centre) == scorer.profile.dimension
    assert spread.between.max() > spread.stray > 0.0
    assert 0.0 < spread.scale <= 1.0


def test_other_models_have_none() -> None:
    """A model without a spread is told apart from a damaged file."""
    assert shipped_spread(make_scorer("other@000000000000", 192)) is None
    with pytest.raises(SpreadMissing, match="other@0"):
        default_spread("other@000000000000")


def test_a_site_is_spread_around_its_own_callers() -> None:
    """Under a site's profile the centre is that of the site's callers; all else is as shipped."""
    shipped = default_profile(MODEL_ID)
    rows = np.random.default_rng(1).standard_normal((40, 192)).astype(np.float32)
    callers = (rows + 3.0) / np.linalg.norm(rows + 3.0, axis=1, keepdims=True)
    strangers = Strangers(
        voiceprints=callers.astype(np.float32),
        net_speech_s=np.full(40, 5.0),
        calls=np.arange(40),
        snr_db=np.full(40, np.nan),
    )
    site = Scorer(replace(shipped, based_on=shipped.profile_id, strangers=strangers))
    spread, default = shipped_spread(site), default_spread(MODEL_ID)
    assert spread is not None
    np.testing.assert_allclose(
        spread.centre, site.project(callers.astype(np.float32)).mean(axis=0), atol=1e-6
    )
    np.testing.assert_array_equal(spread.between, default.between)


def test_a_file_survives_and_a_damaged_one_is_named(tmp_path: Path) -> None:
    """What is saved is read again; a file that was cut off is told by name."""
    spread = default_spread(MODEL_ID)
    path = tmp_path / "spread.npz"
    save_spread(path, spread, model_id=MODEL_ID, provenance="a test")
    known, read = load_spread(path)
    assert known == MODEL_ID
    np.testing.assert_array_equal(read.axes, spread.axes)
    assert read.offset == spread.offset
    path.write_bytes(path.read_bytes()[:1000])
    with pytest.raises(SpreadMissing, match=r"spread\.npz"):
        load_spread(path)
