"""A large archive of made calls with real ones planted in it, written as the product writes its partitions."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Final

import numpy as np
from numpy.typing import NDArray

from shengdun.fingerprint.voice.activity import Framer
from shengdun.fingerprint.voice.codecs import AudioFormat, Encoding, StreamDecoder, encode
from shengdun.fingerprint.voice.demo_recordings import DemoRecording
from shengdun.fingerprint.voice.model_store import ModelStore
from shengdun.fingerprint.voice.models import VoiceModel
from shengdun.fingerprint.voice.recordings import decode_recording
from shengdun.fingerprint.voice.samples import MODEL_RATE_HZ, Samples
from shengdun.fingerprint.voice.windows import NetSpeech
from shengdun.index.archive.archive import CallArchive
from shengdun.index.archive.columns import Column, Lists, Numbers, Words
from shengdun.index.archive.keeping import Change
from shengdun.index.archive.tables import SINCE_FORMAT_2, CallTable, lacking
from shengdun.index.archive.voiceprints import stored
from shengdun.index.calibration import CalibrationProfile
from shengdun.index.hunts.subject import WantedVoice
from shengdun.index.keys import KeyRing
from shengdun.index.scoring import aggregate, unit_rows

FIRST_DAY: Final = datetime(2026, 1, 1, tzinfo=UTC)
TELEPHONE: Final = AudioFormat(encoding=Encoding.PCMU, sample_rate_hz=8000)
_CLUSTERS: Final = 30
_OF_CLUSTER: Final = 0.35
_DAY_US: Final = 86_400_000_000
_ENROLLED: Final = 3


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Agent:
    """A real speaker: some recordings are known, the others are calls to be found.

    Attributes:
        wanted: the known ones.
        voiceprints: (c, d) of the others.
        net_speech_s: (c,) of these.
    """

    wanted: WantedVoice
    voiceprints: NDArray[np.float32]
    net_speech_s: NDArray[np.float64]


def real_agents(models: ModelStore, *, agents: int, calls: int, seconds: float) -> list[Agent]:
    """The speakers of the demo recordings with the most stretches of so many seconds, heard over a telephone."""
    model = models.voice_model()
    heard: dict[str, list[tuple[NDArray[np.float32], float]]] = {}
    by_speaker: dict[str, list[DemoRecording]] = {}
    by_speaker_parts: dict[str, list[Samples]] = {}
    length = round(seconds * MODEL_RATE_HZ)
    for recording in models.demo_recordings():
        if recording.duration_s >= seconds:
            by_speaker.setdefault(recording.speaker, []).append(recording)
    for name, of_speaker in by_speaker.items():
        parts = [
            samples[start : start + length]
            for samples in (decode_recording(one.read()).samples for one in of_speaker)
            for start in range(0, len(samples) - length + 1, length)
        ]
        by_speaker_parts[name] = parts[: _ENROLLED + calls]
    most = sorted(by_speaker_parts, key=lambda name: (-len(by_speaker_parts[name]), name))
    for name in most[:agents]:
        heard[name] = [_heard(one, models, model) for one in by_speaker_parts[name]]
    return [_agent(looks, model.model_id) for looks in heard.values()]


def _agent(looks: list[tuple[NDArray[np.float32], float]], model_id: str) -> Agent:
    voiceprints = np.stack([voiceprint for voiceprint, _ in looks])
    net_speech_s = np.array([seconds for _, seconds in looks])
    known = slice(0, _ENROLLED)
    return Agent(
        wanted=WantedVoice(
            model_id=model_id,
            voiceprints=voiceprints[known],
            net_speech_s=net_speech_s[known],
            snr_db=np.full(len(voiceprints[known]), np.nan),
        ),
        voiceprints=voiceprints[_ENROLLED:],
        net_speech_s=net_speech_s[_ENROLLED:],
    )


def _heard(
    samples: Samples, models: ModelStore, model: VoiceModel
) -> tuple[NDArray[np.float32], float]:
    decoder = StreamDecoder(TELEPHONE)
    decoded = np.concatenate([decoder.decode(encode(samples, TELEPHONE)), decoder.finish()])
    frames = Framer().push(decoded)
    activity = models.voice_activity()
    probabilities = activity.speech_probabilities([(activity.new_state(), frames)])[0]
    windows = NetSpeech(window_s=model.window_s).push(frames, probabilities)
    net_speech_s = np.array([window.net_speech_s for window in windows])
    voiceprint = aggregate(model.embed([window.samples for window in windows]), net_speech_s)
    return voiceprint, float(net_speech_s.sum())


class MadeCalls:
    """Calls by made voices: spread as the profile's own voices are, in clusters as languages and telephones make them.

    Args:
        profile: with whitening.
        seed: of all that is drawn.
    """

    def __init__(self, profile: CalibrationProfile, *, seed: int) -> None:
        assert profile.whitening is not None
        self._mean = profile.mean
        self._rng = np.random.default_rng(seed)
        dimension = profile.dimension
        spread = np.linalg.inv(profile.whitening.astype(np.float64))
        # Whitened the voices are round; their length leaves a voiceprint of the mean's length a unit long.
        length = np.sqrt(1.0 - float(profile.mean @ profile.mean))
        self._spread = (spread * length / np.linalg.norm(spread)).astype(np.float32)
        self._clusters = self._rng.normal(size=(_CLUSTERS, dimension)).astype(np.float32)

    def draw(self, count: int) -> NDArray[np.float32]:
        """(count, d) unit rows."""
        cluster = self._clusters[self._rng.integers(0, _CLUSTERS, count)]
        own = self._rng.standard_normal((count, len(self._mean)), dtype=np.float32)
        rows = np.float32(_OF_CLUSTER) * cluster + np.float32(np.sqrt(1 - _OF_CLUSTER**2)) * own
        return unit_rows(rows @ self._spread + self._mean)

    def seconds(self, count: int) -> NDArray[np.float64]:
        """(count,) net speech: half of the calls have more than 16 s."""
        drawn: NDArray[np.float64] = np.clip(self._rng.lognormal(2.8, 0.6, count), 3.0, 120.0)
        return drawn

    def noise(self, count: int) -> NDArray[np.float64]:
        """(count,) speech over noise, in dB."""
        return np.clip(self._rng.normal(18.0, 6.0, count), 0.0, 40.0)


def planted(agents: list[Agent], *, calls: int, seed: int) -> dict[int, tuple[int, int]]:
    """Where the agents' calls lie: by number of the call, which agent and which of its calls."""
    everybody = [
        (who, which) for who, one in enumerate(agents) for which in range(len(one.voiceprints))
    ]
    places = np.random.default_rng(seed).choice(calls, len(everybody), replace=False)
    return dict(zip(places.tolist(), everybody, strict=True))


