"""What a start tells the garbage collector and the C library."""

import gc
import os
import subprocess
import sys

import pytest

from shengdun.index.memory import much_is_made


def test_only_much_is_kept_from_the_collector() -> None:
    """After a small list the collector still sees everything; what a long one made it needn't go through again."""
    before = gc.get_freeze_count()
    with much_is_made():
        assert not gc.isenabled()
        few: list[list[int]] = [[] for _ in range(1000)]
    assert (gc.isenabled(), gc.get_freeze_count()) == (True, before)
    try:
        with much_is_made():
            many: list[list[int]] = [[] for _ in range(200_000)]
        assert gc.get_freeze_count() >= before + len(few) + len(many)
    finally:
        gc.unfreeze()


_ARENAS = """
import ctypes, sys, tempfile, threading
from shengdun.index.memory import share_arenas

if sys.argv[1] == "shared":
    share_arenas()
libc = ctypes.CDLL(None)
libc.malloc.restype, libc.malloc.argtypes = ctypes.c_void_p, [ctypes.c_size_t]
libc.fopen.restype = ctypes.c_void_p
libc.malloc_info.argtypes, libc.fclose.argtypes = [ctypes.c_int, ctypes.c_void_p], [ctypes.c_void_p]
together = threading.Barrier(int(sys.argv[2]))

def take():
    together.wait()
    libc.malloc(10_000)
    together.wait()

threads = [threading.Thread(target=take) for _ in range(together.parties)]
[thread.start() for thread in threads]
[thread.join() for thread in threads]
with tempfile.NamedTemporaryFile() as file:
    stream = libc.fopen(file.name.encode(), b"w")
    libc.malloc_info(0, stream)
    libc.fclose(stream)
    print(file.read().decode().count("<heap nr"))
"""


@pytest.mark.skipif("CS_GNU_LIBC_VERSION" not in os.confstr_names, reason="glibc's own")
def test_threads_share_the_pools_of_memory() -> None:
    """Of many threads each has one of its own otherwise."""
    cores = os.cpu_count() or 1
    threads = 4 * cores
    counted = {
        way: int(
            subprocess.run(
                (sys.executable, "-c", _ARENAS, way, str(threads)),
                check=True,
                capture_output=True,
                text=True,
            ).stdout
        )
        for way in ("shared", "apart")
    }
    assert counted["shared"] <= cores + 1
    assert counted["apart"] > counted["shared"]
