"""The demo from the first download to the summary."""

import asyncio
import tempfile
import time
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Final, TypeAlias

import grpc

from shengdun.fingerprint.voice.demo_recordings import DemoRecording
from shengdun.fingerprint.voice.model_store import ModelStore
from shengdun.service.client import (
    CallConfig,
    ClientError,
    Decision,
    DuplicatePolicy,
    Enrollment,
    NewActor,
    NewWatchlist,
    Recording,
    RiskLevel,
    ShengdunClient,
)
from shengdun.service.client.telephone import play
from shengdun.service.demo import story, words
from shengdun.service.demo.calls import Outcome, PlayedCall, play_calls
from shengdun.service.demo.cast import (
    KNOWN_AGENTS,
    LINE,
    SHARED,
    TELEPHONE,
    Cast,
    Enrolled,
    PlannedCall,
    choose,
)
from shengdun.service.demo.house import running_server
from shengdun.service.demo.model import DemoVoice, installed_model, with_profile
from shengdun.service.demo.unknown import UnknownAgent
from shengdun.service.settings import VoiceSettings

Say: TypeAlias = Callable[[str], None]
"""Writes one line."""

_WATCHLISTS: Final = (
    NewWatchlist(
        watchlist_id=KNOWN_AGENTS,
        name="Known proxy-complaint agents",
        purpose="demonstration",
        owner="demo",
    ),
    NewWatchlist(
        watchlist_id=SHARED, name="Shared by peers", purpose="demonstration", owner="demo"
    ),
)


async def run_demo(
    directory: Path,
    models: Path,
    *,
    voice: VoiceSettings,
    paced: bool,
    say: Say,
    model: str | None = None,
) -> bool:
    """Run the demo; gives whether everything went as it should.

    Args:
        directory: where its store and log go; made when missing.
        models: where models and recordings are, or are installed.
        voice: the voice model and its calibration profile.
        paced: play the calls at the pace of speech.
        say: writes one line.
        model: another voice model: the name of an installed one, or a directory of SpeechBrain's to convert. One that
            has no calibration profile gets one on the spot, and is then not judged by whom it recognises.

    Raises:
        ConversionFailed: the directory can't be converted, or not here.
        ModelInstallFailed: models or recordings could not be fetched.
        DemoFailed: the server does not start.
        ClientError: the server refused what it should not.
    """
    store = ModelStore(models)
    for artefact in store.catalogue():
        await asyncio.to_thread(store.install, artefact.name, progress=say)
    await asyncio.to_thread(directory.mkdir, parents=True, exist_ok=True)
    chosen = DemoVoice(models=models, settings=voice)
    if model is not None:
        chosen = await asyncio.to_thread(
            installed_model, model, directory=directory, models=models, say=say
        )
    started_s = time.monotonic()
    recordings = await asyncio.to_thread(store.demo_recordings)
    cast = choose(recordings)
    with tempfile.TemporaryDirectory(dir=directory, prefix="run-") as own:
        if model is not None:
            chosen = await asyncio.to_thread(with_profile, chosen, cast, Path(own))
        log = directory / "server.log"
        async with (
            running_server(
                Path(own), models=chosen.models, voice=chosen.settings, log=log
            ) as address,
            ShengdunClient.connect(address) as client,
        ):
            demo = _Demo(client, address, cast, paced=paced, judged=not chosen.fitted, say=say)
            return await demo.run(started_s, recordings)


