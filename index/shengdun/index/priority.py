"""Threads that step back behind those that serve live calls."""

import os
import threading
from typing import Final

_NICENESS: Final = 10
"""A tenth of what a live call's thread gets where both want the processor. Not less: a thread that is kept waiting
while it holds the interpreter's lock would keep the live ones waiting too."""
_LEAST_FAVOURABLE: Final = 19


def step_back() -> None:
    """Lower the priority of the thread that this runs on."""
    # On Linux niceness belongs to the thread, so the threads that serve live calls keep theirs.
    thread = threading.get_native_id()
    niceness = os.getpriority(os.PRIO_PROCESS, thread) + _NICENESS
    os.setpriority(os.PRIO_PROCESS, thread, min(niceness, _LEAST_FAVOURABLE))
