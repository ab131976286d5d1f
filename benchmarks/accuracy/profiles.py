"""The calibration profiles that a corpus may be scored by: none that was fitted on the speakers who are scored."""

from functools import cache
from pathlib import Path

import numpy as np
from benchmarks.accuracy.systems import ProfileOf

from shengdun.index.accuracy.corpus import Corpus
from shengdun.index.accuracy.sides import Calls
from shengdun.index.calibration import CalibrationProfile, default_profile, load
from shengdun.index.fitting.calls import SiteCall
from shengdun.index.fitting.site import CallsAlike, TooFewCalls, fit_site_profile

HELD_OUT = Path(__file__).with_name("held_out")
"""For every corpus that the default profile was fitted on, the one that would ship if that corpus didn't exist
(``benchmarks/calibration/held_out.py`` makes them)."""
LEAST_VOICES = 8
"""A real site needs more; corpora are small, and a centre of few voices is the worse for us."""


def shipped_profiles(model_id: str, directory: Path = HELD_OUT) -> ProfileOf:
    """The default profile, and for a corpus that it was fitted on the one that was fitted without.

    Raises:
        ProfileMismatch: nothing is shipped for this model.
    """
    default = default_profile(model_id)

    @cache
    def of(corpus: str) -> CalibrationProfile:
        path = directory / f"{corpus}.npz"
        if not corpus or not path.is_file():
            return default
        profile = load(path)
        profile.require_model(model_id)
        return profile

    return lambda corpus, _speakers: of(corpus)


def site_profiles(shipped: ProfileOf, corpus: Corpus, calls: Calls) -> ProfileOf:
    """Profiles fitted on the calls of a corpus's other speakers, as ``shengdun calibrate`` would, without labels.

    Args:
        shipped: what they are made from, and what is used where there are too few voices.
        corpus: names the speakers of ``calls``.
        calls: in one condition.
    """
    names = np.array(corpus.speakers)[calls.speakers]
    of_corpus = np.array([recordings[0].corpus for recordings in calls.recordings])

    @cache
    def of(name: str, held_out: frozenset[str]) -> CalibrationProfile:
        base = shipped(name, held_out)
        rows = np.flatnonzero((of_corpus == name) & ~np.isin(names, list(held_out)))
        others = [call for row in rows.tolist() if (call := _site_call(calls, row))]
        try:
            return fit_site_profile(
                base,
                others,
                name="site",
                provenance=f"calls of {name}",
                least_voices=LEAST_VOICES,
            ).profile
        except (TooFewCalls, CallsAlike):
            return base

    return of


def _site_call(calls: Calls, row: int) -> SiteCall | None:
    """A call at its longest, without saying whose it is; None if nothing was heard."""
    heard = calls.heard[row]
    if not heard.voiceprints:
        return None
    longest = max(heard.voiceprints)
    return SiteCall(
        name=str(row),
        windows=heard.voiceprints[longest][np.newaxis, :],
        net_speech_s=np.array([heard.net_speech_s[longest]]),
        snr_db=heard.snr_db,
    )
