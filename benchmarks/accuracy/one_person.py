"""Speakers of public corpora who have two names and are one person.

    python -m benchmarks.accuracy.one_person CORPUS

Prints the ``--same-speaker`` options of those that the corpus has, for ``shengdun evaluate`` and ``compare``. Left as
two, one voice is scored as a stranger to itself.
"""

import argparse
from pathlib import Path
from typing import Final

from shengdun.fingerprint.errors import ShengdunError
from shengdun.index.accuracy.corpus import read_corpus

ONE_PERSON: Final = (
    # June Wallack speaks the French prompts of both switches: the corpus's own notes.
    ("pbx_prompts/ast_fr", "pbx_prompts/fs_june"),
    # Allison Smith speaks Asterisk's English and Spanish prompts: Meggelen, Bryant and Madsen, "Asterisk: The
    # Definitive Guide", 5th edition, chapter 9.
    ("pbx_prompts/ast_es", "pbx_prompts/ast_en"),
)
"""Names as ``corpus/speaker``, the second to be kept."""


def options(corpus: Path) -> list[str]:
    """The options of those pairs that the corpus has both names of.

    Raises:
        CorpusInvalid: the corpus can't be read.
    """
    names = set(read_corpus(corpus).speakers)
    pairs = [f"{name}={other}" for name, other in ONE_PERSON if {name, other} <= names]
    return [word for pair in pairs for word in ("--same-speaker", pair)]


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("corpus", type=Path)
    try:
        print(" ".join(options(parser.parse_args().corpus)))
    except ShengdunError as error:
        raise SystemExit(error.message) from error


if __name__ == "__main__":
    main()
