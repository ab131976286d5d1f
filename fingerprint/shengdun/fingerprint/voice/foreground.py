"""Which speech is the caller's own, by its level.

Whoever else is on the caller's leg is mostly fainter: the agent's echo from a hybrid or a loudspeaker,
people in the room, a television. So speech far below the level at which the caller talks is left out.
The level is learnt from the call, so callers may be as quiet as they like; it falls with time, so that
somebody who moves away is heard again, and a second caller who takes over the telephone is heard from
the start unless far quieter (docs/decisions/0006).
"""

from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np

from shengdun.fingerprint.voice.activity import FRAME_SAMPLES
from shengdun.fingerprint.voice.samples import MODEL_RATE_HZ

_FRAME_S: Final = FRAME_SAMPLES / MODEL_RATE_HZ


@dataclass(frozen=True, slots=True, kw_only=True)
class ForegroundPolicy:
    """How far below the caller's level speech is no longer taken for the caller's.

    Attributes:
        range_db: speech is left out when no frame about it is less than this below the caller's level. Words of one
            voice differ by less; infinity leaves nothing out.
        reach_frames: a frame counts by the loudest of this many that end with it (ten: 0.3 s), since consonants and
            ends of words are faint.
        talk_frames: the caller's level is the loudest median of this many frames of speech in a row (fifteen: half a
            second), so that a bang or a cough doesn't raise it.
        fall_db_per_s: how fast it falls with each second of speech that is fainter.
    """

    range_db: float = 12.0
    reach_frames: int = 10
    talk_frames: int = 15
    fall_db_per_s: float = 1.0

    def __post_init__(self) -> None:
        if self.range_db <= 0 or self.fall_db_per_s < 0:
            raise ValueError("Needs range_db > 0 and fall_db_per_s >= 0.")
        if self.reach_frames < 1 or self.talk_frames < 1:
            raise ValueError("Needs reach_frames >= 1 and talk_frames >= 1.")


class Foreground:
    """Follows the level of one call's caller. Not safe to share between threads.

    Args:
        policy: how far below it speech is no longer the caller's.
    """

    def __init__(self, policy: ForegroundPolicy | None = None) -> None:
        self._policy = policy or ForegroundPolicy()
        self._recent: deque[float] = deque(maxlen=self._policy.reach_frames)
        self._talk: deque[float] = deque(maxlen=self._policy.talk_frames)
        self._caller_dbfs = -np.inf

    @property
    def caller_dbfs(self) -> float:
        """The level at which the caller talks; minus infinity before half a second of speech."""
        return self._caller_dbfs

    def push(self, level_dbfs: float, *, speaking: bool) -> bool:
        """Take the next frame in; says whether it may be the caller's.

        Args:
            level_dbfs: of the frame, as ``measure_frames`` gives it.
            speaking: whether there is speech in it.
        """
        self._recent.append(level_dbfs)
        if speaking:
            self._talk.append(level_dbfs)
            if len(self._talk) == self._policy.talk_frames:
                self._follow(sorted(self._talk)[self._policy.talk_frames // 2])
        return max(self._recent) >= self._caller_dbfs - self._policy.range_db

    def still_near(self, levels_dbfs: Sequence[float]) -> list[bool]:
        """Which of some frames of speech in a row, heard before, may be the caller's as is known by now.

        Args:
            levels_dbfs: of the frames. What follows a frame counts for it as what goes before does.
        """
        least, reach = self._caller_dbfs - self._policy.range_db, self._policy.reach_frames
        return [
            max(levels_dbfs[max(at - reach + 1, 0) : at + reach]) >= least
            for at in range(len(levels_dbfs))
        ]

    def _follow(self, talk_dbfs: float) -> None:
        fallen = self._caller_dbfs - self._policy.fall_db_per_s * _FRAME_S
        self._caller_dbfs = max(talk_dbfs, fallen)
