"""A decision that was made long ago can be computed again."""

import json
from pathlib import Path

import numpy as np
import pytest

from fixtures.site_calls import base_profile, site_calls
from shengdun.index.calibration import (
    VERSION,
    CalibrationProfile,
    ProfileVersionUnknown,
    load,
)
from shengdun.index.fitting.site import fit_site_profile
from shengdun.index.profile_library import ProfileLibrary
from shengdun.index.profile_seal import ProfileKeys
from shengdun.index.scoring import Scorer
from shengdun.index.search import Ranking, rank
from shengdun.index.segments import NEVER_US, Row, append


def _ranking(profile: CalibrationProfile) -> Ranking:
    """What one call is said to be, under a profile, on a list of forty drawn actors."""
    scorer = Scorer(profile)
    calls = site_calls(41, seed=5)
    rows = [
        Row(
            voiceprint_id=f"vp{number}",
            actor_id=f"actor{number}",
            actor_code=number,
            expires_us=NEVER_US,
            net_speech_s=call.total_s,
            vector=call.voiceprint(),
            snr_db=float(5 + number % 20),
        )
        for number, call in enumerate(calls[1:])
    ]
    segments = append((), rows, scorer)
    return rank(segments, scorer, calls[0].voiceprint(2), net_speech_s=6.0, at_us=0, snr_db=12.5)


def test_an_old_decision_is_scored_again_to_the_last_bit(tmp_path: Path) -> None:
    """The profile that a decision names is still in the library, and gives the same LLRs from the same voiceprints."""
    first = fit_site_profile(
        base_profile(), site_calls(60), name="march", provenance="drawn"
    ).profile
    keys = ProfileKeys(path=tmp_path / "keys.json", may_make=True)
    library = ProfileLibrary(tmp_path / "profiles", keys)
    library.keep(first)
    then = _ranking(first)
    second = fit_site_profile(
        base_profile(), site_calls(60, seed=3), name="april", provenance="drawn"
    ).profile
    library.keep(second)
    named = library.get(first.profile_id)
    again = _ranking(named)
    assert again.actor_ids == then.actor_ids
    np.testing.assert_array_equal(again.llrs, then.llrs)
    assert not np.array_equal(_ranking(second).llrs, then.llrs)


def test_a_profile_of_a_newer_version_is_refused_with_what_to_do(tmp_path: Path) -> None:
    """A file that a newer program wrote isn't called damaged: the message names both versions."""
    path = tmp_path / "base.npz"
    base_profile().save(path)
    with np.load(path) as stored:
        arrays = {name: stored[name] for name in stored.files}
    metadata = json.loads(arrays.pop("metadata").tobytes())
    name = metadata["format"].partition("/")[0]
    metadata["format"] = f"{name}/{VERSION + 2}"
    text = np.frombuffer(json.dumps(metadata).encode(), dtype=np.uint8)
    np.savez(path, metadata=text, **arrays)
    with pytest.raises(
        ProfileVersionUnknown,
        match=rf"version {VERSION + 2}.*reads 2 to {VERSION + 1}",
    ):
        load(path)
