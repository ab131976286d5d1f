"""Clusters of unknown voices: recent calls put together into voices as they arrive.

A call is compared with the nearest calls of the window, with the other calls for its customer, and with every voice
that has called for more than one. What of these could be one voice with it is put together anew (``grouping``): small
groups call by call, so that it matters little in which order calls came; large ones whole. A voice that changed then
takes in the calls near to its joined voiceprint, and lets go of those which the others speak against.

A call costs one search of the window, and one more for each voice that it changes; what else is done grows with the
calls nearby and with the voices that call for several customers, not with the window. Where the caller was looked for
at the end of the call, there is no other search when it is put where it belongs.
"""

import threading
from collections.abc import Callable, Iterable, Sequence
from copy import copy
from datetime import UTC, datetime
from typing import Final

import numpy as np

from shengdun.index.archive.rows import ArchivedCall
from shengdun.index.voices.allowed import AllowList
from shengdun.index.voices.candidates import SLACK, Candidates, ManyCustomers, in_order
from shengdun.index.voices.cluster import Cluster, members_of
from shengdun.index.voices.columns import CallColumns, Hashes, moment, text_hash
from shengdun.index.voices.errors import ClusterNotFound
from shengdun.index.voices.evidence import Floats64, VoiceEvidence, Voices
from shengdun.index.voices.grouping import Atoms, Odds, agglomerate, probability
from shengdun.index.voices.membership import (
    belonging,
    called_for,
    households,
    membership,
    surest,
)
from shengdun.index.voices.partition import ClusterEvent, Groups, Keys
from shengdun.index.voices.policy import VoicePolicy
from shengdun.index.voices.recent import Nearest, RecentCalls, Scan
from shengdun.index.voices.scans import Scans

_TAKEN_APART: Final = 12
"""Groups of so many calls at most are put together anew with what comes near them."""
_MOST_ATOMS: Final = 96
_LENIENCE: Final = 2.0
"""Natural log odds below those of joining at which a call is let go of again."""
_ROUNDS: Final = 3
_SAME_CUSTOMER_CALLS: Final = 16
_GIVEN_CENTRE_CALLS: Final = 60
"""Calls for which the centre counts that the spread was fitted with. Strangers differ more from each other than centres
of telephones and languages do, so some dozens of calls know better. While there are few, a single voice that a line is
tried with would be the centre (decision note 0033)."""


