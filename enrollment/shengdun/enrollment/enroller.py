"""Enrols actors: assesses their recordings, looks for duplicates, and registers what is fit.

Nothing is changed before all recordings have been heard, so an enrolment that is refused or broken off leaves no trace.
"""

import asyncio
import hashlib
from collections.abc import AsyncIterable, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from typing import Final

import numpy as np
from numpy.typing import NDArray

from shengdun.enrollment.assessed import AssessedRecording, HeardVoice, NamedRecording
from shengdun.enrollment.assessment import RecordingAssessor, Run, VoiceTools
from shengdun.enrollment.duplicates import find_duplicates, llr_of_actor
from shengdun.enrollment.errors import LikelyDuplicateFound, TooManyRecordings
from shengdun.enrollment.fitness import agreeing, joined, report_of, require_fit, voices_of
from shengdun.enrollment.policy import EnrollmentPolicy
from shengdun.enrollment.reports import EnrollmentReport, LikelyDuplicate, UnfitReason
from shengdun.enrollment.requests import (
    AdditionRequest,
    DuplicatePolicy,
    EnrollmentOutcome,
    EnrollmentRequest,
    EnrollmentResult,
)
from shengdun.index.errors import InvalidRecord
from shengdun.index.registry import Registry
from shengdun.index.watchlists import NAME_CHARACTERS, Actor, ActorChanges, NewActor, Template

_NOT_THE_ACTOR: Final = (
    "It is not the voice of the actor's voiceprints. Check whose recording it is; it can be accepted all the same "
    "where the voice is known to have changed."
)


