"""Planning changes of scripts: from the current snapshot and what is asked for to a record and its journal entry."""

from dataclasses import fields
from datetime import UTC, datetime

from shengdun.fingerprint.text.masking import mask
from shengdun.index.errors import InvalidRecord, ScriptExists
from shengdun.index.journal import Draft
from shengdun.index.keys import DataKey
from shengdun.index.records import RecordCodec, script_record
from shengdun.index.scripts.script import NewScript, Script
from shengdun.index.snapshot import Snapshot


class ScriptPlanner:
    """Plans changes of scripts; every method takes the snapshot that the change is to apply to."""

    def __init__(self, codec: RecordCodec) -> None:
        self._codec = codec

    def add_script(self, snapshot: Snapshot, script: Script, principal: str) -> Draft:
        """Raises ``ScriptExists``."""
        if script.script_id in snapshot.scripts:
            raise ScriptExists(
                f"There is a script '{script.script_id}' already: erase it first, or choose another id."
            )
        data_key = self._codec.new_data_key(script_record(script.script_id))
        return self._draft("script.added", script, data_key, principal)

    def erase_script(
        self, snapshot: Snapshot, script_id: str, *, reason: str, principal: str
    ) -> Draft:
        """Raises ``ScriptNotFound``."""
        record = script_record(snapshot.script_holding(script_id).script_id)
        return Draft(
            kind="script.erased",
            principal=principal,
            subjects=(record,),
            deletions=(record,),
            note=reason,
        )

    def reseal_script(self, script_id: str, principal: str, snapshot: Snapshot) -> Draft:
        """Seal a script again under a new data key, wrapped by the active master key. Raises ``ScriptNotFound``."""
        script = snapshot.script_holding(script_id).script
        data_key = self._codec.new_data_key(script_record(script_id))
        return self._draft("script.resealed", script, data_key, principal)

    def _draft(self, kind: str, script: Script, data_key: DataKey, principal: str) -> Draft:
        record = script_record(script.script_id)
        return Draft(
            kind=kind,
            principal=principal,
            subjects=(record,),
            writes={record: self._codec.encode_script(script, data_key)},
        )


def masked_script(new: NewScript, script_id: str) -> Script:
    """What is kept of a new script.

    Raises:
        InvalidRecord: a field is malformed, or the expiry lies in the past.
    """
    now = datetime.now(UTC)
    given = {each.name: getattr(new, each.name) for each in fields(new)}
    given |= {"script_id": script_id, "text": mask(new.text)}
    script = Script(**given, created_at=now)
    if script.expired(now):
        raise InvalidRecord("The expiry lies in the past: the script would never be found.")
    return script
