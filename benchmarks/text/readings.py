"""Writes the table of how Chinese characters sound, from the dictionary of the installed pypinyin.

python -m benchmarks.text.readings fingerprint/shengdun/fingerprint/text/syllables.txt
"""

import argparse
from collections import defaultdict
from collections.abc import Sequence
from pathlib import Path

from pypinyin.constants import PINYIN_DICT

from shengdun.fingerprint.text.pinyin import loose_syllable


def table() -> str:
    """A line for each loose syllable, in their order: the syllable, a space, its characters in the order of Unicode."""
    read_so: dict[str, list[int]] = defaultdict(list)
    for point, readings in PINYIN_DICT.items():
        read_so[loose_syllable(readings.split(",", 1)[0])].append(point)
    lines = (
        f"{syllable} {''.join(map(chr, sorted(points)))}\n"
        for syllable, points in sorted(read_so.items())
    )
    return "".join(lines)


def main(arguments: Sequence[str] | None = None) -> None:
    """Run as the module says."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("output", type=Path)
    parser.parse_args(arguments).output.write_text(table(), "utf-8")


if __name__ == "__main__":
    main()
