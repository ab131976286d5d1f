"""Where the time of a decision goes."""

from datetime import timedelta

from shengdun.service.costs import Effort
from shengdun.service.decision import StageTimings


class Timing:
    """Collects what was done for the next decision of a call.

    Attributes:
        listening_s: what listening to the chunk took that it answers, in seconds.
    """

    def __init__(self) -> None:
        self.listening_s = 0.0
        self._efforts: list[Effort] = []

    def add(self, effort: Effort) -> None:
        """Count a window, or a search."""
        self._efforts.append(effort)

    def take(self, latency: timedelta) -> StageTimings:
        """Where the latency of the decision went; collects for the next one from then on."""
        listening = timedelta(seconds=self.listening_s)
        voiceprint = timedelta(seconds=sum(effort.voiceprint_s for effort in self._efforts))
        search = timedelta(seconds=sum(effort.search_s for effort in self._efforts))
        deciding = timedelta(seconds=sum(effort.deciding_s for effort in self._efforts))
        self.listening_s = 0.0
        self._efforts.clear()
        return StageTimings(
            listening=listening,
            waiting=max(timedelta(), latency - listening - voiceprint - search - deciding),
            voiceprint=voiceprint,
            search=search,
            deciding=deciding,
        )
