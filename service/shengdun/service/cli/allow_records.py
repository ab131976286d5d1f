"""How entries of the allow-list look in a terminal."""

from collections.abc import Sequence

from shengdun.service.cli.output import say, say_json, table
from shengdun.service.cli.records import moment, show_fields
from shengdun.service.contract.allowing import AllowedEntry

_HEADER = ("ENTRY", "WHO", "CUSTOMERS", "NUMBERS", "EXPIRES", "BY", "REASON")


def show_entries(entries: Sequence[AllowedEntry], *, with_header: bool = True) -> None:
    """Write entries, one a line."""
    rows = [
        (
            entry.entry_id,
            _who(entry),
            str(entry.customers) if entry.own is None else "",
            str(entry.numbers) if entry.own is None else "",
            _expiry(entry),
            entry.granted_by,
            entry.reason,
        )
        for entry in entries
    ]
    lines = table(_HEADER, rows)
    say(lines if with_header else lines.partition("\n")[2])


def show_entry(entry: AllowedEntry, *, json: bool) -> None:
    """Write one entry."""
    if json:
        say_json(entry)
        return
    own = entry.own is not None
    show_fields(
        ("entry", entry.entry_id),
        ("who", _who(entry)),
        ("reason", entry.reason),
        ("made by", entry.granted_by),
        ("made", moment(entry.granted_at)),
        ("expires", _expiry(entry)),
        ("customers", "" if own else str(entry.customers)),
        ("numbers", "" if own else str(entry.numbers)),
        ("voice model", entry.model_id),
        ("net speech", f"{entry.net_speech_s:.1f} s" if own else ""),
    )
    for what, pseudonyms in (
        ("customer", entry.customer_pseudonyms),
        ("number", entry.number_pseudonyms),
    ):
        for pseudonym in pseudonyms:
            say(f"{what} {pseudonym}")


def _who(entry: AllowedEntry) -> str:
    named = entry.relation or entry.own
    return "" if named is None else named.value


def _expiry(entry: AllowedEntry) -> str:
    if entry.expires_at is None:
        return "never"
    return moment(entry.expires_at) + (" (expired)" if entry.expired else "")
