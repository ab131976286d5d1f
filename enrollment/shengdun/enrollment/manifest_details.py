"""An actor's details, gathered from all the rows that describe it."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, tzinfo
from typing import Final

from shengdun.enrollment.manifest_cells import Column, parse_expiry, parse_list
from shengdun.enrollment.manifest_rows import Row, RowProblem, RowProblemReason
from shengdun.index.errors import InvalidRecord
from shengdun.index.identifiers import check_text, check_watchlist_id
from shengdun.index.watchlists import MAX_ALIASES, MAX_WATCHLISTS, NAME_CHARACTERS, NOTES_CHARACTERS

_SINGLE: Final = (
    Column.NAME,
    Column.NETWORK,
    Column.SOURCE,
    Column.CASE_REFERENCE,
    Column.LEGAL_BASIS,
    Column.NOTES,
    Column.EXPIRES_AT,
)
_LONGEST: Final = {
    Column.NAME: NAME_CHARACTERS,
    Column.ACTOR: NAME_CHARACTERS,
    Column.SOURCE: NAME_CHARACTERS,
    Column.CASE_REFERENCE: NAME_CHARACTERS,
    Column.LEGAL_BASIS: NOTES_CHARACTERS,
    Column.NOTES: NOTES_CHARACTERS,
}


@dataclass(frozen=True, slots=True, kw_only=True)
class ActorDetails:
    """What the rows of one actor say about it; texts are empty where no row has any.

    Attributes:
        display_name: its name, or the actor column without one.
        watchlist_ids: the watchlists it is to be on, at least one, in the order of their first rows.
        aliases: other names, likewise.
        network_id: the network it belongs to.
        source: where the knowledge comes from.
        case_reference: the case it was found in.
        legal_basis: the legal basis of keeping its voiceprints.
        notes: free text.
        expires_at: after this instant it is no longer screened; has a time zone.
    """

    display_name: str
    watchlist_ids: tuple[str, ...]
    aliases: tuple[str, ...]
    network_id: str
    source: str
    case_reference: str
    legal_basis: str
    notes: str
    expires_at: datetime | None


@dataclass(frozen=True, slots=True, kw_only=True)
class DetailRules:
    """What is asked of an actor's details.

    Attributes:
        zone: the time zone of dates that name none.
        now: dates before this instant have passed; has a time zone.
        default_watchlists: the watchlists of actors whose rows name none.
    """

    zone: tzinfo
    now: datetime
    default_watchlists: tuple[str, ...]


def gather_details(
    rows: Sequence[Row], rules: DetailRules
) -> ActorDetails | tuple[RowProblem, ...]:
    """The details of the actor that all these rows describe, or why there are none.

    A cell that is left empty in some rows is taken from the others; two rows that state different things contradict
    each other. Watchlists and aliases of all rows are joined.
    """
    problems = [problem for row in rows for problem in _problems_of(row, rules)]
    problems += _contradictions(rows)
    watchlists = _joined(rows, Column.WATCHLISTS) or rules.default_watchlists
    if not watchlists:
        message = "The actor is on no watchlist. Name one in the watchlists column or for the whole manifest."
        problems.append(
            _problem(rows[0], Column.WATCHLISTS, RowProblemReason.NO_WATCHLIST, message)
        )
    if problems:
        return tuple(problems)
    stated = {column: _stated(rows, column) for column in _SINGLE}
    expires = stated[Column.EXPIRES_AT]
    return ActorDetails(
        display_name=stated[Column.NAME] or rows[0].key,
        watchlist_ids=watchlists,
        aliases=_joined(rows, Column.ALIASES),
        network_id=stated[Column.NETWORK],
        source=stated[Column.SOURCE],
        case_reference=stated[Column.CASE_REFERENCE],
        legal_basis=stated[Column.LEGAL_BASIS],
        notes=stated[Column.NOTES],
        expires_at=parse_expiry(expires, rules.zone) if expires else None,
    )


def _problems_of(row: Row, rules: DetailRules) -> Iterator[RowProblem]:
    if row.surplus:
        message = "The row has more cells than there are headers. Put texts with a comma between quotation marks."
        yield _problem(row, None, RowProblemReason.TOO_MANY_CELLS, message)
    for column, longest in _LONGEST.items():
        try:
            check_text(column.value, row.text(column), longest=longest)
        except InvalidRecord as error:
            yield _problem(row, column, RowProblemReason.BAD_VALUE, error.message)
    yield from _identifier_problems(row)
    if row.text(Column.EXPIRES_AT):
        yield from _date_problems(row, rules)


def _identifier_problems(row: Row) -> Iterator[RowProblem]:
    try:
        for watchlist_id in parse_list(row.text(Column.WATCHLISTS)):
            check_watchlist_id(watchlist_id)
    except InvalidRecord as error:
        yield _problem(row, Column.WATCHLISTS, RowProblemReason.BAD_VALUE, error.message)
    try:
        for alias in parse_list(row.text(Column.ALIASES)):
            check_text("alias", alias, longest=NAME_CHARACTERS)
    except InvalidRecord as error:
        yield _problem(row, Column.ALIASES, RowProblemReason.BAD_VALUE, error.message)
    try:
        if row.text(Column.NETWORK):
            check_text("network", row.text(Column.NETWORK), longest=NAME_CHARACTERS)
    except InvalidRecord as error:
        yield _problem(row, Column.NETWORK, RowProblemReason.BAD_VALUE, error.message)


def _date_problems(row: Row, rules: DetailRules) -> Iterator[RowProblem]:
    text = row.text(Column.EXPIRES_AT)
    try:
        passed = parse_expiry(text, rules.zone) <= rules.now
    except (ValueError, OverflowError):
        message = f"{text!r} is not a date. Write it as 2027-03-31."
        yield _problem(row, Column.EXPIRES_AT, RowProblemReason.BAD_DATE, message)
    else:
        if passed:
            message = (
                f"{text!r} has passed. State a later date, or leave the cell empty for no expiry."
            )
            yield _problem(row, Column.EXPIRES_AT, RowProblemReason.PAST_DATE, message)


def _contradictions(rows: Sequence[Row]) -> Iterator[RowProblem]:
    for column in _SINGLE:
        first = next((row for row in rows if row.text(column)), None)
        for row in rows:
            if first and row.text(column) and row.text(column) != first.text(column):
                message = (
                    f"{column.value} is {row.text(column)!r} here and {first.text(column)!r} in line {first.line}, "
                    f"for the same actor {row.key!r}. Make them equal, leave one empty, or tell two actors apart."
                )
                yield _problem(row, column, RowProblemReason.CONTRADICTION, message)
    for column, most in ((Column.WATCHLISTS, MAX_WATCHLISTS), (Column.ALIASES, MAX_ALIASES)):
        if len(_joined(rows, column)) > most:
            message = f"The actor has more than {most} {column.value}. Remove some."
            yield _problem(rows[0], column, RowProblemReason.BAD_VALUE, message)


def _stated(rows: Sequence[Row], column: Column) -> str:
    return next((row.text(column) for row in rows if row.text(column)), "")


def _joined(rows: Sequence[Row], column: Column) -> tuple[str, ...]:
    return tuple(dict.fromkeys(entry for row in rows for entry in parse_list(row.text(column))))


def _problem(row: Row, column: Column | None, reason: RowProblemReason, message: str) -> RowProblem:
    return RowProblem(line=row.line, column=column, reason=reason, message=message)
