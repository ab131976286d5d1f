import pytest

from fixtures.voice_model_contract import VoiceModelContract
from shengdun.fingerprint.voice.models import VoiceModel


class TestCamPlusPlus(VoiceModelContract):
    """CAM++ is a voice model."""

    @pytest.fixture
    def model(self, voice_model: VoiceModel) -> VoiceModel:
        """The default voice model."""
        return voice_model
