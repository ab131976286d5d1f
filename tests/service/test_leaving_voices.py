"""A process that is told to stop while it puts many calls together ends soon, and loses nothing of what it has done."""

from datetime import timedelta
from pathlib import Path

from fixtures.archive import OpenArchive
from fixtures.store import until
from fixtures.unknown_voices import SCORER, made_call, made_clusters, parts_of
from shengdun.index.registry import Registry
from shengdun.index.voices.kept import VoicesFile
from shengdun.service.background import BackgroundLane
from shengdun.service.unknown_voices import UnknownVoices, Window

VOICES, CALLS = 60, 8


async def test_what_was_put_together_before_the_stop_is_not_done_again(
    open_archive: OpenArchive, registry: Registry, tmp_path: Path
) -> None:
    """The file has it, the next start goes on from there, and the voices are those of a start without a stop."""
    archive = await open_archive()
    calls = [made_call(voice, number) for voice in range(VOICES) for number in range(CALLS)]
    for call in calls:
        await archive.add(call)
    await archive.flush()
    file = VoicesFile(tmp_path / "voices", SCORER.model_id, registry.keys)

    def voices(lane: BackgroundLane) -> UnknownVoices:
        return UnknownVoices(
            made_clusters,
            lambda: SCORER.profile_id,
            archive,
            file,
            window=Window(age=timedelta(days=3650), calls=10_000),
            run=lane.run,
            look_lane=lane.run,
        )

    async with BackgroundLane(workers=1) as lane:
        async with voices(lane) as left:
            await until(lambda: len(left.clusters.recent) >= 20)
        taken = len(left.clusters.recent)
        assert 20 <= taken < len(calls)
        assert not left.is_caught_up
        kept = file.read()
        assert kept.held is not None
        assert len(kept.held) == taken
        async with voices(lane) as whole:
            await until(lambda: whole.is_caught_up)
            together = parts_of(whole.clusters)
    never_left = made_clusters()
    for call in sorted(calls, key=lambda one: one.ended_at):
        never_left.take(call)
    assert together == parts_of(never_left)
    assert together
