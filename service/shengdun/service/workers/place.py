"""What one server process knows about those beside it."""

import os
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final
from uuid import uuid4


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """The place of a process among the workers of one server.

    Attributes:
        number: of this process, from 1 on.
        workers: how many processes there are; one that is alone shares nothing.
        installation: a name that these workers share, and nobody else has.
        cores: that this process may keep busy; None for all that it may run on.
        store_directory: where the embedded store lies that the parent runs; None if this process runs its own, or
            the settings name another.
    """

    number: int = 1
    workers: int = 1
    installation: str = field(default_factory=lambda: uuid4().hex)
    cores: int | None = None
    store_directory: Path | None = None

    def __post_init__(self) -> None:
        if not 1 <= self.number <= self.workers:
            raise ValueError(f"there is no worker {self.number} of {self.workers}")

    def new_owner(self) -> str:
        """A name under which this process claims calls; nobody else uses it, and the other workers know it by."""
        return f"{self.installation}/{os.getpid()}/{uuid4().hex}"

    def is_gone(self, owner: str) -> bool:
        """Whether an owner of calls is known to have died: a worker beside this one whose process is no more."""
        installation, _, rest = owner.partition("/")
        process = rest.partition("/")[0]
        return installation == self.installation and not _lives(process)

    @property
    def is_shared(self) -> bool:
        """Whether other processes take calls on the same port."""
        return self.workers > 1


def _lives(process: str) -> bool:
    try:
        # The name of a program may hold blanks and brackets; what follows it does not (proc_pid_stat(5)).
        state = (
            Path("/proc", process, "stat").read_text(encoding="utf-8").rpartition(")")[2].split()[0]
        )
    except (FileNotFoundError, ProcessLookupError):
        return False
    # One that has ended is there until its parent has asked how.
    return state not in {"Z", "X"}


ALONE: Final = Place()
"""The place of a server that is one process."""
