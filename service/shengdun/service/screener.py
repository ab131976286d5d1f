"""What every call session shares: the voice path, the index, the lines and the lanes."""

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

import structlog

from shengdun.fingerprint.text.labels.labelling import TextLabels
from shengdun.fingerprint.voice.activity import VoiceActivity
from shengdun.fingerprint.voice.codecs import AudioFormat
from shengdun.fingerprint.voice.front_end import FrontEnd
from shengdun.fingerprint.voice.models import VoiceModel
from shengdun.index.errors import ModelMismatch, WatchlistNotFound
from shengdun.index.overlap import OverlapShare
from shengdun.index.prompts import HousePrompts
from shengdun.index.registry import Registry
from shengdun.index.scoring import Scorer
from shengdun.service.admission import Permit
from shengdun.service.archiving import number_pseudonym
from shengdun.service.convert.calls import CallRequest
from shengdun.service.costs import Costs
from shengdun.service.evidence import VoiceEvidence
from shengdun.service.intake import Intake
from shengdun.service.lanes import FrontLane
from shengdun.service.lines import Line, Lines
from shengdun.service.promises import PromiseKeeper
from shengdun.service.repeating import RepeatLook
from shengdun.service.session import CallSession, Versions
from shengdun.service.shadows import Shadows
from shengdun.service.texts import Run
from shengdun.service.unknown_voices import Claimed, UnknownVoices
from shengdun.service.voiceprint_lane import VoiceprintLane
from shengdun.service.word_intake import WordIntake
from shengdun.service.word_memory import WordMemory
from shengdun.service.words import WordsEvidence

_log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class Screener:
    """Opens call sessions.

    Attributes:
        lines: the lines of business.
        model: the voice model.
        activity: the voice activity detector.
        registry: the watchlists.
        promises: keeps where each line stands.
        front_lane: where audio is heard.
        voiceprint_lane: where voiceprints are computed and searched.
        costs: what the work of calls costs on this machine.
        shadows: what is tried out beside them.
        word_lane: where words are compared with scripts.
        letter_lane: where those of recordings are, for which nobody waits on the line.
        word_memory: the words of earlier calls and letters.
        voices: of earlier calls; None where none are kept.
        labels: what is worth a person's look in words.
        overlap_share: tells how much two people talk at once in a window.
        prompts: what the house plays into calls itself; None if none were named.
    """

    lines: Lines
    model: VoiceModel
    activity: VoiceActivity
    registry: Registry
    promises: PromiseKeeper
    front_lane: FrontLane
    voiceprint_lane: VoiceprintLane
    costs: Costs
    shadows: Shadows
    word_lane: Run
    letter_lane: Run
    word_memory: WordMemory
    labels: TextLabels
    overlap_share: OverlapShare
    voices: UnknownVoices | None = None
    prompts: HousePrompts | None = None

    @property
    def scorer(self) -> Scorer:
        """What turns voiceprints of the model into likelihood ratios now; another one may be swapped in at any time."""
        return self.registry.snapshot.scorer(None, self.model.model_id)

    def budget_of(self, request: CallRequest) -> timedelta:
        """Time from the chunk that completes a window to its decision.

        Raises:
            LineUnknown: there is no such line.
        """
        return request.budget or self.lines.get(request.line).budget

    def session(
        self,
        request: CallRequest,
        *,
        permit: Permit,
        call_id: str,
        audio_format: AudioFormat,
        budget: timedelta,
    ) -> CallSession:
        """Open the session of a call that was admitted.

        Raises:
            LineUnknown: there is no such line.
            WatchlistNotFound: the request names a watchlist that does not exist.
            ModelMismatch: the request names a watchlist none of whose actors has a voiceprint of the model in use.
        """
        line = self.lines.get(request.line)
        watchlist_ids = self._watchlists(request, line)
        evidence = self._evidence(line, watchlist_ids, counts=not request.is_past)
        return CallSession(
            call_id=call_id,
            line=line,
            budget=budget,
            front_end=FrontEnd(audio_format, window_s=self.model.window_s, activity=self.activity),
            evidence=evidence,
            intake=Intake(evidence, lane=self.voiceprint_lane, costs=self.costs, permit=permit),
            front_lane=self.front_lane,
            permit=permit,
            versions=Versions(
                model_id=self.model.model_id,
                watchlists_stale=lambda: self.registry.health.stale,
            ),
            shadows=self.shadows.of_call(
                call_id=call_id, watchlist_ids=watchlist_ids, line=line, runs=not request.is_past
            ),
            repeat=self._repeat(request, line, call_id),
            words=self._words(request, line, permit),
            awaits_words=request.awaits_words,
        )

    def _evidence(
        self, line: Line, watchlist_ids: tuple[str, ...], *, counts: bool
    ) -> VoiceEvidence:
        return VoiceEvidence(
            model=self.model,
            snapshot=lambda: self.registry.snapshot,
            watchlist_ids=watchlist_ids,
            line=line,
            # Callers of the past would say that those of today score differently.
            watch=self.promises.watch(line) if counts else None,
            prompts=self.prompts,
            overlap_share=self.overlap_share,
        )

    def _repeat(self, request: CallRequest, line: Line, call_id: str) -> RepeatLook | None:
        if self.voices is None or not line.policy.repeat_voice.watch:
            return None
        if request.started_at is not None and not self.voices.covers(request.started_at):
            return None
        pseudonym = self.registry.keys.pseudonym
        reference = request.customer_reference
        claimed = Claimed(
            call_id=call_id,
            customer=pseudonym(reference) if reference else "",
            number=number_pseudonym(request.calling_number, pseudonym),
        )
        return RepeatLook(self.voices, claimed, at=request.started_at)

    def _words(self, request: CallRequest, line: Line, permit: Permit) -> WordIntake:
        # What was said long ago would count for campaigns and trends of today.
        remembered_of = "" if request.is_past else request.customer_reference
        return WordIntake(
            WordsEvidence(self.registry.scripts.known, self.labels),
            self.letter_lane if request.is_recording else self.word_lane,
            memory=self.word_memory.of_call(customer_reference=remembered_of, line=line.name),
            costs=self.costs,
            permit=permit,
        )

    def _watchlists(self, request: CallRequest, line: Line) -> tuple[str, ...]:
        for watchlist_id in request.watchlist_ids:
            self._require(watchlist_id)
        return request.watchlist_ids or self._of_line(line)

    def _of_line(self, line: Line) -> tuple[str, ...]:
        # A list that somebody deleted must not silence the whole line, so what is wrong is logged, not raised.
        for watchlist_id in line.policy.watchlists:
            try:
                self._require(watchlist_id)
            except (WatchlistNotFound, ModelMismatch) as error:
                _log.warning(
                    "watchlist of line not screened",
                    line=line.name,
                    watchlist=watchlist_id,
                    why=error.message,
                )
        return line.policy.watchlists

    def _require(self, watchlist_id: str) -> None:
        snapshot, model_id = self.registry.snapshot, self.model.model_id
        watchlist = snapshot.watchlist(watchlist_id)
        if watchlist.model_id == model_id:
            return
        # It was made with another model; who has no voiceprint of this one is told of in every decision.
        at = datetime.now(UTC)
        in_force = snapshot.list_actors(watchlist_id, at=at, page_size=1, include_expired=False)
        lacking = snapshot.without_voiceprint(watchlist_id, model_id, at=at)
        if in_force.total and len(lacking) == in_force.total:
            raise ModelMismatch.of(
                watchlist_id, watchlist_model=watchlist.model_id, given_model=model_id
            )
