"""From the bytes of a recording to what was found in it and, if it is fit, to its voiceprint.

The work is cut into pieces of a fraction of a second each, which go one by one through whatever the caller runs CPU
work with, so that a long recording can't keep a live call waiting. Nothing is written to disk; the bytes and the
samples are gone when the assessment is.
"""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import Final, Protocol, TypeVar

import numpy as np
from numpy.typing import NDArray

from shengdun.enrollment.agreement import part_windows
from shengdun.enrollment.assessed import AssessedRecording, HeardVoice, NamedRecording
from shengdun.enrollment.policy import EnrollmentPolicy
from shengdun.enrollment.reports import RecordingReport, Unfit, UnfitReason
from shengdun.fingerprint.voice.activity import VoiceActivity
from shengdun.fingerprint.voice.errors import RecordingError, RecordingTooLong
from shengdun.fingerprint.voice.listener import RecordingListener
from shengdun.fingerprint.voice.models import VoiceModel
from shengdun.fingerprint.voice.quality import AudioQuality, Finding
from shengdun.fingerprint.voice.recordings import Recording, decode_recording
from shengdun.fingerprint.voice.samples import MODEL_RATE_HZ, Samples
from shengdun.fingerprint.voice.speakers import SpeakerCount
from shengdun.fingerprint.voice.windows import Window
from shengdun.index.scoring import Scorer, aggregate

_BLOCK_SAMPLES: Final = 20 * MODEL_RATE_HZ
_WITHOUT_SPEECH: Final = {
    Finding.SILENCE: "It is silent. Check that the right channel was exported.",
    Finding.TONE: "It holds only tones. Cut out the ringing, or choose another recording.",
    Finding.DTMF_ONLY: "It holds only key tones. Choose a recording in which the person speaks.",
    Finding.NO_SPEECH: "It holds sound but no speech. Choose a recording in which the person speaks.",
}

T = TypeVar("T")


