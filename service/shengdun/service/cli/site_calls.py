"""Where ``shengdun calibrate`` takes a site's calls from: recordings in a folder, or the call archive."""

import asyncio
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Protocol

from shengdun.fingerprint.voice.model_store import ModelStore
from shengdun.fingerprint.voice.models import VoiceModel
from shengdun.index.accuracy.corpus import names_of
from shengdun.index.accuracy.embeddings import processors
from shengdun.index.archive.reader import ArchiveReader
from shengdun.index.archive.rows import CallQuery
from shengdun.index.fitting.archived import ArchivedSite, read_archived_calls
from shengdun.index.fitting.calls import SiteCall
from shengdun.index.fitting.recordings import CallListener, HeardCalls, read_calls, read_labels
from shengdun.index.keys import KeyRing
from shengdun.service.archive_opening import ARCHIVE_DIRECTORY
from shengdun.service.cli.measuring import tell
from shengdun.service.cli.output import note
from shengdun.service.settings import Settings
from shengdun.service.store_opening import store_beside


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class SiteCalls:
    """Calls to make a profile from.

    Attributes:
        calls: the calls.
        source: where they come from, for people.
    """

    calls: Sequence[SiteCall]
    source: str


class CallSource(Protocol):
    """Where the calls come from; what is wrong with labels is told when it is made, before anything is heard."""

    def calls(self, model: VoiceModel, store: ModelStore) -> SiteCalls:
        """The calls, with voiceprints of a model; says what is left out. Raises ``ShengdunError``."""


class RecordedCalls:
    """Calls that are recorded in a folder. Raises ``CallsInvalid``.

    Args:
        folder: is searched whole.
        labels: who calls, where that is known: a CSV with ``path`` and ``speaker``.
        limit_s: the longest recording that is taken, in seconds.
        cache: where voiceprints are kept for the next run; None for nowhere.
        jobs: recordings at once; None for one a processor.
    """

    def __init__(
        self,
        folder: Path,
        labels: Path | None,
        *,
        limit_s: float,
        cache: Path | None,
        jobs: int | None,
    ) -> None:
        self._found = read_calls(folder, labels)
        self._limit_s = limit_s
        self._cache = cache
        self._jobs = jobs or processors()
        for warning in self._found.warnings:
            note(f"warning: {warning}")

    def calls(self, model: VoiceModel, store: ModelStore) -> SiteCalls:
        """See ``CallSource``."""
        listener = CallListener(
            model=model,
            activity=store.voice_activity(),
            cache=self._cache,
            limit_s=self._limit_s,
        )
        heard = listener.hear_all(
            self._found.recordings,
            jobs=self._jobs,
            progress=lambda done, of: tell("calls", done, of),
        )
        _warn(heard)
        return SiteCalls(
            calls=heard.calls,
            source=_source(heard.calls, f"{len(self._found.recordings)} recorded calls"),
        )


class ArchivedCalls:
    """Calls of this machine's archive. Raises ``CallsInvalid``.

    Args:
        settings: where the archive, the store and the keys are.
        labels: who calls, where that is known: a CSV with ``call_id`` and ``speaker``.
        query: which calls.
        without: a file with one id a line of calls to leave out; None for none.

    Raises:
        OSError: that file can't be read.
    """

    def __init__(
        self, settings: Settings, labels: Path | None, query: CallQuery, without: Path | None
    ) -> None:
        self._settings = settings
        self._query = query
        self._speakers = read_labels(labels, of="call_id") if labels else {}
        lines = without.read_text(encoding="utf-8-sig").splitlines() if without else []
        self._without = frozenset(line.strip() for line in lines) - {""}

    def calls(self, model: VoiceModel, store: ModelStore) -> SiteCalls:  # noqa: ARG002 - nothing is heard
        """See ``CallSource``."""
        query = replace(self._query, model_id=model.model_id)
        site, problems = asyncio.run(self._read(query))
        for problem in problems:
            note(f"warning: {problem}")
        of = f"{site.archived} archived calls, {site.drawn} of which were drawn to calibrate by"
        return SiteCalls(calls=site.calls, source=_source(site.calls, of))

    async def _read(self, query: CallQuery) -> tuple[ArchivedSite, Iterable[str]]:
        keys = KeyRing.load(self._settings.keys_file)
        directory = self._settings.data_dir / ARCHIVE_DIRECTORY
        async with (
            store_beside(self._settings) as store,
            ArchiveReader.open(store, keys, directory) as reader,
        ):
            site = await asyncio.to_thread(
                read_archived_calls, reader, query, self._speakers, without=self._without
            )
            return site, reader.problems.values()


def _source(calls: Sequence[SiteCall], of: str) -> str:
    net_speech_s = sum(call.total_s for call in calls)
    known = sum(call.speaker is not None for call in calls)
    return f"{len(calls)} of {of}, with {net_speech_s / 60:.0f} min of speech" + (
        f", {known} of them labelled." if known else ", none of them labelled."
    )


def _warn(heard: HeardCalls) -> None:
    for name, reason in list(heard.failures.items())[:20]:
        note(f"warning: {name} is left out: {reason}")
    if len(heard.failures) > 20:
        note(f"warning: {names_of(list(heard.failures)[20:])} are left out for such reasons too")
