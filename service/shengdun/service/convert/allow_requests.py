"""What callers ask about the allow-list: from messages to checked values, customers and numbers as pseudonyms."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Final

from shengdun.index.identifiers import check_record_id, make_id
from shengdun.index.voices.allowed import (
    MOST_CUSTOMERS,
    Granted,
    OwnKind,
    Relation,
    Representative,
)
from shengdun.service.archiving import number_pseudonym
from shengdun.service.convert.calls import check_call_id
from shengdun.service.convert.watchlist_requests import (
    DEFAULT_PAGE,
    LARGEST_PAGE,
    LONGEST_REASON,
)
from shengdun.service.errors import InvalidRequest
from shengdun.v1 import allow_pb2 as pb

_LONGEST: Final = 256
RELATIONS: Final = {
    pb.RELATION_RELATIVE: Relation.RELATIVE,
    pb.RELATION_GUARDIAN: Relation.GUARDIAN,
    pb.RELATION_LAWYER: Relation.LAWYER,
    pb.RELATION_CONSUMER_BODY: Relation.CONSUMER_BODY,
}
KINDS: Final = {
    pb.OWN_VOICE_KIND_COLLECTOR: OwnKind.COLLECTOR,
    pb.OWN_VOICE_KIND_PROMPT: OwnKind.PROMPT,
}

Pseudonym = Callable[[str], str]


@dataclass(frozen=True, slots=True, kw_only=True)
class OwnVoiceRequest:
    """A voice of the institution's own, before it was heard.

    Attributes:
        entry_id: of the entry.
        kind: what it is.
        call_id: the finished call that it was heard in; empty if a recording follows.
        granted: why, by whom and for how long.
    """

    entry_id: str
    kind: OwnKind
    call_id: str
    granted: Granted


def new_entry(
    config: pb.AllowConfig, pseudonym: Pseudonym, *, principal: str
) -> Representative | OwnVoiceRequest:
    """What is to be added.

    Args:
        config: the message.
        pseudonym: of customer references and numbers.
        principal: who asks for it.

    Raises:
        InvalidRequest: a field is missing or wrong; the message names it.
        InvalidRecord: a field is malformed, or the entry would end before it begins.
    """
    if not config.reason.strip():
        raise InvalidRequest("reason is needed: say why this entry is lawful")
    if len(config.reason) > LONGEST_REASON:
        raise InvalidRequest(f"reason may have at most {LONGEST_REASON} characters")
    subject = config.WhichOneof("subject")
    if subject is None:
        raise InvalidRequest("an entry needs a representative or an own_voice")
    entry_id = entry_id_of(config.entry_id) if config.entry_id else make_id("alw")
    until = config.expire_time.ToDatetime(UTC) if config.HasField("expire_time") else None
    granted = Granted(reason=config.reason, principal=principal, at=_begins(until), until=until)
    if subject == "representative":
        return _representative(config.representative, entry_id, granted, pseudonym)
    return _own_voice(config.own_voice, entry_id, granted)


def entry_id_of(stated: str) -> str:
    """Return the id, or raise ``InvalidRecord`` if it is not well-formed."""
    return check_record_id("entry_id", stated)


def removal(request: pb.RemoveAllowedRequest) -> tuple[str, str]:
    """Which entry is to be removed, and why. Raises ``InvalidRecord``, ``InvalidRequest``."""
    if len(request.reason) > LONGEST_REASON:
        raise InvalidRequest(f"reason may have at most {LONGEST_REASON} characters")
    return entry_id_of(request.entry_id), request.reason


def page(request: pb.ListAllowedRequest) -> tuple[int, str]:
    """How many entries at most, and behind which token. Raises ``InvalidRequest``."""
    if not 0 <= request.page_size <= LARGEST_PAGE:
        raise InvalidRequest(f"page_size must be between 0 and {LARGEST_PAGE}")
    return request.page_size or DEFAULT_PAGE, request.page_token


def _begins(until: datetime | None) -> datetime:
    now = datetime.now(UTC)
    if until is not None and until <= now:
        raise InvalidRequest("expire_time lies in the past: the entry would never count")
    return now


def _representative(
    given: pb.NewRepresentative, entry_id: str, granted: Granted, pseudonym: Pseudonym
) -> Representative:
    if given.relation not in RELATIONS:
        raise InvalidRequest(
            "representative.relation must be that of a relative, a guardian, a lawyer or a consumer body"
        )
    if len(given.customer_references) + len(given.calling_numbers) > MOST_CUSTOMERS:
        raise InvalidRequest(
            f"a representative has at most {MOST_CUSTOMERS} customers and numbers; make several entries"
        )
    for name in ("customer_references", "calling_numbers"):
        for place, value in enumerate(getattr(given, name)):
            if not value.strip() or len(value) > _LONGEST:
                raise InvalidRequest(
                    f"representative.{name}[{place}] must have 1 to {_LONGEST} characters, not only blanks"
                )
    return Representative(
        entry_id=entry_id,
        relation=RELATIONS[given.relation],
        customers=frozenset(map(pseudonym, given.customer_references)),
        numbers=frozenset(number_pseudonym(each, pseudonym) for each in given.calling_numbers),
        granted=granted,
    )


def _own_voice(given: pb.NewOwnVoice, entry_id: str, granted: Granted) -> OwnVoiceRequest:
    if given.kind not in KINDS:
        raise InvalidRequest("own_voice.kind must be a collector's or a prompt's")
    source = given.WhichOneof("source")
    if source is None or not getattr(given, source):
        raise InvalidRequest("own_voice needs a recording_name or a call_id")
    return OwnVoiceRequest(
        entry_id=entry_id,
        kind=KINDS[given.kind],
        call_id=check_call_id(given.call_id) if source == "call_id" else "",
        granted=granted,
    )
