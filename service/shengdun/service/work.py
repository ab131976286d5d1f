"""Where CPU work is done that no coroutine may do."""

from collections.abc import Awaitable, Callable
from typing import Protocol, TypeVar

T = TypeVar("T")


class Run(Protocol):
    """Runs CPU work in a thread."""

    def __call__(self, work: Callable[[], T], /) -> Awaitable[T]:
        """Returns what the work returns and raises what it raises."""