class VoiceClusters:
    """The clusters of one voice model, and the window that they are of. May be used from any thread.

    Args:
        evidence: compares voices of the model; what ``evidence`` gives follows the window's centre.
        policy: what is taken for granted, and what is asked of evidence.
        allowed: gives who may call for many, as of now.
    """

    def __init__(
        self,
        evidence: VoiceEvidence,
        policy: VoicePolicy | None = None,
        allowed: Callable[[], AllowList] = AllowList,
    ) -> None:
        self._policy = policy or VoicePolicy()
        # Its centre moves with this window, and whoever gave it may have others.
        self._evidence = copy(evidence)
        self._recent = RecentCalls(evidence.coder)
        self._scans = Scans()
        self._groups = Groups()
        self._many = ManyCustomers(self._evidence)
        self._lock = threading.Lock()
        self._allowed = allowed
        self._left_out_for: set[str] = set()

    def __len__(self) -> int:
        return len(self._groups)

    @property
    def model_id(self) -> str:
        """The voice model of its calls."""
        return self._recent.model_id

    @property
    def profile_id(self) -> str:
        """The calibration profile that they are compared under."""
        return self._evidence.scorer.profile_id

    @property
    def allowed(self) -> AllowList:
        """Who may call for many, as of now."""
        return self._allowed()

    @property
    def policy(self) -> VoicePolicy:
        """As given."""
        return self._policy

    @property
    def recent(self) -> RecentCalls:
        """The window; filled by ``take`` and ``fill``."""
        return self._recent

    @property
    def evidence(self) -> VoiceEvidence:
        """What voices are compared with, around the centre of the window as it is."""
        return self._evidence

    @property
    def odds(self) -> Odds:
        """Before anything is heard, in the window as it is."""
        return Odds(policy=self._policy, window=len(self._recent), of_many=self._many.calls)

    @property
    def events(self) -> tuple[ClusterEvent, ...]:
        """The latest changes, oldest first."""
        return self._groups.events

    def take(self, call: ArchivedCall) -> str | None:
        """Put a finished call where it belongs.

        Returns:
            The cluster that it is in; None if it is alone, has no voiceprint of this model, or is by a voice of the
            institution's own. A call with less net speech than may found a voice is told where it would belong, and
            changes nothing.
        """
        if not self._recent.takes(call):
            return None
        columns = self._recent.coder.columns([call])
        one = self._evidence.calls(columns)
        if self._is_own(one, call.started_at):
            return None
        with self._lock:
            key = int(columns.id_hashes[0])
            scan = self._scans.pop(key)
            if call.net_speech_s < self._policy.founding_s:
                return self._matched(one, text_hash(call.customer), scan)
            if self._recent.add_columns(columns):
                self._centre()
                self._settle(key, one, int(columns.customers[0]), call.ended_at, scan)
            return self._groups.of(key)

    def fill(self, calls: Sequence[ArchivedCall]) -> int:
        """Take calls into the window without putting them together, as at a start before ``restore``.

        Returns:
            How many were taken in.
        """
        able = [call for call in calls if self._recent.takes(call)]
        return self.fill_columns(self._recent.coder.columns(able)) if able else 0

    def fill_columns(self, columns: CallColumns) -> int:
        """The same with calls as columns, as ``coder.columns_in`` makes them."""
        able = columns.take(columns.net_speech_s >= np.float32(self._policy.founding_s))
        allowed = self.allowed
        if not len(able) or not allowed.own_voices:
            return self._filled(able)
        times = [moment(at_us) for at_us in able.started_us.tolist()]
        own = allowed.are_own(self._evidence.calls(able), self._evidence, times)
        if own.any():
            self._leave_out(allowed)
        return self._filled(able.take(~own))

    def has_left_out(self) -> bool:
        """Whether calls were left out since the last time, for a voice that is the institution's own no more."""
        gone = self._left_out_for - {entry.entry_id for entry in self.allowed.own_voices}
        self._left_out_for -= gone
        return bool(gone)

    def state(self) -> dict[str, tuple[str, ...]]:
        """The calls of each cluster, to be kept and given to ``restore``."""
        with self._lock:
            return {
                group_id: tuple(
                    i.decode() for i in self._rows(self._groups.keys(group_id)).ids.tolist()
                )
                for group_id in self._groups
            }

    def restore(self, state: dict[str, tuple[str, ...]]) -> None:
        """Take up the clusters of a ``state``, of those calls that the window has; once, after ``fill``."""
        with self._lock:
            for group_id, call_ids in state.items():
                keys = np.array([text_hash(call_id) for call_id in call_ids], np.uint64)
                rows = self._recent.rows(keys)
                if len(rows) > 1:
                    self._groups.restore([(group_id, in_order(rows))])
                    self._know(group_id)

    def remove(self, call_ids: Iterable[str], *, reason: str = "calls were removed") -> None:
        """Forget calls. The clusters that had them are made anew of the calls that are left."""
        with self._lock:
            self._scans.clear()
            self._lost(self._recent.remove(call_ids), datetime.now(UTC), reason)

    def expire(self, before: datetime) -> None:
        """Forget calls that started earlier, likewise."""
        with self._lock:
            self._scans.clear()
            self._lost(self._recent.expire(before), datetime.now(UTC), "calls left the window")

    def clusters(self, *, customers: int = 1) -> tuple[Cluster, ...]:
        """All clusters with so many customers or more, the most suspicious first."""
        with self._lock:
            chosen = self._many.ids() if customers > 1 else tuple(self._groups)
            found = [self._cluster(group_id) for group_id in chosen]
        able = [cluster for cluster in found if len(cluster.customers) >= customers]
        return tuple(sorted(able, key=lambda c: (-c.suspicion, -len(c.members), c.cluster_id)))

    def cluster(self, cluster_id: str) -> Cluster:
        """One cluster; that into which it was put, if it was.

        Raises:
            ClusterNotFound: there is none of this id, or not any more.
        """
        with self._lock:
            group_id = self._groups.heir(cluster_id)
            if not self._groups.keys(group_id):
                raise ClusterNotFound.of(cluster_id)
            return self._cluster(group_id)

    def own(self, at: datetime) -> frozenset[str]:
        """The clusters of several customers that are by voices of the institution's own."""
        allowed = self.allowed
        if not allowed.own_voices:
            return frozenset()
        with self._lock:
            found = [(each, self._many.voice(each)) for each in self._many.ids()]
        return frozenset(each for each, voice in found if allowed.is_own(voice, self._evidence, at))

    def candidates(self, one: Voices, customer: int, *, without: int = 0) -> Candidates:
        """The voices that a caller could be, each with its calls; for ``RepeatWatch``.

        Args:
            one: the caller, one voice.
            customer: 64 bits of the customer's pseudonym.
            without: key of the call itself, which is left out.
        """
        near = self._near(one, (without,), self._scans.of(without))
        self._scans.put(without, near.scan)
        with self._lock:
            return self._candidates(
                one, np.union1d(near.keys, self._of_customer(customer)), without
            )

    def counted(
        self, columns: CallColumns, log_odds: Floats64, *, without: int = 0, at: datetime
    ) -> dict[int, int]:
        """Row of the surest call for each household, leaving a customer's out; representatives are considered."""
        allowed = self.allowed
        together = allowed.represented(at, among=columns.customers.tolist())
        of = households(columns, self._policy.household, together=together)
        silent = allowed.numbers(at, among=columns.numbers.tolist())
        of = [0 if n in silent else h for h, n in zip(of, columns.numbers.tolist(), strict=True)]
        own = (
            {h for h, c in zip(of, columns.customers.tolist(), strict=True) if c == without}
            if without
            else set()
        )
        return surest(of, log_odds, without=own)

    def _is_own(self, one: Voices, at: datetime) -> bool:
        allowed = self.allowed
        is_own = allowed.is_own(one, self._evidence, at)
        if is_own:
            self._leave_out(allowed)
        return is_own

    def _leave_out(self, allowed: AllowList) -> None:
        # Which of them it was isn't asked; any may have tipped the scales.
        self._left_out_for.update(entry.entry_id for entry in allowed.own_voices)

    def _filled(self, columns: CallColumns) -> int:
        taken = self._recent.add_columns(columns)
        with self._lock:
            self._centre()
        return taken

    def _centre(self) -> None:
        """Compare voices around the mean of the window: what all of its callers share tells nobody from another."""
        total, calls = self._recent.total
        centre = _GIVEN_CENTRE_CALLS * self._evidence.given_centre
        if calls:
            centre = centre + calls * self._recent.coder.mean(total, calls)
        self._evidence.centre_on(centre / (_GIVEN_CENTRE_CALLS + calls))

    def _near(self, one: Voices, without: Keys, known: Scan | None = None) -> Nearest:
        return self._recent.nearest(
            self._evidence.direction(one), self._policy.neighbours, without=without, known=known
        )

    def _matched(self, one: Voices, customer: int, scan: Scan | None) -> str | None:
        near = self._near(one, (), scan)
        found = self._candidates(one, np.union1d(near.keys, self._of_customer(customer)), 0)
        scored = found.log_odds(one, customer, self._evidence, self.odds)
        able = [
            (float(odds), group_id)
            for odds, group_id in zip(scored, found.group_ids, strict=False)
            if odds >= self._policy.join_log_odds
        ]
        return max(able)[1] if able else None

    def _settle(
        self, key: int, one: Voices, customer: int, at: datetime, scan: Scan | None
    ) -> None:
        near = self._near(one, (key,), scan)
        keys = np.union1d(near.keys, self._of_customer(customer))
        found = self._candidates(one, keys[keys != np.uint64(key)], key)
        scored = found.log_odds(one, customer, self._evidence, self.odds)
        order = np.argsort(-scored, kind="stable")[: _MOST_ATOMS // 2]
        chosen = [int(n) for n in order if scored[n] >= self._policy.join_log_odds - SLACK]
        if not chosen:
            return
        atoms: list[Keys] = [(key,)]
        for place in chosen:
            keys_of = found.keys(place)
            apart = len(keys_of) <= _TAKEN_APART and len(atoms) + len(keys_of) <= _MOST_ATOMS
            atoms += [(each,) for each in keys_of] if apart else [keys_of]
        changed = self._regroup(atoms, at, "a call came that is near them")
        for group_id in sorted(changed):
            self._sweep(group_id, at)

    def _sweep(self, group_id: str, at: datetime) -> None:
        """Let a voice take in lone calls near it, and let go of those that aren't its own, until nothing changes."""
        for _ in range(_ROUNDS):
            keys = self._groups.keys(group_id)
            if not keys or not (self._adopt(keys, at) or self._release(group_id, at)):
                return

    def _adopt(self, keys: Keys, at: datetime) -> bool:
        rows = self._rows(keys)
        if len(set(rows.customers.tolist())) < 2:
            return False
        voice = self._evidence.voice(rows)
        near = self._near(voice, keys)
        lone = self._recent.rows(_keys([k for k in near.keys.tolist() if not self._groups.of(k)]))
        llrs = self._evidence.llrs(voice, self._evidence.calls(lone))
        taken = llrs + self.odds.of_strangers(len(keys)) >= self._policy.join_log_odds
        if not taken.any():
            return False
        more = lone.id_hashes[taken].tolist()
        self._put([self._in_order([*keys, *more])], at, "they are near its joined voiceprint")
        return True

    def _release(self, group_id: str, at: datetime) -> bool:
        rows = self._rows(self._groups.keys(group_id))
        if len(rows) < 3:
            return False
        calls = self._evidence.calls(rows)
        odds = belonging(calls, rows, self._evidence, self.odds)
        worst = int(np.argmin(odds))
        if odds[worst] >= self._policy.join_log_odds - _LENIENCE:
            return False
        left = np.delete(rows.id_hashes, worst).tolist()
        parts = [self._in_order(left), (int(rows.id_hashes[worst]),)]
        self._put(parts, at, "its other calls speak against one")
        return True

    def _lost(self, gone: Hashes, at: datetime, reason: str) -> None:
        self._centre()
        touched = {group_id for key in gone.tolist() if (group_id := self._groups.of(key))}
        lost = set(gone.tolist())
        for group_id in sorted(touched):
            keys = self._groups.keys(group_id)
            self._regroup([(key,) for key in keys if key not in lost], at, reason, also=keys)

    def _regroup(
        self, atoms: Sequence[Keys], at: datetime, reason: str, *, also: Keys = ()
    ) -> set[str]:
        """Put atoms together anew. ``also`` are calls that are in none any more."""
        gone = [(key,) for key in set(also) - {key for atom in atoms for key in atom}]
        if not atoms:
            return self._put(gone, at, reason)
        atoms = sorted(atoms, key=min)
        rows = self._rows_of(atoms)
        voices = self._evidence.voices(rows)
        groups = agglomerate(
            Atoms(
                voices=Voices.concatenate(voices),
                customers=[frozenset(each.customers.tolist()) - {0} for each in rows],
            ),
            self._evidence,
            self.odds,
        )
        parts = [self._in_order([k for row in group for k in atoms[row]]) for group in groups]
        return self._put([*parts, *gone], at, reason)

    def _put(self, parts: Sequence[Keys], at: datetime, reason: str) -> set[str]:
        before = {group_id for part in parts for key in part if (group_id := self._groups.of(key))}
        changed = self._groups.put(parts, at=at, reason=reason)
        for group_id in before | changed:
            self._know(group_id)
        return changed

    def _know(self, group_id: str) -> None:
        """Keep the joined voiceprint of a voice that calls for several."""
        keys = self._groups.keys(group_id)
        rows = self._rows(keys)
        if len(set(rows.customers.tolist())) < 2:
            self._many.drop(group_id)
            return
        self._many.put(group_id, self._evidence.voice(rows))

    def _candidates(self, one: Voices, near: Hashes, without: int) -> Candidates:
        lone = [key for key in near.tolist() if key != without and not self._groups.of(key)]
        near_groups = {g for key in near.tolist() if (g := self._groups.of(key))}
        ids = sorted(near_groups | set(self._many.near(one, self.odds)))
        keys = [[k for k in self._groups.keys(group_id) if k != without] for group_id in ids]
        found = zip(ids, self._rows_of(keys), strict=True)
        groups = [(group_id, rows) for group_id, rows in found if len(rows)]
        singles = self._rows(lone)
        voices = self._evidence.voices([rows for _, rows in groups])
        return Candidates(
            group_ids=tuple(group_id for group_id, _ in groups),
            groups=tuple(rows for _, rows in groups),
            lone=singles,
            voices=Voices.concatenate([*voices, self._evidence.calls(singles)]),
        )

    def _of_customer(self, customer: int) -> Hashes:
        return np.sort(self._recent.of_customer(customer))[:_SAME_CUSTOMER_CALLS]

    def _rows(self, keys: Iterable[int]) -> CallColumns:
        return self._recent.rows(_keys(keys))

    def _rows_of(self, groups: Sequence[Sequence[int]]) -> list[CallColumns]:
        return self._recent.rows_of([_keys(keys) for keys in groups])

    def _in_order(self, keys: Iterable[int]) -> Keys:
        return in_order(self._rows(keys))

    def _cluster(self, group_id: str) -> Cluster:
        rows = self._rows(self._groups.keys(group_id))
        calls = self._evidence.calls(rows)
        odds = membership(calls, self._evidence, self.odds)
        first, last = moment(int(rows.started_us.min())), moment(int(rows.started_us.max()))
        is_own = self.allowed.is_own(calls.joined(), self._evidence, last)
        counted = [] if is_own else list(self.counted(rows, odds, at=last).values())
        return Cluster(
            cluster_id=group_id,
            model_id=self.model_id,
            members=members_of(rows, odds),
            first_seen=first,
            last_seen=last,
            voiceprint=self._evidence.direction(calls.joined()),
            net_speech_s=float(rows.net_speech_s.sum()),
            probability=called_for(
                self._policy.others + 1, counted, calls, odds, self._evidence, self.odds
            ),
            households=sum(probability(float(odds[row])) for row in counted),
        )


def _keys(keys: Iterable[int]) -> Hashes:
    return np.array(list(keys), np.uint64)