class Run(Protocol):
    """Runs CPU work off the event loop, within whatever limit the caller keeps."""

    def __call__(self, work: Callable[[], T], /) -> Awaitable[T]:
        """Runs ``work``; returns what it returns and raises what it raises."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class VoiceTools:
    """What voices are heard and compared with.

    Attributes:
        activity: finds speech.
        model: makes voiceprints.
        scorer_in_use: gives the scorer that compares the voiceprints of that model; it may be another one next time.
        speakers: hears people who talk at once; None leaves them unnoticed, and finds only those who take turns.
        further: other voice models, whose voiceprints of the same speech are stored beside; they have no say.
    """

    activity: VoiceActivity
    model: VoiceModel
    scorer_in_use: Callable[[], Scorer]
    speakers: SpeakerCount | None = None
    further: tuple[VoiceModel, ...] = ()

    @property
    def scorer(self) -> Scorer:
        """The scorer in use now."""
        return self.scorer_in_use()


class RecordingAssessor:
    """Assesses recordings, a few at a time.

    Args:
        tools: what voices are heard and compared with.
        policy: what is asked of recordings.
        run: runs CPU work.
    """

    def __init__(self, tools: VoiceTools, policy: EnrollmentPolicy, run: Run) -> None:
        self._tools = tools
        self._policy = policy
        self._run = run
        self._places = asyncio.Semaphore(policy.assessments_at_once)

    async def assess(self, recording: NamedRecording) -> AssessedRecording:
        """What is in a recording. One that can't be read is a finding, not an error."""
        name, content = recording.name, recording.content
        async with self._places:
            try:
                decoded = await self._run(
                    lambda: decode_recording(content, limit_s=self._policy.longest_recording_s)
                )
            except RecordingTooLong as error:
                return _unread(name, UnfitReason.TOO_LONG, error.message)
            except RecordingError as error:
                return _unread(name, UnfitReason.UNREADABLE, error.message)
            return await self._heard(name, decoded)

    async def _heard(self, name: str, decoded: Recording) -> AssessedRecording:
        windows, net_speech_s, quality = await self._listen(decoded)
        report = RecordingReport(
            name=name,
            duration_s=decoded.duration_s,
            net_speech_s=net_speech_s,
            quality=quality,
            codec=decoded.codec,
            sample_rate_hz=decoded.sample_rate_hz,
        )
        unfit = self._unfit(net_speech_s, quality)
        if unfit is not None or not windows:
            unfit = unfit or self._too_little(net_speech_s)
            return AssessedRecording(report=replace(report, unfit=unfit))
        overlap_share = await self._overlap_share(decoded.samples)
        if overlap_share > self._policy.most_overlap_share:
            unfit = _several_voices(
                f"Two people talk at once in {overlap_share:.0%} of the speech."
            )
            return AssessedRecording(report=replace(report, unfit=unfit))
        return await self._embedded(report, windows)

    async def _listen(self, decoded: Recording) -> tuple[Sequence[Window], float, AudioQuality]:
        listener = RecordingListener(
            activity=self._tools.activity, window_s=self._tools.model.window_s
        )
        for start in range(0, len(decoded.samples), _BLOCK_SAMPLES):
            block = decoded.samples[start : start + _BLOCK_SAMPLES]
            await self._run(partial(listener.push, block))
        await self._run(listener.finish)
        return listener.windows, listener.net_speech_s, listener.quality(decoded.source)

    async def _overlap_share(self, samples: Samples) -> float:
        if self._tools.speakers is None:
            return 0.0
        starts = _spread(range(0, len(samples), _BLOCK_SAMPLES), self._policy.most_stretches)
        counts = [
            await self._run(
                partial(self._tools.speakers.assess, samples[start : start + _BLOCK_SAMPLES])
            )
            for start in starts
        ]
        speech_s = sum(count.speech_s for count in counts)
        overlap_s = sum(count.overlap_share * count.speech_s for count in counts)
        return overlap_s / speech_s if speech_s else 0.0

    async def _embedded(
        self, report: RecordingReport, windows: Sequence[Window]
    ) -> AssessedRecording:
        chosen = _spread(windows, self._policy.most_windows)
        rows = await self._rows(self._tools.model, chosen)
        net_speech_s = np.array([one.net_speech_s for one in chosen])
        assessed, kept = await self._run(lambda: self._judged(report, rows, net_speech_s))
        if assessed.voice is None or not self._tools.further:
            return assessed
        own = [one for one, counts in zip(chosen, kept.tolist(), strict=True) if counts]
        further = {
            model.model_id: aggregate(await self._rows(model, own), net_speech_s[kept])
            for model in self._tools.further
        }
        return replace(assessed, voice=replace(assessed.voice, further=further))

    async def _rows(self, model: VoiceModel, windows: Sequence[Window]) -> NDArray[np.float32]:
        rows = [await self._run(partial(model.embed, [one.samples])) for one in windows]
        return np.concatenate(rows)

    def _judged(
        self,
        report: RecordingReport,
        voiceprints: NDArray[np.float32],
        net_speech_s: NDArray[np.float64],
    ) -> tuple[AssessedRecording, NDArray[np.bool_]]:
        """The assessment, and which windows are the main voice's."""
        policy = self._policy
        parting = part_windows(self._tools.scorer, voiceprints, net_speech_s)
        main = parting.main
        other = parting.llr is not None and parting.llr < policy.other_voice_llr
        share = float(net_speech_s[~main].sum() / net_speech_s.sum()) if other else 0.0
        kept = main if other else np.ones_like(main)
        assessed = AssessedRecording(
            report=replace(report, other_voice_share=share),
            voice=HeardVoice(
                voiceprint=aggregate(voiceprints[kept], net_speech_s[kept]),
                net_speech_s=float(net_speech_s[kept].sum()),
            ),
        )
        if share <= policy.most_other_voice_share:
            return assessed, kept
        unfit = _several_voices(f"About {share:.0%} of the speech is another person's.")
        return assessed.refused(unfit.reason, unfit.message), kept

    def _unfit(self, net_speech_s: float, quality: AudioQuality) -> Unfit | None:
        policy = self._policy
        for finding, message in _WITHOUT_SPEECH.items():
            if finding in quality.findings and net_speech_s < policy.least_net_speech_s:
                return Unfit(reason=UnfitReason.NO_SPEECH, message=message)
        if net_speech_s < policy.least_net_speech_s:
            return self._too_little(net_speech_s)
        if quality.clipped_share >= policy.most_clipped_share:
            message = f"{quality.clipped_share:.0%} of it is clipped. Record or export it at a lower level."
            return Unfit(reason=UnfitReason.CLIPPED, message=message)
        if quality.snr_db is not None and quality.snr_db < policy.least_snr_db:
            message = (
                f"The speech is only {quality.snr_db:.0f} dB above the noise, {policy.least_snr_db:.0f} are needed. "
                f"Choose a quieter recording."
            )
            return Unfit(reason=UnfitReason.NOISY, message=message)
        return None

    def _too_little(self, net_speech_s: float) -> Unfit:
        message = (
            f"It holds {net_speech_s:.1f} s of speech, {self._policy.least_net_speech_s:.0f} s are needed. "
            f"Choose a longer recording."
        )
        return Unfit(reason=UnfitReason.TOO_LITTLE_SPEECH, message=message)


def _spread(places: Sequence[T], most: int) -> Sequence[T]:
    if len(places) <= most:
        return places
    return [places[int(place)] for place in np.linspace(0, len(places) - 1, most)]


def _several_voices(found: str) -> Unfit:
    message = f"{found} Cut out the other person, or export the caller's leg alone."
    return Unfit(reason=UnfitReason.SEVERAL_VOICES, message=message)


def _unread(name: str, reason: UnfitReason, message: str) -> AssessedRecording:
    return AssessedRecording(
        report=RecordingReport(name=name, unfit=Unfit(reason=reason, message=message))
    )
