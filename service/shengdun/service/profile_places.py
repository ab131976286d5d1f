"""Where the calibration profiles of an installation lie, and what a site's are sealed with."""

from typing import Final

from shengdun.index.profile_library import ProfileLibrary
from shengdun.index.profile_seal import ProfileKeys
from shengdun.service.settings import Settings

STORE_DIRECTORY: Final = "store"


def profile_keys(settings: Settings) -> ProfileKeys:
    """The master keys that site profiles are sealed with: those of the store."""
    # A site may be calibrated before its server was ever started. Where a store is there already, or elsewhere, the
    # keys are made and known, and another key file would only be in the way of the right one.
    is_new = settings.store.url is None and not (settings.data_dir / STORE_DIRECTORY).exists()
    return ProfileKeys(path=settings.keys_file, may_make=is_new)


def profile_library(settings: Settings) -> ProfileLibrary:
    """The profile library of the data directory."""
    return ProfileLibrary.of(settings.data_dir, profile_keys(settings))
