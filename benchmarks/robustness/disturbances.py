"""What telephone lines bring to a caller's leg, made of real recordings, the same for the same seed."""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Final

import numpy as np
from numpy.typing import NDArray

from shengdun.fingerprint.voice import g711
from shengdun.fingerprint.voice.acoustics import speech_rms
from shengdun.fingerprint.voice.codecs import AudioFormat, Encoding, StreamDecoder, encode
from shengdun.fingerprint.voice.conditions import conceal
from shengdun.fingerprint.voice.samples import MODEL_RATE_HZ, Samples, Seconds

PCMU: Final = AudioFormat(encoding=Encoding.PCMU, sample_rate_hz=8_000)
SPEECH_DBFS: Final = -26.0
"""Active level of the caller: the nominal one of ITU-T P.56 measurements on telephone lines."""
LINE_NOISE_DBFS: Final = -66.0
GAP_S: Seconds = 4.0
"""The agent's turn between two of the caller's."""
_PACKET: Final = 160
_MEAN_BURST: Final = 3.0
_KEYS_HZ: Final = ((697, 1209), (770, 1336), (852, 1477), (941, 1336), (697, 1477), (852, 1209))


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Material:
    """Recordings that disturb calls, 16 kHz, each at an active level of 0 dBFS.

    Attributes:
        hold_music: instrumental music on hold.
        mixed_music: clips of recorded music, some of it sung.
        prompt: one announcement, in one professional voice.
        others: people who aren't in any trial.
    """

    hold_music: tuple[Samples, ...] = field(repr=False)
    mixed_music: tuple[Samples, ...] = field(repr=False)
    prompt: Samples = field(repr=False)
    others: tuple[Samples, ...] = field(repr=False)


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Leg:
    """The caller's leg of one call before it's encoded.

    Attributes:
        samples: mono at 16 kHz.
        talking: (n,) whether it's a turn of the caller.
        intruding: (n,) whether something else is to be heard.
    """

    samples: Samples
    talking: NDArray[np.bool_]
    intruding: NDArray[np.bool_]

    def with_added(self, sound: Samples) -> "Leg":
        """The leg with a sound on it, as long as the leg; silence in it isn't intruding."""
        heard = np.abs(sound) > 0
        return Leg(
            samples=(self.samples + sound).astype(np.float32),
            talking=self.talking,
            intruding=self.intruding | heard,
        )

    def after(self, sound: Samples) -> "Leg":
        """The leg with a sound before it."""
        nothing, everything = np.zeros(len(sound), np.bool_), np.ones(len(sound), np.bool_)
        return Leg(
            samples=np.concatenate([sound, self.samples]).astype(np.float32),
            talking=np.concatenate([nothing, self.talking]),
            intruding=np.concatenate([everything, self.intruding]),
        )

    def amplified(self, gains_db: NDArray[np.float64]) -> "Leg":
        """The leg with a gain for each sample."""
        samples = (self.samples * 10.0 ** (gains_db / 20.0)).astype(np.float32)
        return Leg(samples=samples, talking=self.talking, intruding=self.intruding)


Disturb = Callable[[Leg, Material, np.random.Generator], Leg]
Carry = Callable[[Samples, np.random.Generator], Samples]


@dataclass(frozen=True, slots=True, kw_only=True)
class Disturbance:
    """Something that a line brings.

    Attributes:
        name: for people.
        disturb: puts it on the leg.
        carry: takes the leg to the voice path.
    """

    name: str
    disturb: Disturb
    carry: Carry


def caller(turns: list[Samples], rng: np.random.Generator) -> Leg:
    """A call in which the caller has these turns, with pauses in which somebody else has the floor."""
    gap = np.zeros(round(GAP_S * MODEL_RATE_HZ), np.float32)
    parts, talking = [gap], [np.zeros(len(gap), np.bool_)]
    for turn in turns:
        parts += [at_level(turn, SPEECH_DBFS), gap]
        talking += [np.ones(len(turn), np.bool_), np.zeros(len(gap), np.bool_)]
    samples = np.concatenate(parts)
    noise = rng.standard_normal(len(samples)) * _amplitude(LINE_NOISE_DBFS)
    return Leg(
        samples=(samples + noise).astype(np.float32),
        talking=np.concatenate(talking),
        intruding=np.zeros(len(samples), np.bool_),
    )


def at_level(samples: Samples, dbfs: float) -> Samples:
    """Samples at this active level."""
    levelled: Samples = (samples * (_amplitude(dbfs) / speech_rms(samples))).astype(np.float32)
    return levelled


def pcmu(samples: Samples, _rng: np.random.Generator) -> Samples:
    """Through G.711, as the voice path hears it."""
    return _heard(encode(samples, PCMU))


