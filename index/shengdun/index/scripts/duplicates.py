"""Scripts that were there already and have nearly the wording of a new one.

A list with many copies finds no more than one of them does, and each counts against all others in their LLRs. Nothing
is refused because of it: two networks may hand out the same letter.
"""

from dataclasses import dataclass
from typing import Final

from shengdun.index.scripts.known import KnownScripts
from shengdun.index.scripts.scoring import CANDIDATES
from shengdun.index.scripts.script import Script

LEAST_IN_COMMON: Final = 0.7
"""Of each of the two; a letter with half of another's sentences is a script of its own."""


@dataclass(frozen=True, slots=True, kw_only=True)
class NearDuplicate:
    """A script with nearly the wording of a new one.

    Attributes:
        script: the one that was there.
        share: of it that lies in passages of both, 0 to 1.
        share_of_new: of the new one, 0 to 1.
    """

    script: Script
    share: float
    share_of_new: float


def near_duplicates(known: KnownScripts, new: Script) -> tuple[NearDuplicate, ...]:
    """Those that are searched for, the most alike first, at most ``CANDIDATES``; takes milliseconds and more.

    Args:
        known: the scripts that there are; the new one may be among them.
        new: a script that is long enough to be searched for.
    """
    found = [
        NearDuplicate(
            script=each.script,
            share=each.match.script_share,
            share_of_new=each.match.text_share,
        )
        for each in known.match(new.text, limit=CANDIDATES)
        if each.script.script_id != new.script_id
    ]
    near = [each for each in found if min(each.share, each.share_of_new) >= LEAST_IN_COMMON]
    near.sort(key=lambda each: (-min(each.share, each.share_of_new), each.script.script_id))
    return tuple(near)
