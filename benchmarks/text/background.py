"""Learn how common wording is, for the table that ships.

    python -m benchmarks.text.background CORPUS

``CORPUS`` is what ``make bench-text`` takes. Of it the calls are read (TeleAntiFraud and CrossWOZ, both Apache-2.0),
and of these the half that no figure comes from. What is kept are hashes of runs of syllables and counts, no text.
"""

import argparse
from pathlib import Path
from typing import Final

import numpy as np
from benchmarks.text.corpora import Kind, read_units
from benchmarks.text.families import Half, half_of

from shengdun.index.scripts import background

TABLE: Final = Path(background.__file__).with_name("background.npz")
LEAST_DOCUMENTS: Final = 4
"""Wording of fewer documents is their own rather than everybody's, and three of four entries would be such."""


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("corpus", type=Path)
    units = read_units(parser.parse_args().corpus)
    texts = [
        unit.text for unit in units if unit.kind is Kind.CALL and half_of(unit.unit_id) is Half.FIT
    ]
    learnt = background.learn(texts, least_documents=LEAST_DOCUMENTS)
    np.savez_compressed(
        TABLE,
        hashes=learnt.hashes,
        documents=np.minimum(learnt.documents, np.iinfo(np.uint16).max).astype(np.uint16),
        total=np.array(learnt.total),
    )
    print(f"{len(learnt.hashes)} runs of {learnt.total} documents, {TABLE.stat().st_size} bytes")


if __name__ == "__main__":
    main()
