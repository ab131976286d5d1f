"""Sentence embeddings: any model in the layout of the model hub, exported to ONNX.

A directory has ``tokenizer.json``, ``config.json``, and ``onnx/model.onnx`` or ``model.onnx``, whose first output is a
vector for each token; their mean over the tokens of a text, at unit length, is its embedding (Reimers & Gurevych,
"Sentence-BERT", 2019). Tokens are made by the wheel ``tokenizers``, which the extra ``shengdun[semantic]`` installs.
"""

import hashlib
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from shengdun.fingerprint.text.errors import SemanticModelUnusable

_MOST_TOKENS: Final = 512
_AT_ONCE: Final = 16
_SHOWN_OF_SHA256: Final = 12


class SentenceModel:
    """Embeds texts. Safe to share between threads.

    Attributes:
        model_id: name of the directory and the first digits of the model's SHA-256.

    Args:
        directory: of the model.

    Raises:
        SemanticModelUnusable: a file is missing or can't be used, or ``tokenizers`` isn't installed.
    """

    def __init__(self, directory: Path) -> None:
        file = _model_file(directory)
        self._session = _session(file)
        self._inputs = {each.name for each in self._session.get_inputs()}
        self._tokenizer = _tokenizer(directory)
        digest = hashlib.sha256(file.read_bytes()).hexdigest()[:_SHOWN_OF_SHA256]
        self.model_id = f"{directory.resolve().name}@{digest}"
        if (shape := self.embed(["试"]).shape)[1:] == (0,) or len(shape) != 2:
            raise SemanticModelUnusable(f"{file} gives no vectors; export the model without a head")

    def embed(self, texts: Sequence[str]) -> NDArray[np.float32]:
        """(n, d) float32 embeddings of unit length; zeros of a text without any token.

        Args:
            texts: n texts; of each as many tokens count as the model takes.
        """
        parts = [self._embedded(texts[at : at + _AT_ONCE]) for at in range(0, len(texts), _AT_ONCE)]
        return np.concatenate(parts) if parts else np.zeros((0, 0), np.float32)

    def _embedded(self, texts: Sequence[str]) -> NDArray[np.float32]:
        encoded = self._tokenizer.encode_batch(list(texts))
        ids = np.array([each.ids for each in encoded], np.int64)
        mask = np.array([each.attention_mask for each in encoded], np.int64)
        given = {"input_ids": ids, "attention_mask": mask, "token_type_ids": np.zeros_like(ids)}
        feed = {name: given[name] for name in self._inputs}
        vectors: NDArray[np.float32] = self._session.run(None, feed)[0]
        return _pooled(vectors, mask)


def _pooled(vectors: NDArray[np.float32], mask: NDArray[np.int64]) -> NDArray[np.float32]:
    weights = mask[:, :, None].astype(np.float32)
    mean = (vectors * weights).sum(axis=1) / np.maximum(weights.sum(axis=1), 1.0)
    lengths = np.linalg.norm(mean, axis=1, keepdims=True)
    pooled: NDArray[np.float32] = (mean / np.maximum(lengths, 1e-12)).astype(np.float32)
    return pooled


def _model_file(directory: Path) -> Path:
    for file in (directory / "onnx" / "model.onnx", directory / "model.onnx"):
        if file.is_file():
            return file
    raise SemanticModelUnusable(
        f"{directory} has no onnx/model.onnx and no model.onnx; name a sentence-embedding model exported to ONNX"
    )


def _session(file: Path) -> Any:  # noqa: ANN401 (no types published)
    # Loaded where it is used: whoever embeds nothing doesn't pay for it.
    from shengdun.fingerprint.voice.runtime import open_session  # noqa: PLC0415

    try:
        session = open_session(file, threads=1)
    except Exception as error:
        raise SemanticModelUnusable(
            f"{file} is no ONNX model that can be run; export it again"
        ) from error
    taken = {each.name for each in session.get_inputs()}
    if not {"input_ids"} <= taken <= {"input_ids", "attention_mask", "token_type_ids"}:
        raise SemanticModelUnusable(
            f"{file} takes {', '.join(sorted(taken))}; a sentence-embedding model takes input_ids and attention_mask"
        )
    return session


def _tokenizer(directory: Path) -> Any:  # noqa: ANN401 (an optional extra)
    try:
        from tokenizers import Tokenizer  # noqa: PLC0415
    except ImportError as error:
        raise SemanticModelUnusable(
            "sentence embeddings need the extra shengdun[semantic]; install it, or unset text.semantic_model"
        ) from error
    try:
        tokenizer = Tokenizer.from_file(str(directory / "tokenizer.json"))
        config = json.loads((directory / "config.json").read_text(encoding="utf-8"))
        most = min(int(config.get("max_position_embeddings", _MOST_TOKENS)), _MOST_TOKENS)
    except Exception as error:
        raise SemanticModelUnusable(
            f"{directory} has no tokenizer.json and config.json that can be read; copy the whole model"
        ) from error
    tokenizer.enable_truncation(max_length=most)
    tokenizer.enable_padding(pad_id=int(config.get("pad_token_id") or 0))
    return tokenizer