async def fill(
    archive: CallArchive,
    keys: KeyRing,
    made: MadeCalls,
    agents: list[Agent],
    places: dict[int, tuple[int, int]],
    *,
    calls: int,
    a_day: int,
) -> None:
    """Write the calls, day by day."""
    keeper = archive._keeper  # noqa: SLF001 - ten million calls would take hours through the store
    for number, first in enumerate(range(0, calls, a_day)):
        day = FIRST_DAY + timedelta(days=number)
        tables = list(_tables(made, agents, places, keys, day, first, min(a_day, calls - first)))

        def build(change: Change, tables: list[CallTable] = tables, day: datetime = day) -> None:
            for table in tables:
                keeper.write(
                    change, table, day=day.date().isoformat(), rotation=keys.active_key_id.hex()
                )

        async with keeper.changing():
            await keeper.commit(build)


def _tables(
    made: MadeCalls,
    agents: list[Agent],
    places: dict[int, tuple[int, int]],
    keys: KeyRing,
    day: datetime,
    first: int,
    count: int,
) -> Iterator[CallTable]:
    rows, seconds = made.draw(count), made.seconds(count)
    for number in range(first, first + count):
        if number in places:
            who, which = places[number]
            rows[number - first] = agents[who].voiceprints[which]
            seconds[number - first] = agents[who].net_speech_s[which]
    matrix = keys.rotation(keys.active_key_id, rows.shape[1])
    yield CallTable(
        model_id=agents[0].wanted.model_id,
        matrix=matrix,
        columns=_columns(day, first, seconds, made.noise(count), dimension=rows.shape[1]),
        vectors=stored(rows, matrix),
    )


def _columns(
    day: datetime,
    first: int,
    seconds: NDArray[np.float64],
    snr_db: NDArray[np.float64],
    *,
    dimension: int,
) -> dict[str, Column]:
    count = len(seconds)
    start_us = round(day.timestamp() * 1e6)
    started = start_us + np.arange(count, dtype=np.int64) * (_DAY_US // (count + 1))
    numbers = range(first, first + count)
    nothing = np.zeros(count, np.uint32)
    no_words = Lists[Words](nothing, Words(np.zeros(0, np.uint8), ()))

    same = np.zeros(count, np.uint8)
    windows = {name: lacking(name, count, dimension) for name in SINCE_FORMAT_2}
    return windows | {
        "sequence": Numbers(np.zeros(count, "<i8")),
        "started_us": Numbers(started),
        "ended_us": Numbers(started + 90_000_000),
        "probability": Numbers(np.zeros(count)),
        "net_speech_s": Numbers(seconds),
        "snr_db": Numbers(snr_db),
        "characters": Numbers(np.zeros(count, "<i4")),
        "call_id": Words.of(f"call-{number:010d}" for number in numbers),
        "line": Words(same, ("complaints",)),
        "customer": Words.of(f"{number * 2654435761 % 2**128:032x}" for number in numbers),
        "number": Words(same, ("",)),
        "codec": Words(same, ("pcm_mulaw",)),
        "level": Words(same, ("low",)),
        "versions": Words(same, ("{}",)),
        "flag_kinds": no_words,
        "flag_subjects": no_words,
        "flag_llrs": Lists[Numbers](nothing, Numbers(np.zeros(0))),
        "signatures": Lists[Numbers](nothing, Numbers(np.zeros(0, "<u8"))),
    }
