"""An ECAPA of random weights in the layout of SpeechBrain's hub, for speed alone: it recognises nobody.

    PYTHON -m benchmarks.serving.random_ecapa DIRECTORY

Runs in an environment of ``requirements/ecapa.lock`` and imports nothing of the product. The network has the sizes of
speechbrain/spkrec-ecapa-voxceleb. The batch norms' statistics are measured on noise, so that numbers stay in the range
in which a trained network works: what is nearly zero can be slow to multiply.
"""

import argparse
from pathlib import Path
from typing import Any, Final

import torch
from hyperpyyaml import load_hyperpyyaml

HYPERPARAMS: Final = Path(__file__).parents[2] / "tests" / "ecapa" / "hyperparams.yaml"
SEED: Final = 20_261_127
SPEAKERS: Final = 12
NOISE_SAMPLES: Final = 80_000


def write(directory: Path) -> None:
    """Writes the network, its statistics and its labels."""
    directory.mkdir(parents=True, exist_ok=True)
    content = HYPERPARAMS.read_text("utf-8")
    (directory / "hyperparams.yaml").write_text(content, "utf-8")
    torch.manual_seed(SEED)
    parts = load_hyperpyyaml(content)
    _measure_batch_norms(parts)
    torch.save(parts["embedding_model"].state_dict(), directory / "embedding_model.ckpt")
    torch.save(parts["classifier"].state_dict(), directory / "classifier.ckpt")
    norm = parts["mean_var_norm_emb"].train()
    norm(torch.randn(4, 192), torch.ones(4))
    norm._save(directory / "mean_var_norm_emb.ckpt")  # noqa: SLF001 (there is no other way)
    labels = [f"speaker {number}" for number in range(SPEAKERS)]
    parts["label_encoder"].update_from_iterable(labels)
    parts["label_encoder"].save(directory / "label_encoder.txt")


def _measure_batch_norms(parts: dict[str, Any]) -> None:
    network, whole = parts["embedding_model"], torch.ones(SPEAKERS)
    for module in network.modules():
        if isinstance(module, torch.nn.BatchNorm1d):
            module.momentum = None  # The statistics become those of this one batch.
    with torch.no_grad():
        samples = 0.05 * torch.randn(SPEAKERS, NOISE_SAMPLES)
        network.train()(parts["mean_var_norm"](parts["compute_features"](samples), whole), whole)
    network.eval()


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("directory", type=Path)
    write(parser.parse_args().directory)


if __name__ == "__main__":
    main()
