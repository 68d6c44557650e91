"""What is in TensorBoard's event files."""

from __future__ import annotations

import struct
from collections.abc import Iterator
from pathlib import Path


def records(data: bytes) -> Iterator[bytes]:
    """Yield the records of an event file: length, its checksum, what is recorded, its checksum."""
    place = 0
    while place < len(data):
        (length,) = struct.unpack_from("<Q", data, place)
        yield data[place + 12 : place + 12 + length]
        place += 12 + length + 4


def scalars(file: Path, name: str) -> list[float]:
    """Return the values of a scalar, in the order of their steps."""
    from tensorboardX.proto.event_pb2 import Event

    found: dict[int, float] = {}
    for record in records(file.read_bytes()):
        event = Event.FromString(record)
        for value in event.summary.value:
            if value.tag == name:
                found[event.step] = value.simple_value
    return [found[step] for step in sorted(found)]
