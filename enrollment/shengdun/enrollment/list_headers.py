"""The header of a list as people write it: the columns it names, in English or in Chinese."""

import re
from collections.abc import Mapping, Sequence
from enum import Enum
from typing import Generic, TypeVar

from shengdun.enrollment.errors import ManifestUnreadable

Column = TypeVar("Column", bound=Enum)
"""Its value is the column's plain English name."""


class Headers(Generic[Column]):
    """What the columns of one kind of list are called.

    Names are matched without regard to case, spaces, hyphens and underscores.

    Args:
        names: the names of each column, in lower case and without those.
        of: what such a list is called in messages.
    """

    def __init__(self, names: Mapping[Column, Sequence[str]], *, of: str) -> None:
        self._of = of
        self._every = tuple(names)
        self._column_of = {name: column for column, own in names.items() for name in own}

    def column(self, header: str) -> Column | None:
        """The column that a header names; None if it names none."""
        return self._column_of.get(re.sub(r"[\s_\-]+", "", header).lower())

    def columns(self, headers: Sequence[str]) -> list[Column]:
        """The columns of a header, without empty cells at its end.

        Raises:
            ManifestUnreadable: one is unknown, or named twice.
        """
        last = max((place for place, each in enumerate(headers, start=1) if each), default=0)
        found = [(each, self.column(each)) for each in headers[:last]]
        unknown = [name for name, column in found if column is None]
        if unknown:
            raise ManifestUnreadable(
                f"Unknown columns in the {self._of}: {', '.join(map(repr, unknown))}. Rename or remove them; the "
                f"columns are {', '.join(column.value for column in self._every)}."
            )
        columns = [column for _, column in found if column is not None]
        repeated = {column.value for column in columns if columns.count(column) > 1}
        if repeated:
            raise ManifestUnreadable(
                f"The {self._of} has these columns twice: {', '.join(sorted(repeated))}. Remove one."
            )
        return columns
