"""What hunts still say of calls, actors and scripts that a receipt says are gone: in memory, and in every file."""

from collections.abc import Callable, Iterable

from shengdun.index.hunts.hunt import Hunt, Quarry
from shengdun.index.hunts.shelf import HuntShelf
from shengdun.index.traces import Traces


def hunts_naming(
    shelf: HuntShelf, live: Iterable[Hunt], receipt_names: Callable[[str], bool]
) -> Traces:
    """The hunts that have calls among what they found; blocks.

    Args:
        shelf: has the files.
        live: hunts that are running.
        receipt_names: whether a call, by its id, is to be gone.
    """

    def naming(hunt: Hunt) -> str:
        calls = sum(receipt_names(hit.call_id) for hit in hunt.hits.best)
        return f"has {calls} of the calls" if calls else ""

    return _traces(shelf, live, naming)


def hunts_after(shelf: HuntShelf, live: Iterable[Hunt], quarry: Quarry, subject: str) -> Traces:
    """The hunts for one actor or script; blocks."""

    def after(hunt: Hunt) -> str:
        is_it = hunt.request.quarry is quarry and hunt.request.subject == subject
        return f"is after {quarry.value} {subject}" if is_it else ""

    return _traces(shelf, live, after)


def _traces(shelf: HuntShelf, live: Iterable[Hunt], says: Callable[[Hunt], str]) -> Traces:
    found: dict[str, None] = {}
    problems: dict[str, None] = {}
    for hunt in live:
        if said := says(hunt):
            found[f"hunt {hunt.hunt_id} {said}"] = None
    for hunt_id, kept in shelf.files():
        if kept is None:
            problems[f"the file of hunt {hunt_id} can't be opened"] = None
        elif said := says(kept):
            found[f"the file of hunt {hunt_id} {said}"] = None
    return Traces(found=tuple(found), problems=tuple(problems))
