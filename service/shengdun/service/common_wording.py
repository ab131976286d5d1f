"""What the institution itself reads out, prints or sends: it links no texts, however many have it."""

from collections.abc import Sequence
from pathlib import Path

from shengdun.enrollment.errors import TextFileUnreadable
from shengdun.enrollment.text_files import read_text_file
from shengdun.index.campaigns.exclusions import RUN, Exclusions, default_exclusions
from shengdun.service.errors import SettingsInvalid


def read_common(files: Sequence[Path]) -> Exclusions:
    """What is common from the start, and the wording of the institution's own texts.

    Args:
        files: texts in UTF-8, UTF-16 or GB 18030; each file is one text.

    Raises:
        SettingsInvalid: files can't be read, or say too little to exclude anything; every one is named.
    """
    exclusions, problems = default_exclusions(), []
    for file in files:
        try:
            own = Exclusions.of([read_text_file(file.expanduser())])
        except TextFileUnreadable as error:
            problems.append(error.message)
            continue
        if not len(own.hashes):
            problems.append(f"{file} has fewer than {RUN} characters that count; take it out")
        exclusions = exclusions.with_more(own)
    if problems:
        raise SettingsInvalid(
            "text.common: not every file is a text of the institution:\n  " + "\n  ".join(problems)
        )
    return exclusions
