"""Marks of what was erased, so that a call that somebody still has a recording of doesn't come back by itself.

A mark stands for a call, or for a customer or a number all of whose calls were erased; it is a keyed hash that is found
nowhere else, and says when. A call that started later is none of those that were meant.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from shengdun.index.archive.rows import CallQuery
from shengdun.index.keys import KeyRing


@dataclass(frozen=True, slots=True, kw_only=True)
class Origin:
    """What a call of the past is known by.

    Attributes:
        call_id: its id.
        customer: keyed pseudonym; may be empty.
        number: keyed pseudonym; may be empty.
        started_at: when it started; has a time zone.
    """

    call_id: str
    customer: str
    number: str
    started_at: datetime


def marks_of(origin: Origin, keys: KeyRing) -> tuple[bytes, ...]:
    """The marks by which a call is meant, 16 bytes each."""
    people = (("customer", origin.customer), ("number", origin.number))
    return (
        *call_marks([origin.call_id], keys),
        *(_mark(f"{kind}/{of}", keys) for kind, of in people if of),
    )


def call_marks(call_ids: Sequence[str], keys: KeyRing) -> tuple[bytes, ...]:
    """The marks of some calls."""
    return tuple(_mark(f"call/{call_id}", keys) for call_id in call_ids)


def person_marks(query: CallQuery, keys: KeyRing) -> tuple[bytes, ...]:
    """The mark of whoever all calls of a query are by or about; none if it asks for less than all of these."""
    if query == CallQuery(customer=query.customer) and query.customer:
        return (_mark(f"customer/{query.customer}", keys),)
    if query == CallQuery(number=query.number) and query.number:
        return (_mark(f"number/{query.number}", keys),)
    return ()


def is_about_a_person(query: CallQuery) -> bool:
    """Whether a query asks for the calls of somebody, and not for those of a day, a line or an actor.

    Calls of the latter kinds may be archived again: a day is also erased when its file is damaged.
    """
    return bool(query.customer or query.number)


def _mark(of: str, keys: KeyRing) -> bytes:
    return bytes.fromhex(keys.pseudonym(f"erased/{of}"))
