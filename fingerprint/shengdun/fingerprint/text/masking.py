"""Text without personal particulars, as it is stored: with a token that people can read in the place of each."""

import numpy as np

from shengdun.fingerprint.text.particulars import find
from shengdun.fingerprint.text.placeholders import Kind
from shengdun.fingerprint.text.reading import read


def mask(text: str) -> str:
    """Replaces names, numbers, dates, amounts, codes and addresses by their tokens, such as 〔人名〕.

    All else stays as it was written, to the character. Masking what was masked changes nothing, and masked text has
    the same canonical form as the text it was made of. Any string will do; the time is linear in its length.
    """
    reading = read(text)
    found = find(reading)
    if not found.begins.any():
        return text
    firsts = np.flatnonzero(found.begins)
    kinds = found.kinds[firsts]
    starts, ends = reading.starts[firsts], reading.ends[found.lasts()]
    pieces: list[str] = []
    position = 0
    for start, end, kind in zip(starts.tolist(), ends.tolist(), kinds.tolist(), strict=True):
        pieces += (text[position:start], Kind(kind).token)
        position = end
    return "".join((*pieces, text[position:]))
