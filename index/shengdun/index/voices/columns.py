"""Calls of the recent window as columns: some 400 bytes a call, ids included.

Voiceprints are held as the scorer projects them, rotated as sketches are, so that every component is close to normal
with variance 1 / d, and rounded to 8 bits. A cosine of two such moves by less than 0.006, as a test checks.
"""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Final

import numpy as np
from numpy.typing import NDArray

from shengdun.index.archive.blocks import CallBlock
from shengdun.index.archive.rows import ArchivedCall
from shengdun.index.scoring import Scorer, unit_rows
from shengdun.index.sketches import SketchForm

Bools = NDArray[np.bool_]
Floats = NDArray[np.float32]
Hashes = NDArray[np.uint64]
Numbers = NDArray[np.int64]

_REACH: Final = 4.5
"""Standard deviations of a component that 127 stands for; what lies beyond is cut off."""
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)


def text_hash(text: str) -> int:
    """64 bits of a text; 0 for an empty one."""
    return int.from_bytes(hashlib.blake2b(text.encode(), digest_size=8).digest()) if text else 0


def microseconds(at: datetime) -> int:
    """Since 1970."""
    return (at - _EPOCH) // timedelta(microseconds=1)


def moment(at_us: int) -> datetime:
    """The time, in UTC, of so many microseconds since 1970."""
    return _EPOCH + timedelta(microseconds=at_us)


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class CallColumns:
    """n calls; each field has a row for each.

    Attributes:
        ids: call ids in UTF-8.
        id_hashes: 64 bits of each call id.
        codes: (n, D) int8 voiceprints.
        customers: 64 bits of each customer's pseudonym, 0 where there is none.
        numbers: 64 bits of each calling number's pseudonym, 0 where there is none.
        customer_texts: the pseudonyms of customers in UTF-8.
        number_texts: those of numbers.
        lines: lines of business in UTF-8.
        started_us: microseconds since 1970.
        net_speech_s: behind the voiceprint.
        snr_db: NaN where it isn't known.
    """

    ids: NDArray[np.bytes_]
    id_hashes: Hashes
    codes: NDArray[np.int8]
    customers: Hashes
    numbers: Hashes
    customer_texts: NDArray[np.bytes_]
    number_texts: NDArray[np.bytes_]
    lines: NDArray[np.bytes_]
    started_us: Numbers
    net_speech_s: Floats
    snr_db: Floats

    def __len__(self) -> int:
        return len(self.ids)

    def take(self, rows: NDArray[np.int64] | Bools) -> "CallColumns":
        """Some of the calls, copied."""
        return CallColumns(**{name: getattr(self, name)[rows] for name in _FIELDS})

    def part(self, start: int, end: int) -> "CallColumns":
        """Some of the calls that follow each other; not copied."""
        return CallColumns(**{name: getattr(self, name)[start:end] for name in _FIELDS})

    @property
    def nbytes(self) -> int:
        """Memory of the columns."""
        return sum(int(getattr(self, name).nbytes) for name in _FIELDS)

    @classmethod
    def concatenate(cls, parts: Sequence["CallColumns"]) -> "CallColumns":
        """All calls of at least one part, in order."""
        return cls(**{n: np.concatenate([getattr(p, n) for p in parts]) for n in _FIELDS})

    @classmethod
    def gathered(cls, parts: Sequence[tuple["CallColumns", NDArray[np.int64]]]) -> "CallColumns":
        """Some rows of each of at least one part, in order."""
        return cls(**{n: np.concatenate([getattr(p, n)[r] for p, r in parts]) for n in _FIELDS})


_FIELDS: Final = (
    "ids",
    "id_hashes",
    "codes",
    "customers",
    "numbers",
    "customer_texts",
    "number_texts",
    "lines",
    "started_us",
    "net_speech_s",
    "snr_db",
)


def sum_of(codes: NDArray[np.int8]) -> Numbers:
    """(D,) sum of (n, D) codes: exact, so that what is added and taken off again leaves nothing."""
    total: Numbers = codes.sum(axis=0, dtype=np.int64)
    return total


