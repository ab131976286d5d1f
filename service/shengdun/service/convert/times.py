"""Instants on the wire."""

from datetime import datetime

from google.protobuf.timestamp_pb2 import Timestamp


def timestamp(moment: datetime) -> Timestamp:
    """An instant, given with a time zone, as a message."""
    message = Timestamp()
    message.FromDatetime(moment)
    return message
