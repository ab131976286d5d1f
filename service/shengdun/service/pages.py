"""How much of a page goes into one message."""

import itertools
from collections.abc import Sequence
from typing import Final, TypeVar

from google.protobuf.message import Message

AnyMessage = TypeVar("AnyMessage", bound=Message)

_PAGE_BYTES: Final = 3 << 20


def within_a_message(items: Sequence[AnyMessage]) -> Sequence[AnyMessage]:
    """As many of these, and at least one, as a client takes in one message unless it was told otherwise (4 MiB)."""
    sizes = itertools.accumulate(item.ByteSize() for item in items)
    return items[: max(1, sum(size <= _PAGE_BYTES for size in sizes))]
