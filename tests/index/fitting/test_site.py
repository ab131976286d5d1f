"""A site's profile from its calls."""

import dataclasses
from pathlib import Path

import numpy as np
import pytest

from fixtures.site_calls import MODEL_ID, OF_SITES, base_profile, site_calls
from shengdun.index.accuracy import measures
from shengdun.index.calibration import CalibrationProfile, ProfileMismatch, load
from shengdun.index.fitting.calls import MOST_LOOKS, SiteCall, tell_voices
from shengdun.index.fitting.gain import measure_gain
from shengdun.index.fitting.labelled import fit_labelled_profile
from shengdun.index.fitting.site import (
    MOST_STRANGERS,
    CallsAlike,
    LabelsContradict,
    SiteFit,
    TooFewCalls,
    fit_site_profile,
    labelled_trials,
)
from shengdun.index.profile_seal import ProfileKeys
from shengdun.index.scoring import Scorer


def fitted(calls: list[SiteCall], base: CalibrationProfile | None = None) -> SiteFit:
    """A site's profile from some calls."""
    return fit_site_profile(base or base_profile(), calls, name="site", provenance="drawn calls")


def test_a_site_is_centred_on_its_own_callers() -> None:
    """Strangers who all resemble each other by their telephones no longer do under the site's profile."""
    calls, later = site_calls(120), site_calls(120, seed=0)[60:]
    profile = fitted(calls[:60]).profile
    base = Scorer(base_profile())
    site = Scorer(profile)

    def strangers(scorer: Scorer) -> float:
        rows = scorer.project(np.stack([call.voiceprint() for call in later]))
        cosines = rows @ rows.T
        return float(cosines[~np.eye(len(rows), dtype=bool)].mean())

    assert strangers(base) > 0.6
    assert abs(strangers(site)) < 0.1


def test_a_profile_and_its_file_score_alike(tmp_path: Path) -> None:
    """A site's profile comes back whole: same id, same strangers, bound to its base and its model, for its owner."""
    profile = fitted(site_calls(60)).profile
    keys = ProfileKeys(path=tmp_path / "keys.json", may_make=True)
    profile.save(tmp_path / "site.npz", keys)
    assert (tmp_path / "site.npz").stat().st_mode & 0o077 == 0
    again = load(tmp_path / "site.npz", keys)
    assert again.profile_id == profile.profile_id
    assert again.is_site
    assert again.based_on == base_profile().profile_id
    assert again.strangers is not None
    assert profile.strangers is not None
    np.testing.assert_array_equal(again.strangers.voiceprints, profile.strangers.voiceprints)
    np.testing.assert_array_equal(again.strangers.calls, profile.strangers.calls)


def test_who_calls_often_counts_once() -> None:
    """A centre is that of the voices, not of the loudest customer: forty calls of one voice hardly move it."""
    alone = site_calls(80)
    often = site_calls(80, of_voice=[41] + [1] * 79)
    voices = tell_voices(
        often, Scorer(dataclasses.replace(base_profile(), mean=fitted(alone).profile.mean))
    )
    assert voices.count == pytest.approx(80, abs=3)
    by_label = [dataclasses.replace(call, speaker=call.name.split("/")[0]) for call in often]
    weighted = fitted(by_label).profile.mean
    unweighted = np.mean([call.voiceprint() for call in often], axis=0)
    honest = np.mean([call.voiceprint() for call in often[:1] + often[41:]], axis=0)
    assert np.linalg.norm(weighted - honest) < 0.5 * np.linalg.norm(unweighted - honest)


def test_strangers_are_one_call_a_voice_at_growing_speech() -> None:
    """Levels are derived from each voice once, after every window that a live call is decided on."""
    calls = [
        dataclasses.replace(call, speaker=call.name.split("/")[0])
        for call in site_calls(60, calls_each=2, windows=9)
    ]
    strangers = fitted(calls).profile.strangers
    assert strangers is not None
    assert strangers.call_count == 60
    looks = strangers.net_speech_s[strangers.calls == strangers.calls[0]]
    assert looks.tolist() == [3.0 * look for look in range(1, MOST_LOOKS + 1)]
    assert strangers.call_count <= MOST_STRANGERS


def test_too_few_voices_are_refused() -> None:
    """Forty calls, or a thousand of two people, are refused with what is needed."""
    with pytest.raises(TooFewCalls, match=r"40 calls .*needs 50"):
        fitted(site_calls(40))
    with pytest.raises(TooFewCalls, match=r"about [34]\d voices.*needs 50"):
        fitted(site_calls(40, calls_each=2))
    with pytest.raises(CallsAlike, match="a voice or two"):
        fitted(site_calls(2, calls_each=60, labelled=True))


def test_calls_of_one_prompt_are_refused() -> None:
    """Recordings that all hold the same prompt differ in next to nothing, and say so instead of giving NaN."""
    one = site_calls(1)[0]
    calls = [dataclasses.replace(one, name=str(row), speaker=str(row)) for row in range(60)]
    with pytest.raises(CallsAlike, match="recorded prompt"):
        fitted(calls)


