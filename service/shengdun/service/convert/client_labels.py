"""Labels on words, from the wire to a client's values."""

from shengdun.service.contract import labels as values
from shengdun.service.convert.client_enums import from_wire
from shengdun.v1 import label_pb2


def label_from_wire(wire: label_pb2.TextLabel) -> values.TextLabel:
    """Words that are worth a reader's look."""
    return values.TextLabel(
        label=wire.label,
        severity=from_wire(
            values.LabelSeverity, label_pb2.LabelSeverity.Name, "LABEL_SEVERITY_", wire.severity
        ),
        term=wire.term,
        start=wire.start,
        end=wire.end,
        meaning_zh=wire.meaning_zh,
        meaning_en=wire.meaning_en,
        pack_id=wire.pack_id,
        source=wire.source,
    )
