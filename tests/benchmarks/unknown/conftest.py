"""What the tests of the benchmark of unknown voices share: voices whose windows are drawn, and real ones."""

from pathlib import Path

import pytest
from benchmarks.unknown.hearing import Listener, Voice
from benchmarks.unknown.people import council_people

from fixtures.drawn_voices import drawn_voice
from shengdun.fingerprint.voice.acoustics import Acoustics
from shengdun.fingerprint.voice.activity import VoiceActivity
from shengdun.fingerprint.voice.demo_recordings import DemoRecording
from shengdun.fingerprint.voice.models import VoiceModel


@pytest.fixture(scope="session")
def drawn_voices() -> list[Voice]:
    """Forty drawn voices, some of whom have a lot to say."""
    return [drawn_voice(number, 2 + 12 * (number % 4 == 0)) for number in range(40)]


@pytest.fixture(scope="session")
def council_voices(
    recordings: list[DemoRecording],
    voice_model: VoiceModel,
    voice_activity: VoiceActivity,
    tmp_path_factory: pytest.TempPathFactory,
) -> list[Voice]:
    """The nine real speakers of the demo, a dozen seconds of each of their meetings, in two channels."""
    directory: Path = tmp_path_factory.mktemp("unknown")
    listener = Listener(
        model=voice_model,
        activity=voice_activity,
        acoustics=Acoustics.made(),
        cache=directory / "voices",
    )
    people = council_people(recordings, directory / "council")
    return listener.hear_all(people, channels=2, at_most_s=12.0)
