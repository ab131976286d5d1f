"""What a start tells the garbage collector and the C library."""

import gc
import os
import subprocess
import sys

import pytest

from shengdun.index.memory import made_for_good, much_is_made


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


def test_what_is_made_for_good_is_kept_from_the_collector() -> None:
    """However little it is, with all that there was before."""
    before = gc.get_freeze_count()
    try:
        with made_for_good():
            assert not gc.isenabled()
            few: list[list[int]] = [[] for _ in range(1000)]
        assert gc.isenabled()
        assert gc.get_freeze_count() >= before + len(few)
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


_LARGE_BLOCKS = """
import ctypes, sys
from shengdun.index.memory import return_large_blocks

if sys.argv[1] == "returned":
    return_large_blocks()
libc = ctypes.CDLL(None)
libc.malloc.restype, libc.malloc.argtypes = ctypes.c_void_p, [ctypes.c_size_t]
libc.free.argtypes = [ctypes.c_void_p]

def resident_mb():
    with open("/proc/self/statm") as file:
        return int(file.read().split()[1]) * 4096 / 1e6

libc.free(libc.malloc(30_000_000))
before = resident_mb()
blocks = [libc.malloc(20_000_000) for _ in range(5)]
for block in blocks:
    ctypes.memset(block, 1, 20_000_000)
after_the_blocks = libc.malloc(1_000_000)
for block in blocks:
    libc.free(block)
print(resident_mb() - before)
"""


@pytest.mark.skipif("CS_GNU_LIBC_VERSION" not in os.confstr_names, reason="glibc's own")
def test_large_blocks_are_given_back() -> None:
    """Also after one of 30 MB was freed, and whatever lies behind them."""
    kept_mb = {
        way: float(
            subprocess.run(
                (sys.executable, "-c", _LARGE_BLOCKS, way),
                check=True,
                capture_output=True,
                text=True,
            ).stdout
        )
        for way in ("returned", "as it is")
    }
    assert kept_mb["returned"] < 20 < kept_mb["as it is"]
