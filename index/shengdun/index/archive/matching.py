"""Which rows of a table or a partition a query asks for."""

from collections.abc import Callable
from functools import reduce

import numpy as np
from numpy.typing import NDArray

from shengdun.index.archive.rows import CallQuery
from shengdun.index.archive.tables import (
    FLAG_KINDS,
    FLAG_SUBJECTS,
    CallSource,
    microseconds,
    numbers,
    word_lists,
    words,
)

_Mask = NDArray[np.bool_]


def matching(source: CallSource, query: CallQuery) -> _Mask | None:
    """(n,) the rows that are asked for, None for all; reads no column that isn't asked about."""
    masks = [
        *(words(source, name).having(wanted) for name, wanted in _texts(query).items() if wanted),
        *_by_time(source, query),
        *_by_flags(source, query),
    ]
    if query.model_id and query.model_id != source.model_id:
        return np.zeros(len(source.column("sequence")), np.bool_)
    return reduce(np.logical_and, masks) if masks else None


def narrows(query: CallQuery) -> bool:
    """Whether a query leaves anything out."""
    return query != CallQuery()


def _texts(query: CallQuery) -> dict[str, str]:
    return {
        "line": query.line,
        "customer": query.customer,
        "number": query.number,
        "level": query.level,
    }


def _by_time(source: CallSource, query: CallQuery) -> list[_Mask]:
    started_us: Callable[[], NDArray[np.int64]] = lambda: numbers(source, "started_us")  # noqa: E731
    masks = []
    if query.since is not None:
        masks.append(started_us() >= microseconds(query.since))
    if query.until is not None:
        masks.append(started_us() < microseconds(query.until))
    return masks


def _by_flags(source: CallSource, query: CallQuery) -> list[_Mask]:
    masks = []
    if query.flag or query.actor:
        kinds, subjects = word_lists(source, FLAG_KINDS), word_lists(source, FLAG_SUBJECTS)
        if query.flag:
            masks.append(kinds.having(kinds.inner.having(query.flag)))
        if query.actor:
            masks.append(kinds.having(subjects.inner.having(query.actor)))
    return masks
