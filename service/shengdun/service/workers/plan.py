"""What a parent tells a worker before anything else, as one line of JSON through a pipe that nobody else can read."""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Self

from shengdun.service.settings import Settings
from shengdun.service.workers.place import Place
from shengdun.service.workers.shares import Share


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """How one worker serves.

    Attributes:
        settings: of the server, with this worker's share of what is divided, and the port that the parent holds.
        place: among the workers.
    """

    settings: Settings
    place: Place

    @classmethod
    def of(
        cls, settings: Settings, number: int, *, port: int, installation: str, store: Path | None
    ) -> Self:
        """The plan of a worker.

        Args:
            settings: of the server as a whole.
            number: of the worker, from 1 on.
            port: that all workers listen on.
            installation: a name that these workers share, and nobody else has.
            store: where the embedded store lies that the parent runs, if it does.

        Raises:
            SettingsInvalid: there are more workers than there is to divide.
        """
        share = Share.of(settings, number)
        server = settings.server.model_copy(update={"port": port, "max_calls": share.calls})
        voice = settings.voice.model_copy(update={"workers": share.voiceprints})
        return cls(
            settings=settings.model_copy(update={"server": server, "voice": voice}),
            place=Place(
                number=number,
                workers=settings.server.workers,
                installation=installation,
                cores=share.cores,
                store_directory=store,
            ),
        )

    def line(self) -> bytes:
        """As one line; it holds the store's credentials in clear."""
        settings = self.settings.model_dump(mode="json")
        if self.settings.store.url is not None:
            settings["store"]["url"] = self.settings.store.url.get_secret_value()
        place = self.place
        written = {
            "settings": settings,
            "number": place.number,
            "workers": place.workers,
            "installation": place.installation,
            "cores": place.cores,
            "store": None if place.store_directory is None else str(place.store_directory),
        }
        return json.dumps(written).encode() + b"\n"

    @classmethod
    def read(cls, line: bytes) -> Self:
        """Undo ``line``."""
        read = json.loads(line)
        store = read["store"]
        return cls(
            settings=Settings.model_validate(read["settings"]),
            place=Place(
                number=read["number"],
                workers=read["workers"],
                installation=read["installation"],
                cores=read["cores"],
                store_directory=None if store is None else Path(store),
            ),
        )
