"""What was scanned for callers whose calls aren't in the window yet: most are looked for again before long.

A caller is looked for while the call runs, at its end, and when the finished call is put where it belongs; between two
of these the voice has mostly been heard little further or not at all.
"""

import threading
from typing import Final

from shengdun.index.voices.recent import Scan

_MOST: Final = 256
"""Of 15 kB each; a call that was never finished here goes when so many others came."""


class Scans:
    """The latest scan for each of some calls, by key. May be used from any thread."""

    def __init__(self) -> None:
        self._scans: dict[int, Scan] = {}
        self._lock = threading.Lock()

    def __len__(self) -> int:
        return len(self._scans)

    def of(self, key: int) -> Scan | None:
        """The scan for a call; None if there is none any more."""
        return self._scans.get(key)

    def put(self, key: int, scan: Scan) -> None:
        """Keep one, unless the key is 0."""
        if not key:
            return
        with self._lock:
            self._scans.pop(key, None)
            self._scans[key] = scan
            while len(self._scans) > _MOST:
                del self._scans[next(iter(self._scans))]

    def pop(self, key: int) -> Scan | None:
        """The scan for a call, for the last time."""
        with self._lock:
            return self._scans.pop(key, None)

    def clear(self) -> None:
        """Keep none."""
        with self._lock:
            self._scans.clear()
