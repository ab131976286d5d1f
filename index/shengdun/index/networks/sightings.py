"""What a network needs of archived calls."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime

from shengdun.index.archive.blocks import CallBlock
from shengdun.index.archive.rows import ArchivedFlag
from shengdun.index.archive.tables import time_of


@dataclass(frozen=True, slots=True, kw_only=True)
class Sighting:
    """What is needed of an archived call.

    Attributes:
        call_id: the telephony system's id.
        started_at: in UTC.
        customer: keyed pseudonym of the customer; empty if none was given.
        number: keyed pseudonym of the calling number; empty if none was given.
        flags: of its last decision.
    """

    call_id: str
    started_at: datetime
    customer: str = ""
    number: str = ""
    flags: tuple[ArchivedFlag, ...] = ()


def sightings(block: CallBlock) -> Iterator[Sighting]:
    """What is needed of the calls of a block. Raises ``PartitionDamaged``."""
    times = block.started_us.tolist()
    columns = (block.call_ids, times, block.customers, block.numbers, block.flags)
    for call_id, started_us, customer, number, flags in zip(*columns, strict=True):
        yield Sighting(
            call_id=call_id,
            started_at=time_of(started_us),
            customer=customer,
            number=number,
            flags=flags,
        )
