"""Threads that step back behind those that serve live calls."""

import os
import threading
from typing import Final

_NICENESS: Final = 10
_LEAST_FAVOURABLE: Final = 19


def step_back() -> None:
    """Lower the priority of the thread that this runs on."""
    # On Linux niceness belongs to the thread, so the threads that serve live calls keep theirs.
    thread = threading.get_native_id()
    niceness = os.getpriority(os.PRIO_PROCESS, thread) + _NICENESS
    os.setpriority(os.PRIO_PROCESS, thread, min(niceness, _LEAST_FAVOURABLE))
