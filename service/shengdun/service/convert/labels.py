"""Labels on words: from domain values to messages."""

from typing import Final

from shengdun.fingerprint.text.labels.labelling import FoundLabel
from shengdun.fingerprint.text.labels.pack import Severity
from shengdun.v1 import label_pb2

_SEVERITIES: Final = {
    Severity.LOW: label_pb2.LABEL_SEVERITY_LOW,
    Severity.MEDIUM: label_pb2.LABEL_SEVERITY_MEDIUM,
    Severity.HIGH: label_pb2.LABEL_SEVERITY_HIGH,
}


def label_message(found: FoundLabel) -> label_pb2.TextLabel:
    """Words that are worth a person's look."""
    hit = found.hit
    return label_pb2.TextLabel(
        label=hit.label,
        severity=_SEVERITIES[hit.severity],
        term=hit.term,
        start=hit.start,
        end=hit.end,
        meaning_zh=found.meaning.zh,
        meaning_en=found.meaning.en,
        pack_id=found.pack_id,
        source=found.source,
    )
