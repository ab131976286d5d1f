"""Memory that a thread reads one block of voiceprints after the other into.

New memory for each would have to be cleared and mapped by the system, which takes some time.
"""


class Scratch:
    """Memory for what is read and for what it holds when it is opened; grows as needed. For one thread."""

    def __init__(self) -> None:
        self._sealed = bytearray()
        self._plain = bytearray()

    def sealed(self, size: int) -> memoryview:
        """So many bytes for what lies in a file; what was there before is lost."""
        if len(self._sealed) < size:
            self._sealed = bytearray(size)
        return memoryview(self._sealed)[:size]

    def plain(self, size: int) -> memoryview:
        """So many bytes for what it holds; what was there before is lost."""
        if len(self._plain) < size:
            self._plain = bytearray(size)
        return memoryview(self._plain)[:size]