class Enroller:
    """Enrols actors from recordings. One serves all callers; several enrolments may run at once.

    Args:
        registry: where actors are registered.
        tools: what voices are heard and compared with.
        policy: what is asked of recordings.
        run: runs CPU work off the event loop.
    """

    def __init__(
        self, *, registry: Registry, tools: VoiceTools, policy: EnrollmentPolicy, run: Run
    ) -> None:
        self._registry = registry
        self._tools = tools
        self._policy = policy
        self._run = run
        self._assessor = RecordingAssessor(tools, policy, run)
        # Between the search for duplicates and the registration nobody else may register the same voice.
        self._registering = asyncio.Lock()

    async def assess(self, recordings: AsyncIterable[NamedRecording]) -> EnrollmentReport:
        """Says what an enrolment would find, and changes nothing. Unfit recordings are findings here, not errors.

        Raises:
            TooManyRecordings: there are more than the policy takes.
        """
        assessed = await self._agreeing(await self._assessed(recordings))
        voices = voices_of(assessed)
        duplicates = await self._duplicates(joined(voices)) if voices else ()
        return report_of(assessed, duplicates)

    async def enroll(
        self,
        request: EnrollmentRequest,
        recordings: AsyncIterable[NamedRecording],
        *,
        principal: str,
    ) -> EnrollmentResult:
        """Registers an actor from its recordings. Those that are unfit are left out and reported.

        Args:
            request: who, and what to do when the voice is already known.
            recordings: read one by one, each dropped once it has been heard.
            principal: who asks for it.

        Returns:
            What was done; the actor is then durable and searchable.

        Raises:
            InvalidRecord: a detail of the actor is malformed, or it would have expired already. Known before the
                first recording is read, like the next two.
            WatchlistNotFound: it is to be on a watchlist that there is not.
            TooManyRecordings: there are more than the policy takes.
            RecordingsUnfit: no recording is fit, or too little speech is left.
            VoicesDisagree: the recordings are of different people.
            LikelyDuplicateFound: the voice is already known and the request says to refuse that.
            IndexRoomError: the registry refuses it.
        """
        new = _identified(request, principal)
        await self._require_enrollable(new)
        assessed = await self._agreeing(await self._assessed(recordings))
        require_fit(assessed, least_s=self._policy.least_total_net_speech_s)
        async with self._registering:
            found = await self._duplicates(joined(voices_of(assessed)))
            others = tuple(one for one in found if not _is_repeat(request, new, one))
            report = report_of(assessed, others)
            outcome, actor = await self._settle(request, new, assessed, report, principal)
        return EnrollmentResult(outcome=outcome, actor=actor, report=report)

    async def add_voiceprints(
        self, request: AdditionRequest, recordings: AsyncIterable[NamedRecording], *, principal: str
    ) -> EnrollmentResult:
        """Adds the voiceprints of recordings to an actor. Those that are unfit are left out and reported.

        An actor who has no voiceprint of the voice model in use can't be compared with, so its recordings are taken on
        trust: this is how actors are brought over to another model.

        Args:
            request: whose they are.
            recordings: as in ``enroll``.
            principal: who asks for it.

        Raises:
            ActorNotFound: there is no such actor. Known before the first recording is read.
            TooManyRecordings: there are more than the policy takes.
            RecordingsUnfit: no recording is fit.
            VoicesDisagree: no recording that is fit is of the actor.
            IndexRoomError: the registry refuses it.
        """
        await self._registry.get_actor(request.actor_id)
        assessed = [await self._compared(one, request) for one in await self._assessed(recordings)]
        require_fit(assessed, least_s=self._policy.least_net_speech_s)
        added = await self._registry.add_voiceprints(
            request.actor_id,
            self._templates(assessed),
            principal=principal,
            idempotency_key=request.idempotency_key,
        )
        return EnrollmentResult(
            outcome=EnrollmentOutcome.MERGED, actor=added, report=report_of(assessed)
        )

    async def _assessed(self, recordings: AsyncIterable[NamedRecording]) -> list[AssessedRecording]:
        assessed: list[AssessedRecording] = []
        async for recording in recordings:
            if len(assessed) == self._policy.most_recordings:
                raise TooManyRecordings(
                    f"One enrolment takes at most {self._policy.most_recordings} recordings. Send the best ones."
                )
            assessed.append(await self._assessor.assess(recording))
        return assessed

    async def _agreeing(self, assessed: Sequence[AssessedRecording]) -> list[AssessedRecording]:
        return await self._run(
            lambda: agreeing(assessed, self._tools.scorer, least_llr=self._policy.same_voice_llr)
        )

    async def _compared(
        self, one: AssessedRecording, request: AdditionRequest
    ) -> AssessedRecording:
        voice = one.voice
        if voice is None:
            return one
        snapshot = self._registry.snapshot
        scorer = snapshot.scorer(None, self._tools.model.model_id)
        llr = await self._run(lambda: llr_of_actor(snapshot, request.actor_id, voice, scorer))
        compared = one.compared(llr)
        if llr is None or llr >= self._policy.same_voice_llr or request.accept_other_voice:
            return compared
        return compared.refused(UnfitReason.OTHER_VOICE, _NOT_THE_ACTOR)

    async def _duplicates(self, voice: HeardVoice) -> tuple[LikelyDuplicate, ...]:
        snapshot, now = self._registry.snapshot, datetime.now(UTC)
        scorer = snapshot.scorer(None, self._tools.model.model_id)
        return await self._run(
            lambda: find_duplicates(
                snapshot,
                voice,
                scorer=scorer,
                prior=self._policy.duplicates,
                at=now,
            )
        )

    async def _settle(
        self,
        request: EnrollmentRequest,
        new: NewActor,
        assessed: Sequence[AssessedRecording],
        report: EnrollmentReport,
        principal: str,
    ) -> tuple[EnrollmentOutcome, Actor]:
        if not report.likely_duplicates or request.duplicate_policy is DuplicatePolicy.REGISTER:
            actor = await self._registry.register_actor(
                new,
                self._templates(assessed),
                principal=principal,
                idempotency_key=request.idempotency_key,
            )
            return EnrollmentOutcome.REGISTERED, actor
        known = report.likely_duplicates[0]
        if request.duplicate_policy is DuplicatePolicy.SKIP:
            return EnrollmentOutcome.SKIPPED, await self._registry.get_actor(known.actor_id)
        if request.duplicate_policy is DuplicatePolicy.MERGE:
            merged = await self._merge(
                known.actor_id, request, new, self._templates(assessed), principal
            )
            return EnrollmentOutcome.MERGED, merged
        raise LikelyDuplicateFound(
            f"The voice is likely that of actor {known.actor_id}, who is already registered. Decide whether to skip "
            f"this person, to merge the two, or to register another actor all the same.",
            report,
        )

    async def _merge(
        self,
        actor_id: str,
        request: EnrollmentRequest,
        new: NewActor,
        templates: Sequence[Template],
        principal: str,
    ) -> Actor:
        await self._registry.add_voiceprints(
            actor_id, templates, principal=principal, idempotency_key=request.idempotency_key
        )
        actor = await self._registry.get_actor(actor_id)
        if new.watchlist_ids <= actor.watchlist_ids:
            return actor
        changes = ActorChanges(watchlist_ids=actor.watchlist_ids | new.watchlist_ids)
        return await self._registry.update_actor(
            actor_id, changes, expected_revision=actor.revision, principal=principal
        )

    def _templates(self, assessed: Sequence[AssessedRecording]) -> list[Template]:
        return [
            _template(one, one.voice.net_speech_s, voiceprint, model_id)
            for one in assessed
            if one.voice is not None
            for model_id, voiceprint in (
                (self._tools.model.model_id, one.voice.voiceprint),
                *one.voice.further.items(),
            )
        ]

    async def _require_enrollable(self, new: NewActor) -> None:
        now = datetime.now(UTC)
        # An actor that exists is well-formed; what is wrong with it is better said before the recordings are sent.
        actor = Actor(
            actor_id=new.actor_id or "new",
            display_name=new.display_name,
            aliases=new.aliases,
            network_id=new.network_id,
            watchlist_ids=new.watchlist_ids,
            provenance=new.provenance,
            notes=new.notes,
            expires_at=new.expires_at,
            created_at=now,
            updated_at=now,
        )
        if actor.expired(now):
            raise InvalidRecord("The expiry lies in the past. State a later one, or none.")
        for watchlist_id in sorted(new.watchlist_ids):
            await self._registry.get_watchlist(watchlist_id)


def _identified(request: EnrollmentRequest, principal: str) -> NewActor:
    """The actor with an id that a repeat has too: otherwise a repeat would meet itself as a likely duplicate."""
    new = request.actor
    if new.actor_id is not None or request.idempotency_key is None:
        return new
    digest = hashlib.sha256(
        f"enrolment\0{principal}\0{request.idempotency_key}".encode()
    ).hexdigest()
    return replace(new, actor_id=f"act_{digest[:26]}")


def _is_repeat(request: EnrollmentRequest, new: NewActor, found: LikelyDuplicate) -> bool:
    return request.idempotency_key is not None and found.actor_id == new.actor_id


def _template(
    one: AssessedRecording,
    net_speech_s: float,
    voiceprint: NDArray[np.float32],
    model_id: str,
) -> Template:
    quality = one.report.quality
    return Template.new(
        voiceprint,
        model_id=model_id,
        net_speech_s=net_speech_s,
        snr_db=quality.band_snr_db if quality else None,
        clipped_share=quality.clipped_share if quality else 0.0,
        codec=one.report.codec,
        source=one.report.name[:NAME_CHARACTERS],
    )