def test_a_sites_profile_is_no_base() -> None:
    """A site's profile is made from one that ships, never from another site's."""
    site = fitted(site_calls(60)).profile
    with pytest.raises(ProfileMismatch, match="ships"):
        fitted(site_calls(60), base=site)


def test_a_gain_is_seen_and_sure() -> None:
    """Where a site lies far from the base, its profile is found to be better, on calls that it wasn't made from."""
    fit = fitted(site_calls(100))
    gain = measure_gain(fit, base_profile())
    assert gain is not None
    assert not gain.labelled
    assert gain.is_sure
    assert gain.change["cllr"].value < 0.0
    assert gain.base["cllr"].value - gain.site["cllr"].value == pytest.approx(
        -gain.change["cllr"].value
    )


def test_no_gain_is_not_called_one() -> None:
    """Where a site lies where the base does, nobody is told of a gain."""
    gain = measure_gain(fitted(site_calls(100, offset=0.0)), base_profile())
    assert gain is not None
    assert not gain.is_sure


def test_labels_move_the_map_towards_them() -> None:
    """A map that exaggerates is corrected by labelled calls, and few labels move nothing but say so."""
    wild = dataclasses.replace(OF_SITES, slope=40.0, offset=-8.0, cap=15.0, floor=-8.0)
    base = dataclasses.replace(base_profile(), site_coefficients=wild)
    fit = fitted(site_calls(80, calls_each=3, labelled=True), base=base)
    assert fit.labelled_voices == 80
    assert 0.0 < fit.profile.coefficients.slope + fit.profile.coefficients.bend < 40.0
    gain = measure_gain(fit, base)
    assert gain is not None
    assert gain.labelled
    assert gain.site["cllr"].value < gain.base["cllr"].value
    calls = site_calls(63, of_voice=[1] * 60 + [2] * 3, labelled=True)
    few = [dataclasses.replace(call, speaker=None) for call in calls[:60]] + calls[60:]
    unmoved = fitted(few)
    assert unmoved.labelled_voices == 0
    assert unmoved.profile.coefficients == OF_SITES
    assert "3 voices" in unmoved.warnings[0]


def test_the_same_voices_again_make_no_gain_surer() -> None:
    """With labels voices are drawn again, and not calls: four copies of each call tell nothing new."""
    calls = site_calls(60, calls_each=2, labelled=True)
    spans = []
    for copies in (1, 4):
        gain = measure_gain(fitted(calls * copies), base_profile())
        assert gain is not None
        assert gain.labelled
        spans.append(gain.change["cllr"].high - gain.change["cllr"].low)
    assert spans[1] > 0.7 * spans[0]


def test_a_model_without_a_profile_gets_one_from_labels() -> None:
    """Labelled calls alone make a calibrated profile; its evidence on other voices of the site is right."""
    calls = site_calls(160, calls_each=2, labelled=True)
    fit = fit_labelled_profile(MODEL_ID, calls[:160], name="own", provenance="drawn")
    assert fit.profile.is_site
    trials = labelled_trials(fit.profile, calls[160:])
    llrs = fit.profile.coefficients.llr(trials.scores, trials.sides)
    targets, others = llrs[trials.is_target], llrs[~trials.is_target]
    assert measures.cllr(targets, others) - measures.min_cllr(targets, others) < 0.08
    assert measures.eer(targets, others) < 0.1
    with pytest.raises(TooFewCalls, match="30 voices"):
        fit_labelled_profile(MODEL_ID, calls[:60], name="own", provenance="drawn")


def test_labels_at_random_make_no_profile() -> None:
    """Labels that have nothing to do with the voices are refused, not calibrated to."""
    calls = site_calls(120, calls_each=2)
    shuffled = np.random.default_rng(4).permutation(len(calls))
    wrong = [
        dataclasses.replace(call, speaker=f"v{place // 2}")
        for call, place in zip(calls, shuffled.tolist(), strict=True)
    ]
    with pytest.raises(LabelsContradict, match="labels can't be right"):
        fit_labelled_profile(MODEL_ID, wrong, name="own", provenance="drawn")
    with pytest.raises(LabelsContradict, match=r"labels can't be right.* the labels of 0/0, 0/1,"):
        fitted(wrong)


def test_labels_that_contradict_the_voices_are_named() -> None:
    """Where two labels were swapped the calls of these two are named, and no other; right labels cause no doubt."""
    right = site_calls(120, calls_each=2, labelled=True)
    assert not fitted(right).warnings
    swapped = list(right)
    swapped[0] = dataclasses.replace(right[0], speaker=right[20].speaker)
    swapped[20] = dataclasses.replace(right[20], speaker=right[0].speaker)
    for fit in (
        fitted(swapped),
        fit_labelled_profile(MODEL_ID, swapped, name="own", provenance="drawn"),
    ):
        (warning,) = fit.warnings
        named = warning.removeprefix("the labels of ").partition(" look wrong: ")[0].split(", ")
        assert "10/0" in named
        assert set(named) <= {"0/0", "0/1", "10/0", "10/1"}
