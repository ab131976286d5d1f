"""What every call session shares: the voice path, the index, the lines and the lanes."""

from dataclasses import dataclass

import structlog

from shengdun.fingerprint.voice.activity import VoiceActivity
from shengdun.fingerprint.voice.codecs import AudioFormat
from shengdun.fingerprint.voice.front_end import FrontEnd
from shengdun.fingerprint.voice.models import VoiceModel
from shengdun.index.errors import ModelMismatch, WatchlistNotFound
from shengdun.index.registry import Registry
from shengdun.index.scoring import Scorer
from shengdun.service.convert.calls import CallRequest
from shengdun.service.evidence import VoiceEvidence
from shengdun.service.lanes import FrontLane, VoiceprintLane
from shengdun.service.lines import Line, Lines
from shengdun.service.session import CallSession, Versions

_log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class Screener:
    """Opens call sessions.

    Attributes:
        lines: the lines of business.
        model: the voice model.
        activity: the voice activity detector.
        registry: the watchlists.
        front_lane: where audio is heard.
        voiceprint_lane: where voiceprints are computed and searched.
    """

    lines: Lines
    model: VoiceModel
    activity: VoiceActivity
    registry: Registry
    front_lane: FrontLane
    voiceprint_lane: VoiceprintLane

    @property
    def scorer(self) -> Scorer:
        """What turns voiceprints of the model into likelihood ratios now; another one may be swapped in at any time."""
        return self.registry.snapshot.scorer(None, self.model.model_id)

    def session(
        self, request: CallRequest, *, call_id: str, audio_format: AudioFormat
    ) -> CallSession:
        """Open the session of a call.

        Raises:
            LineUnknown: there is no such line.
            WatchlistNotFound: the request names a watchlist that does not exist.
            ModelMismatch: the request names a watchlist of another voice model.
        """
        line = self.lines.get(request.line)
        return CallSession(
            call_id=call_id,
            line=line,
            budget=request.budget or line.budget,
            front_end=FrontEnd(audio_format, window_s=self.model.window_s, activity=self.activity),
            evidence=VoiceEvidence(
                model=self.model,
                scorer=self.scorer,
                snapshot=lambda: self.registry.snapshot,
                watchlist_ids=self._watchlists(request, line),
                line=line,
            ),
            front_lane=self.front_lane,
            voiceprint_lane=self.voiceprint_lane,
            versions=Versions(
                model_id=self.model.model_id,
                calibration_profile_id=self.scorer.profile_id,
                watchlists_stale=lambda: self.registry.health.stale,
            ),
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
        watchlist = self.registry.snapshot.watchlist(watchlist_id)
        if watchlist.model_id != self.model.model_id:
            raise ModelMismatch.of(
                watchlist_id, watchlist_model=watchlist.model_id, given_model=self.model.model_id
            )
