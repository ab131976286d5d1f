"""Changes: what is asked for by somebody, journaled under their name, and done once however often it is asked."""

from dataclasses import dataclass

from shengdun.index.idempotency import recall, remember
from shengdun.index.identifiers import check_text
from shengdun.index.journal import Draft, Idempotency, JournalEntry, Seen
from shengdun.index.ledger import Ledger, Plan
from shengdun.index.snapshot import Snapshot


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """A change.

    Attributes:
        entry: of the journal; None if the change had been made before.
        before: the snapshot that it was planned on.
        after: the snapshot that has it.
        subject: the id that it is about, where it had been made before.
    """

    entry: JournalEntry | None
    before: Snapshot
    after: Snapshot
    subject: str = ""


class Changes:
    """Makes changes through a ledger."""

    def __init__(self, ledger: Ledger) -> None:
        self._ledger = ledger

    def asked(
        self, principal: str, idempotency_key: str | None, request: object, subject: str
    ) -> Idempotency | None:
        """What to remember with a change; see ``idempotency.remember``."""
        return remember(
            self._ledger.keys,
            principal=principal,
            idempotency_key=idempotency_key,
            request=request,
            subject=subject,
        )

    async def commit(
        self,
        plan: Plan,
        principal: str,
        asked: Idempotency | None = None,
        *,
        frees_space: bool = False,
    ) -> Outcome:
        """Make a change durable and visible.

        Args:
            plan: works out the change; its errors are passed on and nothing is changed.
            principal: who asks for it.
            asked: what to remember with it.
            frees_space: the change may be made although the disk is nearly full.

        Raises:
            IdempotencyConflict: the idempotency key came with another request.
            IndexRoomError: as ``Ledger.commit`` says.
        """
        check_text("principal", principal, longest=128, empty=False)
        before = self._ledger.snapshot

        def noting_what_it_saw(snapshot: Snapshot) -> Draft:
            nonlocal before
            before = snapshot
            return plan(snapshot)

        done = await self._ledger.commit(
            noting_what_it_saw, idempotency=asked, frees_space=frees_space
        )
        if not isinstance(done, Seen):
            return Outcome(entry=done.entry, before=before, after=done.snapshot)
        subject = recall(done, asked) if asked is not None else ""
        return Outcome(entry=None, before=before, after=self._ledger.snapshot, subject=subject)
