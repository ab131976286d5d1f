"""Which option of a command answers a refusal; the server, which any client may call, can't know them."""

from typing import Final

HINTS: Final = {
    "LIKELY_DUPLICATE": "`--duplicates skip`, `--duplicates merge` or `--duplicates register` says which",
    "WATCHLIST_NOT_EMPTY": "`--force` does that",
    "WATCHLIST_NOT_FOUND": "`shengdun watchlist list`, `shengdun watchlist create`",
    "ACTOR_NOT_FOUND": "`shengdun actor list` shows those that there are",
    "SCRIPT_NOT_FOUND": "`shengdun script list` shows those that there are",
    "CAMPAIGN_NOT_FOUND": "`shengdun campaign list` shows those that there are",
    "UNAUTHENTICATED": "give one with `--token-file` or SHENGDUN_TOKEN",
}
"""What to add to a message, by the reason of its error."""


def with_hint(message: str, reason: str) -> str:
    """The message of an error, and the option that answers it if there is one."""
    hint = HINTS.get(reason)
    return message if hint is None else f"{message.rstrip('.')}; {hint}"
