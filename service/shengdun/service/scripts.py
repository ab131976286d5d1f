"""ScriptService: keeps known scripts, and shows where a text uses them. Of campaigns it tells in ``campaigns``."""

from collections.abc import Sequence
from typing import Final

from shengdun.index.registry import Registry
from shengdun.index.scripts.script import Script
from shengdun.service.access import current_principal
from shengdun.service.campaigns import CampaignMethods
from shengdun.service.convert import script_requests as requests
from shengdun.service.convert import scripts as messages
from shengdun.service.convert.watchlists import receipt_message
from shengdun.service.pages import within_a_message
from shengdun.service.text_memory import TextMemory
from shengdun.service.texts import TextComparison
from shengdun.v1 import script_pb2 as pb

_LOOKED_AT: Final = "script.looked_at"


class ScriptServicer(CampaignMethods):
    """The service that investigators meet. Every change carries who made it; every look at a script is journaled.

    Args:
        registry: what is registered.
        texts: compares texts with it.
        memory: the texts that were screened of late.
    """

    def __init__(self, registry: Registry, texts: TextComparison, memory: TextMemory) -> None:
        super().__init__(registry, memory)
        self._registry = registry
        self._texts = texts

    async def AddScript(  # noqa: N802 - the contract's name, here and below
        self,
        request: pb.AddScriptRequest,
        context: object,  # noqa: ARG002 - gRPC hands it over, here and below
    ) -> pb.AddScriptResponse:
        """Registers a script, and tells of those that are nearly the same."""
        new, key = requests.new_script(request, registered_by=_principal())
        script = await self._registry.scripts.add(new, principal=_principal(), idempotency_key=key)
        near = await self._texts.near(script)
        await self._record_look([each.script.script_id for each in near])
        return pb.AddScriptResponse(
            script=self._message(script),
            near_duplicates=map(messages.near_duplicate_message, near),
        )

    async def GetScript(  # noqa: N802
        self,
        request: pb.GetScriptRequest,
        context: object,  # noqa: ARG002
    ) -> pb.GetScriptResponse:
        """One script with its text."""
        script = await self._registry.scripts.get(requests.script_id(request.script_id))
        await self._record_look([script.script_id])
        return pb.GetScriptResponse(script=self._message(script), text=script.text)

    async def ListScripts(  # noqa: N802
        self,
        request: pb.ListScriptsRequest,
        context: object,  # noqa: ARG002
    ) -> pb.ListScriptsResponse:
        """The scripts of a network or campaign, or all, in pages."""
        asked = requests.scripts_page(request)
        page = await self._registry.scripts.list(
            network_id=asked.network_id,
            campaign=asked.campaign,
            page_size=asked.page_size,
            page_token=asked.page_token,
        )
        scripts = within_a_message([self._message(script) for script in page.scripts])
        await self._record_look([script.script_id for script in scripts])
        cut = len(scripts) < len(page.scripts)
        return pb.ListScriptsResponse(
            scripts=scripts,
            # A token is the last id of its page, so a page that was cut goes on after its last script.
            next_page_token=scripts[-1].script_id if cut else page.next_page_token,
        )

    async def EraseScript(  # noqa: N802
        self,
        request: pb.EraseScriptRequest,
        context: object,  # noqa: ARG002
    ) -> pb.EraseScriptResponse:
        """Erases a script."""
        receipt = await self._registry.scripts.erase(
            requests.script_id(request.script_id),
            reason=requests.script_erasure_reason(request),
            principal=_principal(),
        )
        return pb.EraseScriptResponse(receipt=receipt_message(receipt))

    async def MatchText(  # noqa: N802
        self,
        request: pb.MatchTextRequest,
        context: object,  # noqa: ARG002
    ) -> pb.MatchTextResponse:
        """The scripts that a text may use."""
        text = request.text
        compared = await self._texts.compare(text, limit=requests.match_limit(request))
        await self._record_look([each.script.script_id for each in compared.found])
        return pb.MatchTextResponse(
            matches=[messages.match_message(each, text) for each in compared.found],
            scripts_searched=compared.searched,
            similar_scripts=map(messages.similar_message, compared.similar),
        )

    def _message(self, script: Script) -> pb.ScriptInfo:
        known = self._registry.scripts.known
        return messages.script_message(script, searched=script.script_id in known)

    async def _record_look(self, script_ids: Sequence[str]) -> None:
        if script_ids:
            await self._registry.record_event(
                principal=_principal(),
                kind=_LOOKED_AT,
                subjects=[f"script/{script_id}" for script_id in script_ids],
            )


def _principal() -> str:
    return current_principal().name
