"""Runs Resemblyzer for the comparison, in the environment of ``requirements/peers.lock``.

Reads requests from standard input: a line of JSON with the number of samples and the seconds that are wanted, then the
samples, little-endian float32 at 16 kHz. Writes a line of JSON for each: a vector for each of the seconds, or null.
The first line that it writes says its version. It imports nothing of the product.
"""

import hashlib
import json
import sys
from importlib import metadata
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
import resemblyzer  # type: ignore[import-not-found]  # is installed for this file alone
import torch
from resemblyzer import VoiceEncoder, preprocess_wav

RATE_HZ = 16_000
SHORTEST_S = 0.5


def main() -> None:
    answers, requests = sys.stdout, sys.stdin.buffer
    # Nothing that a library prints may come between the answers.
    sys.stdout = sys.stderr
    torch.set_num_threads(1)
    encoder = VoiceEncoder("cpu", verbose=False)
    weights = Path(resemblyzer.__file__).with_name("pretrained.pt").read_bytes()
    version = f"{metadata.version('resemblyzer')}@{hashlib.sha256(weights).hexdigest()[:12]}"
    dimension = encoder.linear.out_features
    print(json.dumps({"version": version, "dimension": dimension}), file=answers, flush=True)
    while line := requests.readline():
        print(json.dumps(answer(encoder, json.loads(line), requests)), file=answers, flush=True)


def answer(encoder: Any, request: dict[str, Any], stream: BinaryIO) -> dict[str, Any]:  # noqa: ANN401 (no types published)
    samples = np.frombuffer(stream.read(4 * request["samples"]), "<f4").astype(np.float32)
    # Its volume is measured in decibels, which digital silence has none of.
    speech = preprocess_wav(samples) if np.any(samples) else samples[:0]
    return {"vectors": [vector(encoder, speech[: round(s * RATE_HZ)]) for s in request["seconds"]]}


def vector(encoder: Any, speech: Any) -> list[float] | None:  # noqa: ANN401 (no types published)
    if len(speech) < SHORTEST_S * RATE_HZ:
        return None
    embedded = encoder.embed_utterance(speech)
    return embedded.tolist() if np.isfinite(embedded).all() else None


if __name__ == "__main__":
    main()
