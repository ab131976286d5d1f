"""Time zones that an option names."""

from datetime import UTC, datetime, tzinfo
from zoneinfo import ZoneInfo

import typer


def zone_named(name: str) -> tzinfo | None:
    """A zone by its name, such as ``Asia/Shanghai``; None for none.

    Raises:
        typer.BadParameter: there is none of this name.
    """
    if not name:
        return None
    try:
        return ZoneInfo(name)
    except (ValueError, OSError, KeyError):
        raise typer.BadParameter(f"there is no time zone {name!r}") from None


def own_zone() -> tzinfo:
    """This machine's."""
    return datetime.now().astimezone().tzinfo or UTC
