"""What a checkpoint holds: all that a start works out of the records, and nothing that is read from the store anyway.

Of actors and voiceprints that is their ids, expiries, lists and models, of every record its digest, and of every
watchlist the segments: vectors, sketches and statistics. Of scripts and of the allow-list it is the digests alone;
they are opened anew. The sealed records stay in the store; a start reads them all and compares them with the digests,
so what is served is what the store holds, as without a checkpoint.

Parts, in this order: the manifest (JSON); the columns of the actors in the order of their codes; those of their
voiceprints, actor by actor; then for each watchlist, profile and segment of the manifest the columns of the segment.
"""

import json
from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass
from hashlib import sha256
from itertools import chain, pairwise
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from shengdun.index.checkpoint_file import CheckpointUnusable, Header
from shengdun.index.contents import Listing
from shengdun.index.holdings import Holding, rows_of
from shengdun.index.members import Members
from shengdun.index.record_digests import RecordDigests
from shengdun.index.records import (
    RecordCodec,
    actor_record,
    allow_record,
    script_record,
    watchlist_record,
)
from shengdun.index.scorers import Scorers
from shengdun.index.scoring import Scorer, TemplateStatistics
from shengdun.index.scripts.holdings import scripts_after
from shengdun.index.segments import Segment, remove
from shengdun.index.sketches import SketchForm
from shengdun.index.snapshot import Snapshot
from shengdun.index.voices.allow_holdings import Allowed, allowed_after

_TRIED_ROWS: Final = 16
"""Rows of a segment that are computed again when it is taken from a checkpoint."""


def packed(snapshot: Snapshot) -> Iterator[bytes]:
    """The parts of a checkpoint of a snapshot; some tenths of a second for 100,000 voiceprints."""
    actors = sorted(snapshot.holdings.values(), key=lambda held: held.code)
    lists = list(dict.fromkeys(held.watchlist_ids for held in actors))
    models = sorted({model for held in actors for model in held.models})
    yield json.dumps(
        {
            "models": models,
            "lists": [sorted(each) for each in lists],
            "listings": {name: _described(each) for name, each in snapshot.listings.items()},
            "scripts": {
                name: sha256(held.record).hexdigest() for name, held in snapshot.scripts.items()
            },
            "allowed": {
                name: sha256(held.record).hexdigest()
                for name, held in snapshot.allowed.holdings.items()
            },
        }
    ).encode()
    list_rows = {each: row for row, each in enumerate(lists)}
    model_rows = {each: row for row, each in enumerate(models)}
    yield _joined(held.actor_id for held in actors)
    yield _column((held.expires_us for held in actors), "<i8")
    yield _column((list_rows[held.watchlist_ids] for held in actors), "<i4")
    yield _column((len(held.names) for held in actors), "<i4")
    yield b"".join(sha256(held.record).digest() for held in actors)
    yield _joined(name for held in actors for name in held.names)
    yield _column((model_rows[model] for held in actors for model in held.models), "<i4")
    yield b"".join(sha256(sealed).digest() for held in actors for sealed in held.sealed)
    owned = ((held.code, name) for held in actors for name in held.names)
    places = {each: place for place, each in enumerate(owned)}
    for listing in snapshot.listings.values():
        for segment in chain.from_iterable(listing.segments.values()):
            yield from _packed_segment(segment, places)


def _described(listing: Listing) -> dict[str, Any]:
    return {
        "changed_at": listing.changed_at,
        "digest": sha256(listing.record).hexdigest(),
        "segments": {
            profile_id: [segment.vectors.shape for segment in segments]
            for profile_id, segments in listing.segments.items()
        },
    }


def _packed_segment(segment: Segment, places: Mapping[tuple[int, str], int]) -> Iterator[bytes]:
    owned = zip(segment.actor_codes.tolist(), segment.voiceprint_ids.tolist(), strict=True)
    yield _column((places[each] for each in owned), "<i4")
    yield segment.vectors.astype("<i2", copy=False).tobytes()
    yield SketchForm.codes_of(segment.index).tobytes()
    yield segment.net_speech_s.astype("<f8", copy=False).tobytes()
    yield segment.snr_db.astype("<f8", copy=False).tobytes()
    yield segment.statistics.mean.astype("<f4", copy=False).tobytes()
    yield segment.statistics.deviation.astype("<f4", copy=False).tobytes()


def _joined(ids: Iterable[str]) -> bytes:
    return "\n".join(ids).encode()


def _column(values: Iterable[int], dtype: str) -> bytes:
    return np.fromiter(values, dtype=dtype).tobytes()


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class _StoredSegment:
    """A segment of n voiceprints, which are named by their places among all voiceprints."""

    places: NDArray[np.int32]
    vectors: NDArray[np.int16]
    sketches: NDArray[np.uint8]
    net_speech_s: NDArray[np.float64]
    snr_db: NDArray[np.float64]
    statistics: TemplateStatistics


