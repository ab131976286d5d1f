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
from numpy.typing import NDArray

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
        documents=_short(learnt.documents),
        phrases=learnt.phrases,
        phrase_documents=_short(learnt.phrase_documents),
        total=np.array(learnt.total),
    )
    runs = f"{len(learnt.hashes)} and {len(learnt.phrases)} runs"
    print(f"{runs} of {learnt.total} documents, {TABLE.stat().st_size} bytes")


def _short(counts: NDArray[np.uint32]) -> NDArray[np.uint16]:
    return np.minimum(counts, np.iinfo(np.uint16).max).astype(np.uint16)


if __name__ == "__main__":
    main()