def lossy(share: float, *, concealed: bool) -> Carry:
    """Through G.711 with packets of 20 ms lost in bursts of three on average (Gilbert's model)."""

    def carry(samples: Samples, rng: np.random.Generator) -> Samples:
        codes = np.frombuffer(encode(samples, PCMU), np.uint8)
        lost = _bursts(-(-len(codes) // _PACKET), share, rng)
        linear = g711.expand_mu_law(codes)
        if concealed:
            linear = conceal(linear, lost)
        else:
            linear = np.where(np.repeat(lost, _PACKET)[: len(linear)], 0, linear).astype(np.int16)
        return _heard(g711.compress_mu_law(linear).tobytes())

    return carry


def _heard(data: bytes) -> Samples:
    decoder = StreamDecoder(PCMU)
    return np.concatenate([decoder.decode(data), decoder.finish()])


def _bursts(packets: int, share: float, rng: np.random.Generator) -> NDArray[np.bool_]:
    leaving = 1.0 / _MEAN_BURST
    entering = leaving * share / (1.0 - share)
    lost = np.zeros(packets, np.bool_)
    state = False
    for packet, draw in enumerate(rng.random(packets).tolist()):
        state = draw >= leaving if state else draw < entering
        lost[packet] = state
    return lost


def _clean(leg: Leg, _material: Material, _rng: np.random.Generator) -> Leg:
    return leg


def _music(*, mixed: bool) -> Disturb:
    def disturb(leg: Leg, material: Material, rng: np.random.Generator) -> Leg:
        tracks = material.mixed_music if mixed else material.hold_music
        track = tracks[int(rng.integers(len(tracks)))]
        before = at_level(_stretch(track, 20 * MODEL_RATE_HZ, rng), -24.0)
        within = at_level(_stretch(track, len(leg.samples), rng), -24.0)
        return leg.with_added(np.where(leg.talking, 0.0, within).astype(np.float32)).after(before)

    return disturb


def _music_under(leg: Leg, material: Material, rng: np.random.Generator) -> Leg:
    track = material.hold_music[int(rng.integers(len(material.hold_music)))]
    return leg.with_added(at_level(_stretch(track, len(leg.samples), rng), SPEECH_DBFS - 12.0))


def _keys_between(leg: Leg, _material: Material, rng: np.random.Generator) -> Leg:
    return leg.with_added(
        np.where(leg.talking, 0.0, _keys(len(leg.samples), 0.2, rng)).astype(np.float32)
    )


def _keys_over(leg: Leg, _material: Material, rng: np.random.Generator) -> Leg:
    return leg.with_added(_keys(len(leg.samples), 1.0, rng))


def _ringing(leg: Leg, _material: Material, _rng: np.random.Generator) -> Leg:
    time_s = np.arange(20 * MODEL_RATE_HZ) / MODEL_RATE_HZ
    ringing = 0.1 * np.sin(2 * np.pi * 450 * time_s) * (time_s % 5.0 < 1.0)
    busy_s = np.arange(len(leg.samples)) / MODEL_RATE_HZ
    busy = 0.1 * np.sin(2 * np.pi * 450 * busy_s) * (busy_s % 0.7 < 0.35) * ~leg.talking
    return leg.with_added(busy.astype(np.float32)).after(ringing.astype(np.float32))


def _prompt(leg: Leg, material: Material, _rng: np.random.Generator) -> Leg:
    return leg.after(at_level(material.prompt, SPEECH_DBFS))


def _echo(below_db: float) -> Disturb:
    def disturb(leg: Leg, material: Material, rng: np.random.Generator) -> Leg:
        agent = _stretch(
            material.others[int(rng.integers(len(material.others)))], len(leg.samples), rng
        )
        # The agent talks on for a second when the caller begins, and begins a second before the caller ends.
        floor = _widened(~leg.talking, MODEL_RATE_HZ)
        delay = round(rng.uniform(0.1, 0.3) * MODEL_RATE_HZ)
        echo = np.where(floor, at_level(agent, SPEECH_DBFS - below_db), 0.0)
        return leg.with_added(
            np.concatenate([np.zeros(delay), echo])[: len(echo)].astype(np.float32)
        )

    return disturb


def _others_at_once(below_db: float) -> Disturb:
    def disturb(leg: Leg, material: Material, rng: np.random.Generator) -> Leg:
        other = _stretch(
            material.others[int(rng.integers(len(material.others)))], len(leg.samples), rng
        )
        share = rng.uniform(0.2, 0.5)
        block = round(1.5 * MODEL_RATE_HZ)
        on = np.repeat(rng.random(-(-len(other) // block)) < share, block)[: len(other)]
        talk = at_level(other, SPEECH_DBFS - below_db) * (on & leg.talking)
        return leg.with_added(talk.astype(np.float32))

    return disturb


def _other_in_turn(leg: Leg, material: Material, rng: np.random.Generator) -> Leg:
    other = _stretch(
        material.others[int(rng.integers(len(material.others)))], len(leg.samples), rng
    )
    # Half a second passes between two people's turns.
    floor = ~_widened(leg.talking, MODEL_RATE_HZ // 2)
    return leg.with_added((at_level(other, SPEECH_DBFS) * floor).astype(np.float32))


def _clipped(leg: Leg, _material: Material, _rng: np.random.Generator) -> Leg:
    peak_db = 20.0 * np.log10(np.quantile(np.abs(leg.samples), 0.9999))
    return leg.amplified(np.full(len(leg.samples), 12.0 - peak_db))


def _gain_steps(leg: Leg, _material: Material, rng: np.random.Generator) -> Leg:
    block = 3 * MODEL_RATE_HZ
    steps = rng.choice([-12.0, 0.0, 12.0], size=-(-len(leg.samples) // block))
    return leg.amplified(np.repeat(steps, block)[: len(leg.samples)])


def _pumping(leg: Leg, _material: Material, rng: np.random.Generator) -> Leg:
    time_s = np.arange(len(leg.samples)) / MODEL_RATE_HZ
    return leg.amplified(9.0 * np.sin(2 * np.pi * (time_s / 5.0 + rng.random())))


def _fading(leg: Leg, _material: Material, _rng: np.random.Generator) -> Leg:
    return leg.amplified(np.linspace(6.0, -18.0, len(leg.samples)))


def _away(leg: Leg, _material: Material, _rng: np.random.Generator) -> Leg:
    later = np.arange(len(leg.samples)) > 0.4 * len(leg.samples)
    return leg.amplified(np.where(later, -18.0, 0.0))


def _keys(length: int, every_s: Seconds, rng: np.random.Generator) -> Samples:
    time_s = np.arange(length) / MODEL_RATE_HZ
    pairs = np.array(_KEYS_HZ)[
        rng.integers(len(_KEYS_HZ), size=int(length / MODEL_RATE_HZ / every_s) + 1)
    ]
    low, high = pairs[(time_s / every_s).astype(int)].T
    tones = np.sin(2 * np.pi * low * time_s) + np.sin(2 * np.pi * high * time_s)
    keys: Samples = (0.12 * tones * (time_s % every_s < 0.1)).astype(np.float32)
    return keys


def _widened(mask: NDArray[np.bool_], by: int) -> NDArray[np.bool_]:
    counts = np.concatenate([[0], np.cumsum(mask)])
    here = np.arange(len(mask))
    widened: NDArray[np.bool_] = (
        counts[np.minimum(here + by + 1, len(mask))] > counts[np.maximum(here - by, 0)]
    )
    return widened


def _stretch(sound: Samples, length: int, rng: np.random.Generator) -> Samples:
    return np.resize(np.roll(sound, -int(rng.integers(len(sound)))), length)


def _amplitude(dbfs: float) -> float:
    return float(10.0 ** (dbfs / 20.0))


CLEAN: Final = Disturbance(name="clean", disturb=_clean, carry=pcmu)
DISTURBANCES: Final = (
    CLEAN,
    Disturbance(name="hold music before and between", disturb=_music(mixed=False), carry=pcmu),
    Disturbance(name="recorded music before and between", disturb=_music(mixed=True), carry=pcmu),
    Disturbance(name="hold music 12 dB below the voice", disturb=_music_under, carry=pcmu),
    Disturbance(name="keys between words", disturb=_keys_between, carry=pcmu),
    Disturbance(name="keys over speech, one a second", disturb=_keys_over, carry=pcmu),
    Disturbance(name="ringback and busy tone", disturb=_ringing, carry=pcmu),
    Disturbance(name="prompt at the start", disturb=_prompt, carry=pcmu),
    *(
        Disturbance(name=f"agent's echo {db} dB below", disturb=_echo(db), carry=pcmu)
        for db in (12, 18, 25)
    ),
    *(
        Disturbance(name=f"second voice {db} dB below", disturb=_others_at_once(db), carry=pcmu)
        for db in (0, 6, 12)
    ),
    Disturbance(name="second voice in turns", disturb=_other_in_turn, carry=pcmu),
    Disturbance(name="clipped by 12 dB", disturb=_clipped, carry=pcmu),
    Disturbance(name="gain steps of 12 dB", disturb=_gain_steps, carry=pcmu),
    Disturbance(name="gain pumping by 9 dB", disturb=_pumping, carry=pcmu),
    Disturbance(name="caller fades by 24 dB", disturb=_fading, carry=pcmu),
    Disturbance(name="caller 18 dB quieter from 40 % on", disturb=_away, carry=pcmu),
    *(
        Disturbance(
            name=f"{share:.0%} of packets lost, {how}",
            disturb=_clean,
            carry=lossy(share, concealed=how == "concealed"),
        )
        for share in (0.03, 0.10)
        for how in ("silence", "concealed")
    ),
)