class CheckpointContent:
    """A checkpoint that was read, before the records of the store are put to it.

    Attributes:
        digests: of every record that there was then.
    """

    def __init__(self, parts: Iterator[bytes]) -> None:
        """Read it.

        Args:
            parts: as ``packed`` gave them.

        Raises:
            CheckpointUnusable: a part is missing or altered.
        """
        manifest: dict[str, Any] = json.loads(_next(parts))
        self._models: list[str] = manifest["models"]
        self._lists = [frozenset(each) for each in manifest["lists"]]
        self._listings: dict[str, Any] = manifest["listings"]
        self._actor_ids = _split(_next(parts))
        self._expires_us = np.frombuffer(_next(parts), "<i8")
        self._list_rows = np.frombuffer(_next(parts), "<i4")
        self._counts = np.frombuffer(_next(parts), "<i4")
        actor_digests = _next(parts)
        self._names = _split(_next(parts))
        self._model_rows = np.frombuffer(_next(parts), "<i4")
        voiceprint_digests = _next(parts)
        self._ends = [0, *np.cumsum(self._counts).tolist()]
        self._names_of = [tuple(self._names[start:end]) for start, end in pairwise(self._ends)]
        self._owners = np.repeat(np.arange(len(self._actor_ids)), self._counts)
        lists = {watchlist_record(name): each["digest"] for name, each in self._listings.items()}
        scripts = {script_record(name): digest for name, digest in manifest["scripts"].items()}
        self._scripts = tuple(scripts)
        # A checkpoint of before there was an allow-list in the store says nothing of it.
        allowed = {
            allow_record(name): digest for name, digest in manifest.get("allowed", {}).items()
        }
        self._allowed = tuple(allowed)
        self.digests = RecordDigests(
            lists | scripts | allowed,
            actor_ids=self._actor_ids,
            voiceprint_ids=self._names_of,
            of_actors=actor_digests,
            of_voiceprints=voiceprint_digests,
        )
        self._segments = {
            name: {
                profile_id: [_read_segment(parts, shape) for shape in shapes]
                for profile_id, shapes in each["segments"].items()
            }
            for name, each in self._listings.items()
        }

    def snapshot(
        self,
        header: Header,
        records: Mapping[str, bytes | None],
        codec: RecordCodec,
        scorers: Scorers,
        without: Collection[str],
    ) -> Snapshot:
        """The snapshot that was packed, but for what has changed since.

        Args:
            header: of the file.
            records: of the store, verified; None or missing for those that were deleted since.
            codec: opens them.
            scorers: those that are to be searched with.
            without: actors that have changed since, by id; they are left out.

        Raises:
            CheckpointUnusable: it has no vectors for one of the scorers, or others than are computed today.
            StoreTampered: the record of a watchlist or a script can't be opened.
        """
        if not {scorer.profile_id for scorer in scorers} <= set(header.profiles):
            raise CheckpointUnusable("other calibration profiles were in use")
        gone = frozenset(without)
        holdings = self._holdings(records, codec, gone)
        names = np.array(self._names, dtype=object)
        listings: dict[str, Listing] = {}
        for watchlist_id, described in self._listings.items():
            name = watchlist_record(watchlist_id)
            record = records.get(name)
            if record is None:
                continue
            segments = {
                scorer.profile_id: self._restored(watchlist_id, scorer, names) for scorer in scorers
            }
            for scorer in scorers:
                _try_out(segments[scorer.profile_id], scorer, holdings)
            listings[watchlist_id] = Listing(
                watchlist=codec.decode_watchlist(name, record),
                record=record,
                changed_at=described["changed_at"],
                members=self._members(watchlist_id, gone, scorers.model_ids),
                segments={key: self._without(gone, each) for key, each in segments.items()},
            )
        return Snapshot(
            head=header.head,
            holdings=holdings,
            listings=listings,
            scorers=scorers,
            next_code=len(self._actor_ids),
            scripts=scripts_after({}, {name: records.get(name) for name in self._scripts}, codec),
            allowed=allowed_after(
                Allowed(), {name: records.get(name) for name in self._allowed}, codec
            ),
        )

    def _holdings(
        self, records: Mapping[str, bytes | None], codec: RecordCodec, gone: Collection[str]
    ) -> dict[str, Holding]:
        holdings: dict[str, Holding] = {}
        models = [self._models[row] for row in self._model_rows.tolist()]
        lists = [self._lists[row] for row in self._list_rows.tolist()]
        shared: dict[tuple[str, ...], tuple[str, ...]] = {}
        sealed = [records.get(name) or b"" for name in self.digests.names_of_voiceprints]
        columns = zip(
            self._actor_ids, self._expires_us.tolist(), lists, pairwise(self._ends), strict=True
        )
        for code, (actor_id, expires_us, on, (start, end)) in enumerate(columns):
            if actor_id in gone:
                continue
            of_these = tuple(models[start:end])
            holdings[actor_id] = Holding(
                actor_id=actor_id,
                code=code,
                expires_us=expires_us,
                watchlist_ids=on,
                names=self._names_of[code],
                models=shared.setdefault(of_these, of_these),
                record=records[actor_record(actor_id)] or b"",
                sealed=tuple(sealed[start:end]),
                codec=codec,
            )
        return holdings

    def _members(
        self, watchlist_id: str, gone: Collection[str], model_ids: Iterable[str]
    ) -> Members:
        on_it = np.array([watchlist_id in each for each in self._lists], dtype=np.bool_)
        on_list = on_it[self._list_rows]
        ids = self._actor_ids
        rows = sorted(np.flatnonzero(on_list).tolist(), key=ids.__getitem__)
        rows = [row for row in rows if ids[row] not in gone] if gone else rows
        voiced = {}
        for model_id in sorted(model_ids):
            model_row = self._models.index(model_id) if model_id in self._models else -1
            has = np.zeros(len(ids), dtype=np.bool_)
            has[self._owners[self._model_rows == model_row]] = True
            voiced[model_id] = has[rows]
        return Members(
            ids=tuple(ids[row] for row in rows), expires_us=self._expires_us[rows], voiced=voiced
        )

    def _restored(
        self, watchlist_id: str, scorer: Scorer, names: NDArray[np.object_]
    ) -> tuple[Segment, ...]:
        actor_ids = np.array(self._actor_ids, dtype=object)
        return tuple(
            Segment.restored(
                stored.vectors,
                stored.sketches,
                voiceprint_ids=names[stored.places],
                actor_ids=actor_ids[self._owners[stored.places]],
                actor_codes=self._owners[stored.places],
                expires_us=self._expires_us[self._owners[stored.places]],
                net_speech_s=stored.net_speech_s,
                snr_db=stored.snr_db,
                statistics=stored.statistics,
            )
            for stored in self._segments[watchlist_id].get(scorer.profile_id, ())
        )

    def _without(self, gone: Collection[str], segments: tuple[Segment, ...]) -> tuple[Segment, ...]:
        if not gone:
            return segments
        codes = {
            name: code
            for code, actor_id in enumerate(self._actor_ids)
            if actor_id in gone
            for name in self._names_of[code]
        }
        return remove(segments, codes)


