"""Calls to calibrate by are taken from the archive as it is on this machine."""

from collections.abc import Sequence
from datetime import timedelta
from pathlib import Path

import numpy as np
import pytest

from fixtures.archive import NOON, call
from fixtures.site_calls import MODEL_ID, base_profile, site_calls
from shengdun.index.archive.archive import CallArchive
from shengdun.index.archive.errors import NoArchive
from shengdun.index.archive.reader import ArchiveReader
from shengdun.index.archive.rows import CallQuery, CallWindows
from shengdun.index.fitting import archived
from shengdun.index.fitting.archived import ArchivedSite, read_archived_calls
from shengdun.index.fitting.calls import SiteCall
from shengdun.index.fitting.recordings import CallsInvalid
from shengdun.index.fitting.site import fit_site_profile
from shengdun.index.registry import Registry
from shengdun.index.store import Store

OF_MODEL = CallQuery(model_id=MODEL_ID)


async def fill(archive: CallArchive, calls: Sequence[SiteCall], *, drawn: int) -> None:
    """Archive some calls, the first ones of them with their windows."""
    for number, one in enumerate(calls):
        windows = CallWindows(voiceprints=one.windows, net_speech_s=one.net_speech_s)
        row = call(
            number,
            call_id=one.name,
            model_id=MODEL_ID,
            voiceprint=one.voiceprint(),
            net_speech_s=one.total_s,
            snr_db=one.snr_db,
            windows=windows if number < drawn else None,
        )
        await archive.add(row)
        if number % 40 == 20:
            await archive.flush()


async def read(
    store: Store,
    registry: Registry,
    tmp_path: Path,
    query: CallQuery = OF_MODEL,
    speakers: dict[str, str] | None = None,
) -> ArchivedSite:
    """Read as another process would."""
    async with ArchiveReader.open(store, registry.keys, tmp_path / "data" / "archive") as reader:
        return read_archived_calls(reader, query, speakers or {})


async def test_a_profile_from_the_archive_is_that_of_the_same_calls(
    archive: CallArchive, store: Store, registry: Registry, tmp_path: Path
) -> None:
    """Same centre, same strangers after each window; calls that weren't drawn have no part in it."""
    calls = site_calls(80)
    await fill(archive, calls, drawn=60)
    site = await read(store, registry, tmp_path)
    assert (site.archived, site.drawn) == (80, 60)
    assert sorted(one.name for one in site.calls) == sorted(one.name for one in calls[:60])
    found = fit_site_profile(base_profile(), site.calls, name="site", provenance="archive").profile
    given = fit_site_profile(base_profile(), calls[:60], name="site", provenance="folder").profile
    assert np.allclose(found.mean, given.mean, atol=1e-4)
    assert found.strangers is not None
    assert given.strangers is not None
    assert found.strangers.call_count == given.strangers.call_count
    assert len(found.strangers.voiceprints) == len(given.strangers.voiceprints)


async def test_labelled_calls_are_taken_also_without_windows(
    archive: CallArchive, store: Store, registry: Registry, tmp_path: Path
) -> None:
    """Whole, behind the others; they are nobody to derive levels by."""
    calls = site_calls(70)
    await fill(archive, calls, drawn=60)
    speakers = {calls[3].name: "Wang", calls[65].name: "Wang", calls[66].name: "Li"}
    site = await read(store, registry, tmp_path, speakers=speakers)
    assert [one.speaker for one in site.calls[60:]] == ["Wang", "Li"]
    assert {one.name: one.speaker for one in site.calls if one.speaker} == speakers
    assert [len(one.windows) for one in site.calls[60:]] == [1, 1]
    fit = fit_site_profile(base_profile(), site.calls, name="site", provenance="archive")
    assert fit.profile.strangers is not None
    assert fit.profile.strangers.call_count <= 60


async def test_calls_of_confirmed_agents_are_left_out(
    archive: CallArchive, store: Store, registry: Registry, tmp_path: Path
) -> None:
    """With windows or with a label alone."""
    calls = site_calls(6)
    await fill(archive, calls, drawn=4)
    speakers = {calls[5].name: "Wang"}
    async with ArchiveReader.open(store, registry.keys, tmp_path / "data" / "archive") as reader:
        without = frozenset({calls[0].name, calls[5].name})
        site = read_archived_calls(reader, OF_MODEL, speakers, without=without)
    assert sorted(one.name for one in site.calls) == sorted(one.name for one in calls[1:4])


async def test_of_very_many_calls_some_are_drawn(
    archive: CallArchive,
    store: Store,
    registry: Registry,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The same ones each time, of earlier and later calls alike."""
    monkeypatch.setattr(archived, "MOST_CALLS", 20)
    calls = site_calls(70)
    await fill(archive, calls, drawn=70)
    first, second = [await read(store, registry, tmp_path) for _ in range(2)]
    names = [one.name for one in first.calls]
    assert names == [one.name for one in second.calls]
    assert len(names) == 20
    places = sorted([one.name for one in calls].index(name) for name in names)
    assert places[0] < 20
    assert places[-1] > 50


async def test_what_cant_be_calibrated_by_is_said(
    archive: CallArchive, store: Store, registry: Registry, tmp_path: Path
) -> None:
    """No archive, no call, none with windows, and labels of calls that aren't there."""
    with pytest.raises(NoArchive, match=r"archive\.enabled"):
        async with ArchiveReader.open(store, registry.keys, tmp_path / "other" / "archive"):
            pass
    with pytest.raises(CallsInvalid, match="No call in the archive"):
        await read(store, registry, tmp_path)
    await fill(archive, site_calls(3), drawn=0)
    with pytest.raises(CallsInvalid, match="calibration_share"):
        await read(store, registry, tmp_path)
    await fill(
        archive,
        [SiteCall(name="x", windows=np.eye(1, 8, dtype=np.float32), net_speech_s=np.ones(1))],
        drawn=1,
    )
    with pytest.raises(CallsInvalid, match="nobody-1"):
        await read(store, registry, tmp_path, speakers={"nobody-1": "Wang"})
    later = CallQuery(since=NOON + timedelta(days=1), model_id=MODEL_ID)
    with pytest.raises(CallsInvalid, match="another time"):
        await read(store, registry, tmp_path, later)
