"""Opening the archive of finished calls as the settings say."""

from contextlib import AsyncExitStack
from datetime import timedelta
from typing import Final

from shengdun.index.archive.archive import ArchiveSettings, CallArchive
from shengdun.index.archive.retention import Retention
from shengdun.index.registry import Registry
from shengdun.index.store import Store
from shengdun.service.archiving import Archiving
from shengdun.service.calls import LiveCalls
from shengdun.service.erased_decisions import ErasedDecisions
from shengdun.service.settings import Settings
from shengdun.service.texts import Run

ARCHIVE_DIRECTORY: Final = "archive"


async def open_archive(
    settings: Settings, store: Store, registry: Registry, stack: AsyncExitStack
) -> CallArchive | None:
    """Open the archive until the stack is left; None if the settings say that no calls are kept.

    Raises:
        ShengdunError: it was altered, or its directory or the store can't be used.
    """
    given = settings.archive
    if not given.enabled:
        return None
    days_by_line = {
        name: line.archive_days
        for name, line in settings.lines.items()
        if line.archive_days is not None
    }
    archive = await CallArchive.open(
        store,
        registry.keys,
        settings.data_dir / ARCHIVE_DIRECTORY,
        registry,
        ArchiveSettings(
            flush_s=given.flush_s,
            keep_s=timedelta(days=given.away_days).total_seconds(),
            retention=Retention(days=given.days, days_by_line=days_by_line),
        ),
    )
    stack.push_async_callback(archive.close)
    return archive


async def open_archiving(
    settings: Settings,
    archive: CallArchive | None,
    registry: Registry,
    calls: LiveCalls,
    run: Run,
    stack: AsyncExitStack,
) -> Archiving | None:
    """Have finished calls archived until the stack is left; None where none are kept.

    Args:
        settings: the settings.
        archive: takes them.
        registry: has the keys.
        calls: have the latest decisions, which go with erased calls.
        run: where rows are made.
        stack: closes what is opened.
    """
    if archive is None:
        return None
    await stack.enter_async_context(ErasedDecisions(archive, calls))
    archiving = Archiving(
        archive,
        registry.keys.pseudonym,
        run,
        calibration_share=settings.archive.calibration_share,
    )
    return await stack.enter_async_context(archiving)
