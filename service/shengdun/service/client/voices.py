"""What a client asks of ``VoiceService``."""

from shengdun.service.client.connection import REQUEST_DEADLINE, Connection
from shengdun.service.contract.voices import PromotedVoice, UnknownVoice, UnknownVoices
from shengdun.service.contract.watchlists import Actor
from shengdun.service.convert import client_voices as convert
from shengdun.service.convert.client_stubs import voice_stub
from shengdun.service.convert.client_watchlists import actor_from_wire


class VoiceMethods:
    """The methods of a client that ask about voices that nobody has enrolled; role: investigator."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection
        self._unknown_voices = voice_stub(connection.channel)

    async def list_voices(self, *, least_customers: int = 0, limit: int = 0) -> UnknownVoices:
        """The voices that called for several customers lately, the most suspicious first.

        Args:
            least_customers: only those of so many customers; 0 for 2.
            limit: so many at most; 0 for 100.
        """
        wire = await self._connection.request(
            self._unknown_voices.ListVoices,
            convert.list_voices_request(least_customers=least_customers, limit=limit),
            deadline=REQUEST_DEADLINE,
            repeat=True,
        )
        return convert.voices_from_wire(wire)

    async def get_voice(self, voice_id: str) -> UnknownVoice:
        """One voice with its calls."""
        wire = await self._connection.request(
            self._unknown_voices.GetVoice,
            convert.get_voice_request(voice_id),
            deadline=REQUEST_DEADLINE,
            repeat=True,
        )
        return convert.whole_voice_from_wire(wire)

    async def promote_voice(self, voice_id: str, actor: PromotedVoice) -> Actor:
        """Make an actor of a voice, searched for from then on; refused if that was done before."""
        wire = await self._connection.request(
            self._unknown_voices.PromoteVoice,
            convert.promote_voice_request(voice_id, actor),
            deadline=REQUEST_DEADLINE,
            repeat=False,
        )
        return actor_from_wire(wire.actor)
