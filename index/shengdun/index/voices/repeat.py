"""REPEAT_VOICE: whether a caller's voice has called for several other customers lately.

The caller may be any voice of the window or none of them. The posterior over these is that of a watchlist, with
weights that say how much each voice calls (``grouping.Odds``), so more calls in the window ask for more evidence. For
how many others a voice has called is uncertain in turn, call by call, and so is whether these calls and the caller's
are of one voice at all, or of people who sound alike (``membership``). Their product, summed over the voices, is the
probability that is told. Its LLR is relative to the share of calls that are taken to be repeating before anything is
heard, and held to what the calibration data can vouch for.
"""

from dataclasses import dataclass
from datetime import datetime

import numpy as np
from numpy.typing import NDArray

from shengdun.index.voices.candidates import Candidates
from shengdun.index.voices.clusters import VoiceClusters
from shengdun.index.voices.columns import CallColumns, moment, text_hash
from shengdun.index.voices.evidence import Floats64, Voices
from shengdun.index.voices.grouping import Odds, probability
from shengdun.index.voices.membership import called_for, membership
from shengdun.index.voices.policy import log_odds


@dataclass(frozen=True, slots=True, kw_only=True)
class RepeatCall:
    """An earlier call of the voice for another customer.

    Attributes:
        call_id: the call.
        started_at: when it started.
        llr: natural-log LLR that it is by the caller's voice, within the calibration's limits.
        probability: that it is by the voice of the other calls.
    """

    call_id: str
    started_at: datetime
    llr: float
    probability: float


@dataclass(frozen=True, slots=True, kw_only=True)
class RepeatVoice:
    """A voice that calls for several customers.

    Attributes:
        llr: natural-log LLR of "it has called for at least so many others" against "it hasn't".
        probability: of the same.
        customers: other customers whose calls are named; those of one household count as one.
        calls: calls for others that are surely its own, in order of time.
        since: when the first of them started; None without any.
        until: when the last did.
        cluster_id: the cluster that it most likely is; empty if it is none yet.
    """

    llr: float
    probability: float
    customers: int
    calls: tuple[RepeatCall, ...]
    since: datetime | None
    until: datetime | None
    cluster_id: str


class RepeatWatch:
    """Compares callers with the voices of the recent window. May be used from any thread.

    Args:
        clusters: the voices, and the window.
    """

    def __init__(self, clusters: VoiceClusters) -> None:
        self._clusters = clusters
        self._evidence = clusters.evidence

    def look(
        self,
        voiceprint: NDArray[np.float32],
        *,
        net_speech_s: float,
        snr_db: float | None,
        customer: str,
        number: str,
        at: datetime,
        exclude_call_id: str = "",
    ) -> RepeatVoice | None:
        """What the window says about a caller; None if it says nothing for it.

        Args:
            voiceprint: (d,) the running voiceprint, unit length, as the voice model gives it.
            net_speech_s: behind it, in seconds.
            snr_db: speech over noise; None where it isn't known.
            customer: pseudonym of the customer that the caller claims to be; empty if none was given.
            number: pseudonym of the calling number; calls of representatives are let pass.
            at: now; allow-list entries that have ended by then don't count.
            exclude_call_id: the call itself, if the window may have it.
        """
        one = self._evidence.heard(
            voiceprint[np.newaxis, :],
            net_speech_s=np.array([net_speech_s]),
            snr_db=np.array([np.nan if snr_db is None else snr_db]),
        )
        allowed = self._clusters.allowed
        if allowed.numbers(at, among=(text_hash(number),)) or allowed.is_own(
            one, self._evidence, at
        ):
            return None
        own = text_hash(customer)
        found = self._clusters.candidates(one, own, without=text_hash(exclude_call_id))
        return self._told(found, one, own, at) if len(found) else None

    def _told(
        self, found: Candidates, one: Voices, customer: int, at: datetime
    ) -> RepeatVoice | None:
        clusters, odds = self._clusters, self._clusters.odds
        shares = _shares(found.log_odds(one, customer, self._evidence, odds))
        best, total = (-1.0, -1), 0.0
        for place in np.flatnonzero(shares > 1e-6).tolist():
            reached = float(shares[place]) * self._reached(found, place, one, customer, odds, at)
            total += reached
            best = max(best, (reached, place))
        llr = log_odds(total) - clusters.policy.repeating_log_odds
        if not llr > 0.0:
            return None
        limited = float(self._evidence.limited(np.array([min(llr, 1e3)]))[0])
        return self._describe(found, best[1], one, customer, at, odds, limited, min(total, 1.0))

    def _reached(
        self, found: Candidates, place: int, one: Voices, customer: int, odds: Odds, at: datetime
    ) -> float:
        """Probability that a voice, if it is the caller's, has called for enough others."""
        rows = found.rows(place)
        if len(rows) < self._clusters.policy.others:
            return 0.0  # as what follows would say: there can't be more customers than calls
        calls = self._evidence.calls(rows)
        of_calls = membership(calls, self._evidence, odds)
        counted = self._clusters.counted(rows, of_calls, without=customer, at=at)
        return called_for(
            self._clusters.policy.others,
            counted.values(),
            calls,
            of_calls,
            self._evidence,
            odds,
            caller=one,
        )

    def _describe(
        self,
        found: Candidates,
        place: int,
        one: Voices,
        customer: int,
        at: datetime,
        odds: Odds,
        llr: float,
        total: float,
    ) -> RepeatVoice:
        rows = found.rows(place)
        voices = self._evidence.calls(rows)
        of_calls = membership(voices, self._evidence, odds)
        llrs = self._evidence.limited(self._evidence.llrs(one, voices))
        sure = _sure(of_calls, self._clusters.policy.sure)
        if customer:
            sure &= rows.customers != customer
        calls = _named(rows, of_calls, llrs, sure)
        counted = self._clusters.counted(rows.take(sure), of_calls[sure], without=customer, at=at)
        return RepeatVoice(
            llr=llr,
            probability=total,
            customers=len(counted),
            calls=calls,
            since=calls[0].started_at if calls else None,
            until=calls[-1].started_at if calls else None,
            cluster_id=found.group_id(place),
        )


def _sure(of_calls: Floats64, sure: float) -> NDArray[np.bool_]:
    """Which calls are a voice's own with at least a probability, by their log odds."""
    enough: NDArray[np.bool_] = of_calls >= log_odds(sure)
    return enough


def _shares(log_odds_of_each: Floats64) -> Floats64:
    """Posterior shares of voices beside nobody of them, whose weight is 1."""
    top = max(float(log_odds_of_each.max(initial=0.0)), 0.0)
    weights = np.exp(log_odds_of_each - top)
    shares: Floats64 = weights / (weights.sum() + np.exp(-top))
    return shares


def _named(
    rows: CallColumns, of_calls: Floats64, llrs: Floats64, sure: NDArray[np.bool_]
) -> tuple[RepeatCall, ...]:
    order = [n for n in np.lexsort((rows.id_hashes, rows.started_us)).tolist() if sure[n]]
    return tuple(
        RepeatCall(
            call_id=rows.ids[n].decode(),
            started_at=moment(int(rows.started_us[n])),
            llr=float(llrs[n]),
            probability=probability(float(of_calls[n])),
        )
        for n in order
    )