def _read_segment(parts: Iterator[bytes], shape: tuple[int, int]) -> _StoredSegment:
    return _StoredSegment(
        places=np.frombuffer(_next(parts), "<i4"),
        vectors=np.frombuffer(_next(parts), "<i2").reshape(shape),
        sketches=np.frombuffer(_next(parts), np.uint8),
        net_speech_s=np.frombuffer(_next(parts), "<f8"),
        snr_db=np.frombuffer(_next(parts), "<f8"),
        statistics=TemplateStatistics(
            mean=np.frombuffer(_next(parts), "<f4"), deviation=np.frombuffer(_next(parts), "<f4")
        ),
    )


def _try_out(segments: Iterable[Segment], scorer: Scorer, holdings: Mapping[str, Holding]) -> None:
    """Compute some rows again, so that what another version or machine computed otherwise is not searched."""
    for segment in segments:
        tried = np.unique(np.linspace(0, len(segment) - 1, _TRIED_ROWS).astype(np.int64))
        rows = [row for row in tried.tolist() if segment.actor_ids[row] in holdings]
        owners = [holdings[segment.actor_ids[row]] for row in rows]
        found = [
            (held, one)
            for row, held in zip(rows, owners, strict=True)
            for one in held.opened((segment.voiceprint_ids[row],))
        ]
        if not found:
            continue
        anew = Segment.build(rows_of(found), scorer)
        if not np.array_equal(anew.vectors, segment.vectors[rows]):
            raise CheckpointUnusable("vectors are computed otherwise now")
        if any(
            not np.array_equal(anew.index.reconstruct(new), segment.index.reconstruct(old))
            for new, old in enumerate(rows)
        ):
            raise CheckpointUnusable("sketches are computed otherwise now")


def _next(parts: Iterator[bytes]) -> bytes:
    try:
        return next(parts)
    except StopIteration:
        raise CheckpointUnusable("its end is missing") from None


def _split(ids: bytes) -> list[str]:
    return ids.decode().split("\n") if ids else []