class _Demo:
    def __init__(
        self,
        client: ShengdunClient,
        address: str,
        cast: Cast,
        *,
        paced: bool,
        judged: bool,
        say: Say,
    ) -> None:
        self._client = client
        self._address = address
        self._cast = cast
        self._paced = paced
        self._judged = judged
        self._say = say
        self._actors: dict[str, str] = {}
        self._asked = False

    async def run(self, started_s: float, recordings: Sequence[DemoRecording]) -> bool:
        info = await self._client.server_info()
        self._tell(story.opening(self._cast, info))
        if not self._judged:
            self._tell(story.unjudged())
        await self._enroll()
        calls = await self._call()
        spoken_well = await self._speak(calls)
        forgotten = await self._erase(calls)
        caught = await self._catch(recordings)
        self._say("")
        wall_s = time.monotonic() - started_s
        self._tell(story.summary(calls, info=info, wall_s=wall_s, paced=self._paced))
        return self._verdict(calls, forgotten=forgotten, spoken_well=spoken_well, caught=caught)

    async def _enroll(self) -> None:
        self._say("")
        self._say("enrolment")
        for watchlist in _WATCHLISTS:
            await self._client.create_watchlist(watchlist)
        for who in self._cast.enrolled:
            try:
                enrollment = await self._enroll_one(who)
            except ClientError as error:
                # With a profile that says little, enrolment may trust no recording of somebody; the others go on.
                if self._judged or error.detail is None:
                    raise
                self._tell(story.refused(who, error.detail))
                continue
            assert enrollment.actor is not None
            self._actors[who.speaker] = enrollment.actor.actor_id
            self._tell(story.enrolled(who, enrollment))

    async def _enroll_one(self, who: Enrolled) -> Enrollment:
        """Enrol from the longest recording that is accepted; raises the refusal of the last one if none is."""
        actor = NewActor(display_name=who.speaker, watchlist_ids=who.watchlist_ids, source="demo")
        # The nine are known to be nine people, so a likeness is shown and does not keep anyone out.
        register = DuplicatePolicy.REGISTER
        *others, last = who.recordings
        for one in others:
            try:
                return await self._client.enroll_actor(
                    actor, [_upload(who, one)], duplicate_policy=register
                )
            except ClientError as error:
                if error.detail is None:
                    raise
                self._tell(story.refused(who, error.detail))
        return await self._client.enroll_actor(
            actor, [_upload(who, last)], duplicate_policy=register
        )

    async def _call(self) -> list[PlayedCall]:
        speakers = {actor_id: speaker for speaker, actor_id in self._actors.items()}
        pace = "in real time" if self._paced else "as fast as it goes"
        self._say("")
        self._say(
            f"calls, {len(self._cast.calls)} at once, {pace}; each is shown when it has ended"
        )
        return await play_calls(
            self._client,
            self._cast.calls,
            self._actors,
            paced=self._paced,
            on_decision=self._ask_elsewhere,
            on_end=lambda call: self._tell(story.played(call, speakers)),
        )

    async def _speak(self, calls: list[PlayedCall]) -> bool:
        """Register scripts and play calls with their words; gives whether these were flagged as they should be."""
        self._say("")
        self._say("scripts, composed for this demo as the transcripts are")
        for script in words.SCRIPTS:
            kept = await self._client.add_script(script)
            self._say(
                f"  {kept.script_id:<16}  {kept.text_length} characters  {kept.title} ({kept.campaign})"
            )
        self._say("calls with a transcript; in it characters are others of the same sound")
        speakers = {actor_id: speaker for speaker, actor_id in self._actors.items()}
        spoken = words.spoken_calls(calls)
        well = True
        screened = await asyncio.gather(
            *(words.screen_spoken(self._client, call, paced=self._paced) for call in spoken)
        )
        for call, decisions in zip(spoken, screened, strict=True):
            self._tell(words.told(call, decisions, speakers))
            well = well and words.is_as_it_should_be(call, decisions)
        return well and (len(spoken) == len(words.SCRIPTS) or not self._judged)

    async def _ask_elsewhere(self, plan: PlannedCall, decision: Decision) -> None:
        """Once, ask for the decision of a running call on a connection that doesn't hold its audio."""
        if self._asked or not story.has_evidence(decision):
            return
        self._asked = True
        async with ShengdunClient.connect(self._address) as other:
            found = await other.get_decision(plan.call_id)
        same = (
            "the same decision"
            if found.decision.decision_id == decision.decision_id
            else "a newer one"
        )
        state = "running" if found.live else "over"
        self._say("")
        self._say(
            f"GetDecision({plan.call_id}) on another connection while the call is {state}: {same}, "
            f"number {found.decision.sequence}, {found.decision.state.name}"
        )

    async def _erase(self, calls: list[PlayedCall]) -> bool:
        """Erase the actor of the first call and play that call again; gives whether its voice is unknown now."""
        enrolled = [call.plan for call in calls if call.plan.speaker in self._actors]
        self._say("")
        if not enrolled:
            self._say("erasure: nobody could be enrolled, so there is nobody to erase")
            return True
        first = enrolled[0]
        assert first.speaker is not None
        self._say(f"erasure of {first.speaker}, who made call {first.call_id}")
        erased = self._actors[first.speaker]
        receipt = await self._client.erase_actor(erased, reason="end of the demonstration")
        self._tell(story.receipt(first.speaker, receipt))
        gone = await self._is_gone(erased)
        last = await self._last_decision(first)
        best = last.best
        found = best is not None and best.actor_id == erased
        shown = "none" if last.level is None else last.level.name
        self._say(
            f"  the same call again: level {shown}, {first.speaker} is "
            f"{'STILL FOUND' if found else 'no longer found'}; GetActor: {'NOT_FOUND' if gone else 'STILL THERE'}"
        )
        return gone and not found

    async def _catch(self, recordings: Sequence[DemoRecording]) -> bool:
        """Have an unknown agent call for several customers; gives whether that went as it should."""
        self._say("")
        if not self._judged:
            self._say("voices that nobody has enrolled are told by the shipped voice model alone")
            return True
        agent = await asyncio.to_thread(UnknownAgent, self._client, recordings, self._say)
        return await agent.run()

    async def _is_gone(self, actor_id: str) -> bool:
        try:
            await self._client.get_actor(actor_id)
        except ClientError as error:
            return error.status is grpc.StatusCode.NOT_FOUND
        return False

    async def _last_decision(self, plan: PlannedCall) -> Decision:
        audio = await asyncio.to_thread(plan.audio)
        config = CallConfig(call_id=f"{plan.call_id}-again", line=LINE, audio_format=TELEPHONE)
        async with self._client.screen_call(config) as call:
            await play(call, audio, paced=False)
        assert call.decision is not None
        return call.decision

    def _verdict(
        self, calls: list[PlayedCall], *, forgotten: bool, spoken_well: bool, caught: bool
    ) -> bool:
        bad = [call.plan.call_id for call in calls if _is_bad(call, judged=self._judged)]
        if bad:
            self._say(f"NOT as it should be: calls {', '.join(bad)}")
        if not forgotten:
            self._say("NOT as it should be: an erased voice was still found")
        if not spoken_well:
            self._say("NOT as it should be: a call was not flagged by its words as it should be")
        if not caught:
            self._say("NOT as it should be: an unknown agent was not caught, hunted and erased")
        well = not bad and forgotten and spoken_well and caught
        if well and self._judged:
            self._say("as it should be: no genuine caller was flagged HIGH and nothing failed")
        elif well:
            self._say(
                "as it should be: every step worked; who was recognised says nothing, see above"
            )
        return well

    def _tell(self, lines: Iterable[str]) -> None:
        for line in lines:
            self._say(line)


def _upload(who: Enrolled, recording: DemoRecording) -> Recording:
    return Recording(content=recording.read(), name=f"{who.speaker}.wav")


def _is_bad(call: PlayedCall, *, judged: bool) -> bool:
    """A genuine caller at MEDIUM is reviewed by a person after the call; one at HIGH would be treated differently."""
    flagged = call.outcome is Outcome.FALSE_FLAG and call.decisions[-1].level is RiskLevel.HIGH
    harmed = judged and flagged
    return harmed or call.outcome is Outcome.FAILED
