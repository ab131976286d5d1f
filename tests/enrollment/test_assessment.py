"""What is found in recordings, good ones and all the bad ones that people send."""

import struct
import threading
from collections.abc import Callable
from dataclasses import replace
from typing import TypeVar

import numpy as np
import pytest

from fixtures import signals
from fixtures.enrolling import Speakers, in_thread
from fixtures.signals import wav_file
from shengdun.enrollment.assessed import AssessedRecording, NamedRecording
from shengdun.enrollment.assessment import RecordingAssessor, VoiceTools
from shengdun.enrollment.policy import EnrollmentPolicy
from shengdun.enrollment.reports import UnfitReason
from shengdun.fingerprint.voice.samples import MODEL_RATE_HZ, Samples

T = TypeVar("T")


async def assess(tools: VoiceTools, content: bytes, **policy: float) -> AssessedRecording:
    chosen = EnrollmentPolicy(**policy)  # type: ignore[arg-type]
    assessor = RecordingAssessor(tools, chosen, in_thread)
    return await assessor.assess(NamedRecording(name="a.wav", content=content))


def too_long_wav(hours: int) -> bytes:
    """A WAV file of digital silence at 8 kHz and 8 bit."""
    data = hours * 3600 * 8000
    form = struct.pack("<4sIHHIIHH", b"fmt ", 16, 1, 1, 8000, 8000, 1, 8)
    head = struct.pack("<4sI4s", b"RIFF", 36 + data, b"WAVE") + form
    return head + struct.pack("<4sI", b"data", data) + b"\x80" * data


async def test_good_speech_is_fit(voice_tools: VoiceTools, speakers: Speakers) -> None:
    """Twelve seconds of one person give a voiceprint of unit length, and the report says what it rests on."""
    found = await assess(voice_tools, wav_file(speakers["S4"][0]))
    assert found.report.accepted
    assert found.voice is not None
    assert np.linalg.norm(found.voice.voiceprint) == pytest.approx(1, abs=1e-5)
    assert 8 < found.voice.net_speech_s <= found.report.net_speech_s <= 12
    assert found.report.duration_s == pytest.approx(12, abs=0.1)
    assert found.report.codec == "pcm_s16le"
    assert found.report.sample_rate_hz == MODEL_RATE_HZ
    assert found.report.other_voice_share == 0


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (wav_file(signals.silence(8)), UnfitReason.NO_SPEECH),
        (wav_file(signals.tone(8, 440.0)), UnfitReason.NO_SPEECH),
        (wav_file(signals.ringback(10)), UnfitReason.NO_SPEECH),
        (wav_file(signals.keys(8)), UnfitReason.NO_SPEECH),
        (wav_file(signals.noise(8)), UnfitReason.NO_SPEECH),
        (b"This is a text file named a.wav.\n" * 100, UnfitReason.UNREADABLE),
        (b"", UnfitReason.UNREADABLE),
        (wav_file(signals.silence(1))[:30], UnfitReason.UNREADABLE),
        (np.random.default_rng(1).bytes(50_000), UnfitReason.UNREADABLE),
    ],
    ids=["silence", "tone", "ringback", "keys", "noise", "text", "empty", "header", "random"],
)
async def test_what_is_no_speech_is_unfit(
    voice_tools: VoiceTools, content: bytes, reason: UnfitReason
) -> None:
    """Each says in a sentence what it is and what to do."""
    found = await assess(voice_tools, content)
    assert found.voice is None
    assert found.report.unfit is not None
    assert found.report.unfit.reason is reason
    assert found.report.unfit.message.rstrip().endswith(".")


async def test_too_little_speech_is_unfit(voice_tools: VoiceTools, speakers: Speakers) -> None:
    """Four tenths of a second are no voiceprint, and the message has both figures."""
    found = await assess(voice_tools, wav_file(speakers["S4"][0][: round(0.4 * MODEL_RATE_HZ)]))
    assert found.report.unfit is not None
    assert found.report.unfit.reason is UnfitReason.TOO_LITTLE_SPEECH
    assert "3 s are needed" in found.report.unfit.message


async def test_three_hours_are_too_long(voice_tools: VoiceTools) -> None:
    """A recording of three hours is refused by its length and not by what is in it."""
    found = await assess(voice_tools, too_long_wav(3))
    assert found.report.unfit is not None
    assert found.report.unfit.reason is UnfitReason.TOO_LONG


async def test_clipped_speech_is_unfit(voice_tools: VoiceTools, speakers: Speakers) -> None:
    """Speech that is far too loud for its file is refused as clipped."""
    loud = speakers["S4"][0] / np.abs(speakers["S4"][0]).max() * 20
    found = await assess(voice_tools, wav_file(loud))
    assert found.report.unfit is not None
    assert found.report.unfit.reason is UnfitReason.CLIPPED


