import numpy as np
import pytest

from fixtures.signals import music
from fixtures.voice_model_contract import VoiceModelContract
from shengdun.fingerprint.voice.model_store import ModelStore
from shengdun.fingerprint.voice.models import VoiceModel
from shengdun.fingerprint.voice.samples import Samples


class TestCamPlusPlus(VoiceModelContract):
    """CAM++ is a voice model."""

    @pytest.fixture
    def model(self, voice_model: VoiceModel) -> VoiceModel:
        """The default voice model."""
        return voice_model

    def test_threads_do_not_matter(
        self, model: VoiceModel, model_store: ModelStore, stretches: list[Samples]
    ) -> None:
        """Two threads of ONNX Runtime give what one gives to 1e-5, alone and in company."""
        mixed = [stretches[0], music(3.0), *stretches[1:4]]
        of_two = model_store.voice_model(threads=2).embed(mixed)
        assert np.abs(of_two - model.embed(mixed)).max() <= 1e-5
        assert np.abs(of_two[:1] - model.embed(mixed[:1])).max() <= 1e-5
