"""How what a machine has, and what the settings allow a server, is divided among its workers."""

from dataclasses import dataclass
from typing import Self

from shengdun.service.background import available_cores
from shengdun.service.errors import SettingsInvalid
from shengdun.service.settings import Settings


@dataclass(frozen=True, slots=True, kw_only=True)
class Share:
    """What one worker gets.

    Attributes:
        cores: that it may keep busy.
        voiceprints: of live calls that it computes at once.
        calls: that it holds at once.
    """

    cores: int
    voiceprints: int
    calls: int

    @classmethod
    def of(cls, settings: Settings, number: int) -> Self:
        """The share of a worker, by its number from 1 on.

        Cores and voiceprints of all workers add up to what one process would have; the calls of all to
        ``server.max_calls``.

        Raises:
            SettingsInvalid: there are more workers than cores, voiceprints at once, or calls.
        """
        workers, cores = settings.server.workers, available_cores()
        # As in one process, more at once than there are cores would only make each of them slower.
        voiceprints = min(settings.voice.workers or cores, cores)
        for what, there_are in (
            (f"the {cores} cores that this process may use", cores),
            (f"voice.workers, which comes to {voiceprints}", voiceprints),
            (f"server.max_calls, which is {settings.server.max_calls}", settings.server.max_calls),
        ):
            if workers > there_are:
                raise SettingsInvalid(
                    f"server.workers: {workers} workers are more than {what}; run fewer (--workers)"
                )
        return cls(
            cores=_part(cores, number, workers),
            voiceprints=_part(voiceprints, number, workers),
            calls=_part(settings.server.max_calls, number, workers),
        )


def _part(whole: int, number: int, workers: int) -> int:
    return whole // workers + (number <= whole % workers)
