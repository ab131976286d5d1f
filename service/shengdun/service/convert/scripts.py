"""Scripts and what shows their use: from domain values to messages."""

from collections.abc import Sequence
from typing import Final

from shengdun.index.scripts.duplicates import NearDuplicate
from shengdun.index.scripts.known import FoundScript
from shengdun.index.scripts.matching import Passage, View
from shengdun.index.scripts.script import Script, ScriptKind
from shengdun.index.scripts.similar import SimilarScript
from shengdun.service.convert.times import timestamp
from shengdun.service.decision import FollowedScript
from shengdun.v1 import script_pb2

LONGEST_EXCERPT: Final = 500
"""Code points; what is longer is read in the text and the script, at the places that the passage names."""
MOST_PASSAGES: Final = 50
_KINDS: Final = {
    ScriptKind.LETTER: script_pb2.SCRIPT_KIND_LETTER,
    ScriptKind.CHAT: script_pb2.SCRIPT_KIND_CHAT,
    ScriptKind.TRANSCRIPT: script_pb2.SCRIPT_KIND_TRANSCRIPT,
    ScriptKind.TEMPLATE: script_pb2.SCRIPT_KIND_TEMPLATE,
}
_VIEWS: Final = {
    View.CHARACTERS: script_pb2.PASSAGE_VIEW_CHARACTERS,
    View.PINYIN: script_pb2.PASSAGE_VIEW_PINYIN,
}


def script_message(script: Script, *, searched: bool) -> script_pb2.ScriptInfo:
    """A script as a message, without its text.

    Args:
        script: the script.
        searched: whether texts and calls are compared with it.
    """
    message = script_pb2.ScriptInfo(
        script_id=script.script_id,
        title=script.title,
        kind=_KINDS[script.kind],
        network_id=script.network_id or "",
        campaign=script.campaign,
        purpose=script.purpose,
        source=script.provenance.source,
        case_reference=script.provenance.case_reference,
        legal_basis=script.provenance.legal_basis,
        create_time=timestamp(script.created_at),
        registered_by=script.provenance.registered_by,
        text_length=len(script.text),
        searched=searched,
    )
    if script.expires_at is not None:
        message.expire_time.CopyFrom(timestamp(script.expires_at))
    return message


def match_message(found: FoundScript, text: str) -> script_pb2.ScriptMatch:
    """A script that a text may use, with what shows it side by side.

    Args:
        found: what was found.
        text: where it was found.
    """
    excerpts = [text[each.text_start : each.text_end] for each in found.match.passages]
    return _match(found, excerpts)


def followed_message(followed: FollowedScript, *, passages: bool = True) -> script_pb2.ScriptMatch:
    """A script that a caller's words follow, with what shows it side by side unless that is left out."""
    message = _match(followed.found, followed.excerpts)
    if not passages:
        message.ClearField("passages")
    return message


def _match(found: FoundScript, excerpts: Sequence[str]) -> script_pb2.ScriptMatch:
    script, match = found.script, found.match
    each = zip(match.passages, excerpts, strict=True)
    longest = sorted(each, key=lambda one: _length(one[0]), reverse=True)[:MOST_PASSAGES]
    shown = sorted(longest, key=lambda one: one[0].text_start)
    return script_pb2.ScriptMatch(
        script_id=script.script_id,
        title=script.title,
        network_id=script.network_id or "",
        campaign=script.campaign,
        llr=match.llr,
        script_share=match.script_share,
        text_share=match.text_share,
        passages=[_passage(passage, excerpt, script.text) for passage, excerpt in shown],
    )


def _passage(passage: Passage, excerpt: str, script: str) -> script_pb2.Passage:
    return script_pb2.Passage(
        text_start=passage.text_start,
        text_end=passage.text_end,
        script_start=passage.script_start,
        script_end=passage.script_end,
        view=_VIEWS[passage.view],
        text_excerpt=excerpt[:LONGEST_EXCERPT],
        script_excerpt=_excerpt(script, passage.script_start, passage.script_end),
    )


def _excerpt(whole: str, start: int, end: int) -> str:
    return whole[start : min(end, start + LONGEST_EXCERPT)]


def _length(passage: Passage) -> int:
    return passage.text_end - passage.text_start


def near_duplicate_message(near: NearDuplicate) -> script_pb2.NearDuplicate:
    """A script with nearly the wording of a new one."""
    return script_pb2.NearDuplicate(
        script_id=near.script.script_id,
        title=near.script.title,
        network_id=near.script.network_id or "",
        campaign=near.script.campaign,
        share=near.share,
        share_of_new=near.share_of_new,
    )


def similar_message(similar: SimilarScript) -> script_pb2.SimilarScript:
    """A script that a text is like in meaning."""
    return script_pb2.SimilarScript(
        script_id=similar.script_id, title=similar.title, similarity=similar.similarity
    )
