"""A cluster, as it is told: one voice of the recent window with its calls."""

from dataclasses import dataclass, field
from datetime import datetime

import numpy as np
from numpy.typing import NDArray

from shengdun.index.voices.columns import CallColumns, moment
from shengdun.index.voices.evidence import Floats64
from shengdun.index.voices.grouping import probability


@dataclass(frozen=True, slots=True, kw_only=True)
class Member:
    """One call of a voice.

    Attributes:
        call_id: the call.
        started_at: when it started.
        customer: pseudonym of the customer; empty if none was given.
        number: pseudonym of the calling number; empty if none was given.
        line: the line of business.
        probability: that it is by the voice of the other calls.
    """

    call_id: str
    started_at: datetime
    customer: str
    number: str
    line: str
    probability: float


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Cluster:
    """A voice of the recent window.

    Attributes:
        cluster_id: stays while most of its calls do.
        model_id: the voice model of its calls.
        members: its calls, in order of time.
        first_seen: when the first one started.
        last_seen: when the last one did.
        voiceprint: (d,) float32 of unit length, the joined voiceprint as the scorer projects it.
        net_speech_s: of all calls.
        probability: that it has called for more customers than a line lets pass, ``others + 1``, households and
            representatives taken into account.
        households: expected number of customers that it has called for, in the same way.
    """

    cluster_id: str
    model_id: str
    members: tuple[Member, ...]
    first_seen: datetime
    last_seen: datetime
    voiceprint: NDArray[np.float32] = field(repr=False)
    net_speech_s: float
    probability: float
    households: float

    @property
    def calls(self) -> tuple[str, ...]:
        """Call ids, in order of time."""
        return tuple(member.call_id for member in self.members)

    @property
    def customers(self) -> tuple[str, ...]:
        """Customers for whom it called, sorted."""
        return tuple(sorted({member.customer for member in self.members} - {""}))

    @property
    def numbers(self) -> tuple[str, ...]:
        """Numbers from which it called, sorted."""
        return tuple(sorted({member.number for member in self.members} - {""}))

    @property
    def lines(self) -> tuple[str, ...]:
        """Lines on which it called, sorted."""
        return tuple(sorted({member.line for member in self.members}))

    @property
    def suspicion(self) -> float:
        """By which voices are ranked: the customers it is expected to call for, if it calls for too many."""
        return self.probability * self.households


def members_of(rows: CallColumns, odds: Floats64) -> tuple[Member, ...]:
    """The calls with the log odds, (n,), that each is the voice's own; in order of time."""
    order = np.lexsort((rows.id_hashes, rows.started_us)).tolist()
    return tuple(
        Member(
            call_id=rows.ids[row].decode(),
            started_at=moment(int(rows.started_us[row])),
            customer=rows.customer_texts[row].decode(),
            number=rows.number_texts[row].decode(),
            line=rows.lines[row].decode(),
            probability=probability(float(odds[row])),
        )
        for row in order
    )