async def test_noisy_speech_is_unfit(voice_tools: VoiceTools, speakers: Speakers) -> None:
    """Speech as loud as the noise is refused, whether as noisy or because no speech is heard in it any more."""
    clean = np.concatenate([speakers["S4"][0], signals.silence(2)])
    level = float(np.sqrt(np.mean(speakers["S4"][0] ** 2)))
    found = await assess(voice_tools, wav_file(clean + signals.noise(14, level=level)))
    assert found.report.unfit is not None
    assert found.report.unfit.reason in {UnfitReason.NOISY, UnfitReason.NO_SPEECH}


@pytest.mark.parametrize(("one", "other"), [("S4", "S5"), ("S1", "S7"), ("S2", "S4")])
async def test_two_voices_one_after_the_other_are_unfit(
    voice_tools: VoiceTools, speakers: Speakers, one: str, other: str
) -> None:
    """A recording that goes over from one person to another says how much is whose."""
    both = np.concatenate([speakers[one][0], speakers[other][0][: 8 * MODEL_RATE_HZ]])
    found = await assess(voice_tools, wav_file(both))
    assert found.report.unfit is not None
    assert found.report.unfit.reason is UnfitReason.SEVERAL_VOICES
    assert 0.2 < found.report.other_voice_share < 0.6


@pytest.mark.parametrize(("one", "other"), [("S4", "S5"), ("S1", "S7")])
async def test_two_voices_at_once_are_unfit(
    voice_tools: VoiceTools, speakers: Speakers, one: str, other: str
) -> None:
    """People who talk over each other leave no window that is one person's."""
    first, second = speakers[one][0], speakers[other][0]
    louder = np.sqrt(np.mean(first**2) / np.mean(second**2))
    found = await assess(voice_tools, wav_file((first + louder * second) / 2))
    assert found.report.unfit is not None
    assert found.report.unfit.reason is UnfitReason.SEVERAL_VOICES
    assert "at once" in found.report.unfit.message
    alone = replace(voice_tools, speakers=None)
    unheard = await assess(alone, wav_file((first + louder * second) / 2))
    assert unheard.report.unfit is None or "at once" not in unheard.report.unfit.message


async def test_nobody_is_taken_for_two(voice_tools: VoiceTools, speakers: Speakers) -> None:
    """Of all single speakers' recordings none is refused for several voices."""
    for recordings in speakers.values():
        found = await assess(voice_tools, wav_file(recordings[0]))
        assert found.report.accepted
        assert found.report.other_voice_share == 0


async def test_long_recordings_are_heard_at_places_all_over_them(
    voice_tools: VoiceTools, speakers: Speakers
) -> None:
    """Only so many windows are embedded, and another voice at the very end is still noticed."""
    samples: Samples = np.concatenate([speakers["S4"][0], speakers["S4"][1], speakers["S5"][0]])
    found = await assess(voice_tools, wav_file(samples), most_windows=6)
    assert found.report.unfit is not None
    assert found.report.unfit.reason is UnfitReason.SEVERAL_VOICES
    single = await assess(voice_tools, wav_file(samples[: 20 * MODEL_RATE_HZ]), most_windows=2)
    assert single.voice is not None
    assert single.voice.net_speech_s <= 2 * voice_tools.model.window_s


async def test_the_event_loop_is_left_alone(voice_tools: VoiceTools, speakers: Speakers) -> None:
    """All work goes through the caller's limiter, in more pieces than there are windows."""
    pieces: list[int] = []

    async def run(work: Callable[[], T], /) -> T:
        def noted() -> T:
            pieces.append(threading.get_ident())
            return work()

        return await in_thread(noted)

    assessor = RecordingAssessor(voice_tools, EnrollmentPolicy(), run)
    found = await assessor.assess(NamedRecording(name="a", content=wav_file(speakers["S4"][0])))
    assert found.voice is not None
    assert len(pieces) > found.voice.net_speech_s / voice_tools.model.window_s
    assert threading.get_ident() not in pieces


async def test_the_same_recording_gives_the_same_voiceprint(
    voice_tools: VoiceTools, speakers: Speakers
) -> None:
    """Bit for bit: idempotency keys rest on it."""
    first = await assess(voice_tools, wav_file(speakers["S7"][0]))
    second = await assess(voice_tools, wav_file(speakers["S7"][0]))
    assert first.voice is not None
    assert second.voice is not None
    assert (first.voice.voiceprint == second.voice.voiceprint).all()
    assert first.report == second.report
