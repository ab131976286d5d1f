"""Sentence embeddings by a real model in ONNX, made for the test."""

from pathlib import Path

import numpy as np
import pytest

from fixtures.scripts import COERCED, ORDINARY, REFUND
from fixtures.sentence_model import DIMENSION, MOST_TOKENS, write_sentence_model
from shengdun.fingerprint.text.errors import SemanticModelUnusable
from shengdun.fingerprint.text.semantic import SentenceModel


@pytest.fixture
def directory(tmp_path: Path) -> Path:
    """A model that knows the characters of two scripts."""
    return write_sentence_model(tmp_path / "characters", COERCED + REFUND)


def test_texts_have_embeddings_of_unit_length(directory: Path) -> None:
    """Whatever shares their batch, and with the model named by its content."""
    model = SentenceModel(directory)
    assert model.model_id.startswith("characters@")
    texts = [COERCED[:90], "我", REFUND[:50], *[ORDINARY[at:] for at in range(20)]]
    together = model.embed(texts)
    assert together.shape == (len(texts), DIMENSION)
    assert together.dtype.type is np.float32
    np.testing.assert_allclose(np.linalg.norm(together, axis=1), 1.0, atol=1e-6)
    alone = np.concatenate([model.embed([text]) for text in texts])
    np.testing.assert_allclose(together, alone, atol=1e-6)
    assert model.embed([]).shape[0] == 0
    assert not model.embed([""]).any()


def test_meaning_is_the_mean_of_the_tokens(directory: Path) -> None:
    """The same characters in any order mean the same to this model; others don't."""
    model = SentenceModel(directory)
    said, turned, other = model.embed([COERCED[:60], COERCED[59::-1], REFUND[:60]])
    assert said @ turned == pytest.approx(1.0, abs=1e-5)
    assert said @ other < 0.9


def test_as_much_counts_as_the_model_takes(directory: Path) -> None:
    """What comes after is left out."""
    model = SentenceModel(directory)
    text = COERCED[:MOST_TOKENS]
    np.testing.assert_allclose(model.embed([text]), model.embed([text + REFUND]), atol=1e-6)


def test_a_model_may_take_token_types(tmp_path: Path) -> None:
    """As those of the BERT family do."""
    directory = write_sentence_model(tmp_path / "m", COERCED, inputs=("token_type_ids",))
    assert SentenceModel(directory).embed([COERCED]).shape == (1, DIMENSION)


@pytest.mark.parametrize("missing", ["onnx/model.onnx", "tokenizer.json", "config.json"])
def test_what_is_missing_is_named(directory: Path, missing: str) -> None:
    """With what to do."""
    (directory / missing).unlink()
    with pytest.raises(SemanticModelUnusable, match=missing.removeprefix("onnx/")):
        SentenceModel(directory)


def test_what_is_no_such_model_is_refused(tmp_path: Path, directory: Path) -> None:
    """A file that is none, and a model of something else."""
    (directory / "onnx" / "model.onnx").write_bytes(b"no model")
    with pytest.raises(SemanticModelUnusable, match="no ONNX model"):
        SentenceModel(directory)
    other = write_sentence_model(tmp_path / "sees", COERCED, inputs=("pixels",))
    with pytest.raises(SemanticModelUnusable, match="pixels"):
        SentenceModel(other)
