"""The label packs of a site: those that ship with Shengdun for what customers say, and its own."""

from collections.abc import Sequence
from pathlib import Path
from typing import Final

from shengdun.fingerprint.text.labels.labelling import TextLabels, canonical_form
from shengdun.fingerprint.text.labels.loading import load_packs
from shengdun.service.settings import TextSettings

CUSTOMER_PACK: Final = "zh-proxy-complaints"
"""For what callers and letters say."""
STAFF_PACK: Final = "zh-staff-wording"
"""For what the institution's own staff say: of no use on a customer's words."""


def load_labels(
    settings: TextSettings, *, shipped: Sequence[str] = (CUSTOMER_PACK,), more: Sequence[Path] = ()
) -> TextLabels:
    """Load label packs and check them, in well under a second.

    Args:
        settings: name the site's own.
        shipped: which of those that ship with Shengdun to use.
        more: files of further ones, loaded last.

    Raises:
        PackRefused: there are mistakes; all of them are named with file, line and what to do.
    """
    paths = [path.expanduser() for path in (*settings.label_packs, *more)]
    return TextLabels(load_packs(paths, canonical=canonical_form, shipped=shipped))
