"""What a start tells Python and the C library about memory: it makes much that stays."""

import ctypes
import gc
import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Final

_MUCH: Final = 100_000
"""Objects that are worth keeping from the garbage collector: a collection goes through as many in some milliseconds."""


_M_TRIM_THRESHOLD: Final = -1
_M_MMAP_THRESHOLD: Final = -3
_M_ARENA_MAX: Final = -8
"""These three are as glibc's ``malloc.h`` has them."""
_LARGE_BYTES: Final = 4 << 20


def share_arenas() -> None:
    """Let threads share the C library's pools of memory, one a core; call it before there are threads.

    glibc would give nearly every thread a pool of its own and keep in each what it needed at its most.
    """
    with suppress(OSError, AttributeError):
        ctypes.CDLL(None).mallopt(_M_ARENA_MAX, os.cpu_count() or 1)


def return_large_blocks() -> None:
    """Let the C library give blocks of 4 MiB and more back to the system as soon as they are free.

    glibc would do so at first, and after the first block of 30 MB, as a model is, no more: a start then needed up to
    45 MB more at its most. Smaller blocks are kept for the next call, as before.
    """
    with suppress(OSError, AttributeError):
        mallopt = ctypes.CDLL(None).mallopt
        mallopt(_M_MMAP_THRESHOLD, _LARGE_BYTES)
        # To set the one keeps glibc from raising the other, to twice as much.
        mallopt(_M_TRIM_THRESHOLD, 2 * _LARGE_BYTES)


@contextmanager
def undisturbed() -> Iterator[None]:
    """Keep the garbage collector away while objects are made by the hundred thousand.

    It would go through them again and again, a third of the time of a start.
    """
    was_enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was_enabled:
            gc.enable()


@contextmanager
def made_for_good() -> Iterator[None]:
    """As ``undisturbed``; whatever there is afterwards stays, and no collection goes through it any more."""
    with undisturbed():
        yield
        gc.freeze()


@contextmanager
def much_is_made() -> Iterator[None]:
    """As ``undisturbed``; if much was made it stays, and is not gone through in the middle of a call either."""
    try:
        with undisturbed():
            yield
            # The first count is of what was made since the last collection. What is garbage by now stays as well, for
            # to collect it takes 0.1 s; so a process that opens small lists one by one, as tests do, isn't frozen.
            if gc.get_count()[0] > _MUCH:
                gc.freeze()
    finally:
        return_memory()


def return_memory() -> None:
    """Give back to the system what was needed for a while only; glibc would keep it, 1.5 KB a voiceprint."""
    # Another C library has no such function, and another way to deal with memory.
    with suppress(OSError, AttributeError):
        ctypes.CDLL(None).malloc_trim(0)
