"""The allow-list on a server: from its entries to messages."""

from datetime import datetime
from typing import Final

from shengdun.index.voices.allow_keeping import AllowPage
from shengdun.index.voices.allowed import Entry, Representative
from shengdun.service.convert.allow_requests import KINDS, RELATIONS
from shengdun.service.convert.times import timestamp
from shengdun.v1 import allow_pb2 as pb

_RELATIONS: Final = {relation: value for value, relation in RELATIONS.items()}
_KINDS: Final = {kind: value for value, kind in KINDS.items()}
_SHOWN: Final = 1000


def entry_message(entry: Entry, at: datetime, *, whole: bool = False) -> pb.AllowedEntry:
    """An entry.

    Args:
        entry: the entry.
        at: what counts as expired.
        whole: whether to give pseudonyms, at most 1,000 of customers and as many of numbers.
    """
    granted = entry.granted
    message = pb.AllowedEntry(
        entry_id=entry.entry_id,
        reason=granted.reason,
        granted_by=granted.principal,
        grant_time=timestamp(granted.at),
        expire_time=None if granted.until is None else timestamp(granted.until),
        expired=not granted.holds(at),
    )
    if isinstance(entry, Representative):
        message.representative.MergeFrom(
            pb.Representative(
                relation=_RELATIONS[entry.relation],
                customers=len(entry.customers),
                numbers=len(entry.numbers),
                customer_pseudonyms=sorted(entry.customers)[:_SHOWN] if whole else (),
                number_pseudonyms=sorted(entry.numbers)[:_SHOWN] if whole else (),
            )
        )
    else:
        message.own_voice.MergeFrom(
            pb.OwnVoice(
                kind=_KINDS[entry.kind],
                model_id=entry.model_id,
                net_speech_s=entry.net_speech_s,
            )
        )
    return message


def page_message(page: AllowPage, at: datetime) -> pb.ListAllowedResponse:
    """A page of entries, without pseudonyms."""
    return pb.ListAllowedResponse(
        entries=[entry_message(entry, at) for entry in page.entries],
        next_page_token=page.next_page_token,
        total=page.total,
    )
