"""Enumerations of the wire as those of the client, by name, so that neither side depends on numbers."""

from collections.abc import Callable
from enum import Enum
from typing import Any, TypeAlias, TypeVar

Member = TypeVar("Member", bound=Enum)
Names: TypeAlias = Callable[[Any], str]
"""``Name`` of a generated enumeration; raises ``ValueError`` for a number that is not known."""


def from_wire(kind: type[Member], names: Names, prefix: str, number: int) -> Member:
    """The client's member of the same name, or ``UNKNOWN`` for what this client doesn't know."""
    try:
        return kind[names(number).removeprefix(prefix)]
    except (ValueError, KeyError):
        return kind["UNKNOWN"]


def from_wire_optional(kind: type[Member], names: Names, prefix: str, number: int) -> Member | None:
    """The same, with None for the wire's 0, which says "not stated"."""
    return from_wire(kind, names, prefix, number) if number else None