class CallCoder:
    """Makes columns of calls and vectors of codes, for voiceprints of one scorer."""

    def __init__(self, scorer: Scorer) -> None:
        self._scorer = scorer
        dimension = scorer.profile.dimension
        self._form = SketchForm.of(dimension)
        self._step = np.float32(_REACH / 127 / np.sqrt(dimension))

    @property
    def model_id(self) -> str:
        """The voice model of the calls."""
        return self._scorer.model_id

    @property
    def dimension(self) -> int:
        """Of voiceprints."""
        return self._scorer.profile.dimension

    @property
    def form(self) -> SketchForm:
        """How the voiceprints are sketched."""
        return self._form

    def columns(self, calls: Sequence[ArchivedCall]) -> CallColumns:
        """The columns of at least one call, every one of which has a voiceprint of the scorer's model."""
        voiceprints = np.stack([_voiceprint(call) for call in calls])
        return self.columns_of(
            ids=[call.call_id for call in calls],
            voiceprints=voiceprints,
            customers=[call.customer for call in calls],
            numbers=[call.number for call in calls],
            lines=[call.line for call in calls],
            started_us=np.array([microseconds(call.started_at) for call in calls], np.int64),
            net_speech_s=np.array([call.net_speech_s for call in calls], np.float32),
            snr_db=np.array(
                [np.nan if call.snr_db is None else call.snr_db for call in calls], np.float32
            ),
        )

    def columns_in(self, block: CallBlock, rows: Numbers) -> CallColumns:
        """The same of some calls of the archive, (n,) rows of a block, n >= 1, without an object for each."""
        places = rows.tolist()
        return self.columns_of(
            ids=_at(block.call_ids, places),
            voiceprints=block.voiceprints[rows],
            customers=_at(block.customers, places),
            numbers=_at(block.numbers, places),
            lines=_at(block.lines, places),
            started_us=block.started_us[rows],
            net_speech_s=block.net_speech_s[rows],
            snr_db=block.snr_db[rows],
        )

    def columns_of(
        self,
        *,
        ids: Sequence[str],
        voiceprints: NDArray[np.floating],
        customers: Sequence[str],
        numbers: Sequence[str],
        lines: Sequence[str],
        started_us: Numbers,
        net_speech_s: Floats,
        snr_db: Floats,
    ) -> CallColumns:
        """The columns of calls; voiceprints (n, d) unit rows as the voice model gives them, n >= 1."""
        projected = self._scorer.project(np.asarray(voiceprints, np.float32))
        return CallColumns(
            ids=_texts(ids),
            id_hashes=np.array([text_hash(call_id) for call_id in ids], np.uint64),
            codes=self.encode(projected),
            customers=np.array([text_hash(each) for each in customers], np.uint64),
            numbers=np.array([text_hash(each) for each in numbers], np.uint64),
            customer_texts=_texts(customers),
            number_texts=_texts(numbers),
            lines=_texts(lines),
            started_us=started_us,
            net_speech_s=net_speech_s,
            snr_db=snr_db,
        )

    def encode(self, projected: Floats) -> NDArray[np.int8]:
        """(n, D) codes of projected voiceprints, (n, d)."""
        levels = np.rint(self._form.rotated(projected) / self._step)
        codes: NDArray[np.int8] = np.clip(levels, -127, 127).astype(np.int8)
        return codes

    def rotated(self, codes: NDArray[np.int8]) -> Floats:
        """(n, D) unit rows in the directions of sketches."""
        return unit_rows(codes.astype(np.float32))

    def rough(self, codes: NDArray[np.int8]) -> Floats:
        """(n, D) the same, of nearly unit length: what they were before they were rounded, but for rounding."""
        return codes.astype(np.float32) * self._step

    @property
    def restoring(self) -> NDArray[np.float64]:
        """(D, d) matrix by which rows in the directions of sketches become projected ones."""
        every: NDArray[np.float64] = self._form.restored(
            np.eye(self._form.width, dtype=np.float32)
        ).astype(np.float64)
        return every

    def mean(self, total: Numbers, count: int) -> NDArray[np.float64]:
        """(d,) mean of at least one voiceprint as the scorer projects them, but for rounding; of their codes' sum."""
        rotated = (total * (np.float64(self._step) / count)).astype(np.float32)
        mean: NDArray[np.float64] = self._form.restored(rotated[np.newaxis, :])[0].astype(
            np.float64
        )
        return mean

    def decode(self, codes: NDArray[np.int8]) -> Floats:
        """(n, d) unit rows as the scorer projects voiceprints, but for rounding."""
        return unit_rows(self._form.restored(codes.astype(np.float32)))


def _voiceprint(call: ArchivedCall) -> Floats:
    if call.voiceprint is None:
        raise ValueError("a call of the recent window has a voiceprint")
    return call.voiceprint


def _at(texts: Sequence[str], places: Sequence[int]) -> list[str]:
    every = list(texts)  # much quicker than one after the other
    return [every[place] for place in places]


def _texts(texts: Sequence[str]) -> NDArray[np.bytes_]:
    return np.array([text.encode() for text in texts], np.bytes_)
