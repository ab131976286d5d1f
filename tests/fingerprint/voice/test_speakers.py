from collections import defaultdict

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from fixtures.signals import noise, silence
from shengdun.fingerprint.voice.codecs import AudioFormat, Encoding, StreamDecoder, encode
from shengdun.fingerprint.voice.demo_recordings import DemoRecording
from shengdun.fingerprint.voice.model_store import ModelStore
from shengdun.fingerprint.voice.models import VoiceModel
from shengdun.fingerprint.voice.recordings import decode_recording
from shengdun.fingerprint.voice.samples import Samples
from shengdun.fingerprint.voice.speakers import (
    SpeakerCount,
    SpeakerCountPolicy,
    Voices,
    _groups,
)

PCMU = AudioFormat(encoding=Encoding.PCMU, sample_rate_hz=8_000)
TURN = 48_000


@pytest.fixture(scope="module")
def speaker_count(model_store: ModelStore, voice_model: VoiceModel) -> SpeakerCount:
    """The check with the released models."""
    return SpeakerCount(model_store.segmentation(), voice_model)


@pytest.fixture(scope="module")
def voices(recordings: list[DemoRecording]) -> list[Samples]:
    """Twelve seconds at equal level of five speakers of one meeting."""
    by_meeting: dict[str, dict[str, Samples]] = defaultdict(dict)
    for item in recordings:
        if item.duration_s > 12.5:
            speech = decode_recording(item.read()).samples[:192_000]
            level = np.sqrt(np.square(speech).mean())
            by_meeting[item.meeting][item.speaker] = speech * np.float32(0.05 / level)
    return list(max(by_meeting.values(), key=len).values())[:5]


def on_the_telephone(signal: Samples) -> Samples:
    """Sends a signal through mu-law at 8 kHz."""
    decoder = StreamDecoder(PCMU)
    return np.concatenate([decoder.decode(encode(signal, PCMU)), decoder.finish()])


def test_one_voice_is_one(speaker_count: SpeakerCount, voices: list[Samples]) -> None:
    """On a telephone nobody of the meeting is taken for two people."""
    assert len(voices) == 5
    for voice in voices:
        assert speaker_count.assess(on_the_telephone(voice)).voices is Voices.ONE


def test_voices_in_turn_are_noticed(speaker_count: SpeakerCount, voices: list[Samples]) -> None:
    """Most pairs that take turns of three seconds are noticed on a telephone."""
    pairs = list(zip(voices, [*voices[1:], voices[0]], strict=True))
    noticed = 0
    for one, other in pairs:
        turns = [part[at : at + TURN] for at in range(0, 2 * TURN, TURN) for part in (one, other)]
        count = speaker_count.assess(on_the_telephone(np.concatenate(turns)))
        noticed += count.voices is Voices.IN_TURN and 0.2 < count.other_voice_share < 0.7
    assert noticed >= 0.8 * len(pairs)


def test_voices_at_once_are_noticed(speaker_count: SpeakerCount, voices: list[Samples]) -> None:
    """Two people talking at the same level at once are noticed on a telephone."""
    for one, other in zip(voices, [*voices[1:], voices[0]], strict=True):
        count = speaker_count.assess(on_the_telephone(one[:96_000] + other[:96_000]))
        assert count.voices is Voices.AT_ONCE
        assert count.overlap_share > 0.2


def test_overlap_in_a_window_is_measured(
    speaker_count: SpeakerCount, voices: list[Samples]
) -> None:
    """Three seconds of one voice hold hardly any, and most of two at once hold a good part."""
    alone, both = [], []
    for one, other in zip(voices, [*voices[1:], voices[0]], strict=True):
        for at in range(0, 3 * TURN, TURN):
            window = slice(at, at + TURN)
            alone.append(speaker_count.overlap_share(on_the_telephone(one[window])))
            both.append(speaker_count.overlap_share(on_the_telephone(one[window] + other[window])))
    assert max(alone) < 0.1
    assert np.mean(np.array(both) > 0.2) > 0.7


def test_windows_that_no_overlap_can_be_measured_in(speaker_count: SpeakerCount) -> None:
    """There is none in silence; shorter than a frame or longer than the network hears is refused."""
    assert speaker_count.overlap_share(silence(3.0)) == 0.0
    for seconds in (0.09, 10.1):
        with pytest.raises(ValueError, match=r"Needs 0\.1 to 10"):
            speaker_count.overlap_share(silence(seconds))


@pytest.mark.parametrize("signal", [silence(5.0), silence(0.0), noise(0.3), silence(0.031)])
def test_too_little_speech_is_said(speaker_count: SpeakerCount, signal: Samples) -> None:
    """Silence, nothing and a moment are too little to tell."""
    count = speaker_count.assess(signal)
    assert count.voices is Voices.TOO_LITTLE_SPEECH
    assert count.other_voice_share == 0.0


def test_long_recordings_are_sampled(
    model_store: ModelStore, voice_model: VoiceModel, voices: list[Samples]
) -> None:
    """Of a long recording no more is heard than the policy says, and its end is part of it."""
    policy = SpeakerCountPolicy(most_chunks=2)
    count = SpeakerCount(model_store.segmentation(), voice_model, policy)
    first, second = voices[0][:160_000], voices[1][:160_000]
    long = np.concatenate([first, np.resize(first, 640_000), second])
    assessed = count.assess(long)
    assert assessed.speech_s <= 20.0
    assert assessed.voices is Voices.IN_TURN


@pytest.mark.parametrize(
    "wrong",
    [
        {"overlap_share": 0.0},
        {"other_share": 1.0},
        {"hop_s": 2.0},
        {"most_chunks": 0},
        {"shortest_turn_s": 0.01},
    ],
)
def test_impossible_policies_are_refused(wrong: dict[str, float]) -> None:
    """A policy that contradicts itself can't be made."""
    with pytest.raises(ValueError, match=r"Needs|Shares"):
        SpeakerCountPolicy(**wrong)  # type: ignore[arg-type]


@given(st.lists(st.integers(0, 3), min_size=1, max_size=30))
def test_groups_are_those_that_agree(members: list[int]) -> None:
    """Items of the same kind agree and are grouped, whatever their order."""
    kinds = np.array(members)
    similarity = np.where(kinds[:, None] == kinds, 0.8, 0.1).astype(np.float32)
    groups = _groups(similarity, 0.4)
    assert sorted(member for group in groups for member in group) == list(range(len(members)))
    assert sorted(len(group) for group in groups) == sorted(
        np.unique(kinds, return_counts=True)[1].tolist()
    )
    assert all(len(set(kinds[group].tolist())) == 1 for group in groups)
