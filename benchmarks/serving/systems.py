"""The systems that are measured, each behind one adapter: a name, a version, and a server to start."""

import asyncio
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Protocol

import numpy as np
from benchmarks.search.filling import fill
from benchmarks.search.voices import Voices
from benchmarks.serving.processes import Running, running, shengdun_command

from shengdun.fingerprint.voice.model_store import ModelStore
from shengdun.index.calibration import CalibrationProfile, ProfileMismatch, default_profile
from shengdun.index.scoring import Scorer, unit_rows
from shengdun.service.demo.model import profile_for

CHECKOUT: Final = Path(__file__).parents[2]
SEED: Final = 1
_PER_ACTOR: Final = 2
_NET_SPEECH_S: Final = 20.0
_SNR_DB: Final = 20.0
_PROFILE: Final = "profile.npz"
_SETTINGS: Final = "shengdun.toml"
_KEYS: Final = "keys.json"


class System(Protocol):
    """A server of whatever kind that speaks the product's wire contract."""

    @property
    def name(self) -> str:
        """What results call it."""
        ...

    def started(self) -> AbstractContextManager[Running]:
        """A server of it, with its list filled."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Shengdun:
    """The product.

    Attributes:
        name: what results call it.
        models: where models are installed.
        model: which voice model.
        listed: voiceprints on the list; random ones, since no figure is about whom it finds.
        directory: its data directory, which is filled if it isn't there and used again if it is.
    """

    name: str
    models: Path
    model: str
    listed: int
    directory: Path

    @contextmanager
    def started(self) -> Iterator[Running]:
        """``shengdun serve`` with an embedded store, as it is installed."""
        settings = self.fill_if_empty()
        command = (
            *(shengdun_command(), "serve", "--port", "0", "--log-level", "error"),
            *("--config", str(settings), "--data-dir", str(self.directory)),
            *("--models-dir", str(self.models)),
        )
        with running(command, {}) as server:
            yield server

    def fill_if_empty(self) -> Path:
        """Fill the list of a new directory; gives the settings of the server."""
        settings = self.directory / _SETTINGS
        if not settings.exists():
            self._fill(settings)
        return settings

    def _fill(self, settings: Path) -> None:
        self.directory.mkdir(parents=True, exist_ok=True)
        profile, place = self._profile(), self.directory / _PROFILE
        profile.save(place)
        scorer, voices = Scorer(profile), self._voices()
        keys = self.directory / _KEYS
        asyncio.run(fill(self.directory, keys, scorer, voices, per_actor=_PER_ACTOR))
        # Last, since it says that the directory is complete.
        settings.write_text(self._settings(place.absolute()), "utf-8")

    def _settings(self, profile: Path) -> str:
        return f'[voice]\nmodel = "{self.model}"\ncalibration_profile = "{profile}"\n'

    def _profile(self) -> CalibrationProfile:
        store = ModelStore(self.models)
        model = store.voice_model(self.model)
        try:
            return default_profile(model.model_id)
        except ProfileMismatch:
            # Of a network of random weights no profile says anything; one is needed all the same.
            return profile_for(model, store.demo_recordings(), store.voice_activity())

    def _voices(self) -> Voices:
        dimension = ModelStore(self.models).voice_model(self.model).dimension
        drawn = np.random.default_rng(SEED).standard_normal((self.listed, dimension), np.float32)
        return Voices(
            voiceprints=unit_rows(drawn),
            net_speech_s=np.full(self.listed, _NET_SPEECH_S),
            snr_db=np.full(self.listed, _SNR_DB),
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Peer:
    """A server of ``peer_server`` in an interpreter of its own.

    Attributes:
        name: what results call it.
        python: that interpreter.
        voice: ``speechbrain`` or ``sherpa-onnx``.
        model: its model.
        listed: voiceprints on the list.
        threads: threads of one window.
    """

    name: str
    python: Path
    voice: str
    model: Path
    listed: int
    threads: int = 1

    @contextmanager
    def started(self) -> Iterator[Running]:
        """The peer's server."""
        command = (
            *(str(self.python), "-m", "benchmarks.serving.peer_server", self.voice),
            *(str(self.model), "--threads", str(self.threads), "--listed", str(self.listed)),
        )
        places = f"{CHECKOUT}:{CHECKOUT / 'proto'}"
        with running(command, {"PYTHONPATH": places}) as server:
            yield server
