"""A stock export of CAM++ with what sherpa-onnx reads about a model: the layout of 3D-Speaker's exports.

    python -m benchmarks.serving.sherpa_model STOCK.onnx MODEL.onnx

STOCK.onnx is what ``benchmarks/network/stock_export.py`` wrote with ``--any-length``. No weight is changed.
"""

import argparse
from pathlib import Path
from typing import Final

import onnx

METADATA: Final = {
    "framework": "3d-speaker",
    "language": "Chinese-English",
    "url": "",
    "comment": "exported from the checkpoint that the product uses",
    "sample_rate": "16000",
    "output_dim": "192",
    "normalize_samples": "1",
    "feature_normalize_type": "global-mean",
}
"""As the exports of sherpa-onnx's own scripts have it; ``normalize_samples`` keeps samples in [-1, 1]."""


def describe(stock: Path, model: Path) -> None:
    """Writes the same graph with ``METADATA``."""
    graph = onnx.load(stock)
    del graph.metadata_props[:]
    for key, value in METADATA.items():
        entry = graph.metadata_props.add()
        entry.key, entry.value = key, value
    onnx.save(graph, model)


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("stock", type=Path)
    parser.add_argument("model", type=Path)
    arguments = parser.parse_args()
    describe(arguments.stock, arguments.model)


if __name__ == "__main__":
    main()
