"""What it means for a call that its voice has called for several other customers lately."""

import asyncio
from dataclasses import replace
from datetime import UTC, datetime
from typing import Final

from shengdun.index.voices.repeat import RepeatVoice
from shengdun.service.decision import AdvisoryReason, Level, Risk
from shengdun.service.evidence import HeardSpeech
from shengdun.service.line_settings import RepeatVoiceSettings
from shengdun.service.lines import Line
from shengdun.service.standing import fixed_levels
from shengdun.service.unknown_voices import Claimed, UnknownVoices

EARLY_S: Final = 6.0
"""Net speech at which a caller is compared for the first time, in seconds; the second time is at the end."""
_LEVELS: Final = tuple(Level)


class RepeatLook:
    """Compares one caller with the voices of the last weeks: once while the call runs, and once when it is decided.

    Args:
        voices: the voices.
        claimed: whom the caller claims to be.
        at: when a call of the past was; None for now.
    """

    def __init__(
        self, voices: UnknownVoices, claimed: Claimed, *, at: datetime | None = None
    ) -> None:
        self._voices = voices
        self._claimed = claimed
        self._at = at
        self._running: asyncio.Task[RepeatVoice | None] | None = None
        self._found: RepeatVoice | None = None
        self._looked_at_s = 0.0

    @property
    def found(self) -> RepeatVoice | None:
        """What was found so far."""
        if self._running is not None and self._running.done() and not self._running.cancelled():
            # An error is told where it is awaited; a call is decided without this, too.
            self._found = self._running.result() if self._running.exception() is None else None
        return self._found

    def consider(self, heard: HeardSpeech) -> None:
        """Begin to compare once there is enough speech; nobody waits for it."""
        net_speech_s = float(heard.net_speech_s.sum())
        if not self._looked_at_s and net_speech_s >= EARLY_S:
            self._looked_at_s = net_speech_s
            self._running = asyncio.create_task(self._look(heard))

    async def finish(self, heard: HeardSpeech, *, by: float) -> bool:
        """Compare with all that was heard, unless it is what was compared while the call ran.

        Args:
            heard: the caller's own speech.
            by: when the decision is due, on the event loop's clock, in seconds.

        Returns:
            Whether it was done by then; what was found before stands otherwise.
        """
        looking = self._running
        if looking is None or float(heard.net_speech_s.sum()) != self._looked_at_s:
            looking = asyncio.create_task(self._look(heard))
        await asyncio.wait({looking}, timeout=max(0.0, by - asyncio.get_running_loop().time()))
        if not looking.done():
            looking.cancel()
            return False
        self._running = looking
        return looking.exception() is None

    def close(self) -> None:
        """Give up what isn't done yet."""
        if self._running is not None:
            self._running.cancel()

    async def _look(self, heard: HeardSpeech) -> RepeatVoice | None:
        return await self._voices.look(heard, self._claimed, at=self._at or datetime.now(UTC))


def with_repeat(risk: Risk, found: RepeatVoice | None, line: Line) -> Risk:
    """The risk of a call, with what its voice has done before.

    Args:
        risk: without it.
        found: what the window says; None if nothing.
        line: of the call.
    """
    policy = line.policy.repeat_voice
    if found is None or risk.level is None or found.probability < policy.flag_at:
        return risk
    level = max(risk.level, _by_itself(found, policy, line), key=_LEVELS.index)
    rose = level is not risk.level and line.policy.false_flags_per_10000_calls is not None
    reasons = (*risk.advisory_reasons, *([AdvisoryReason.BY_REPEAT_VOICE] if rose else []))
    return replace(risk, level=level, advisory_reasons=reasons, repeat=found)


def _by_itself(found: RepeatVoice, policy: RepeatVoiceSettings, line: Line) -> Level:
    most = Level(policy.highest_level)
    return min(fixed_levels(line.policy).level_of(found.probability), most, key=_LEVELS.index)
