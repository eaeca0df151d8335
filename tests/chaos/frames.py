"""AMQP 0-9-1 as a stream of frames, to lose single ones of them on the way, and to see what comes again."""

from collections.abc import Iterator

_HEADER = b"AMQP\x00\x00\x09\x01"
_METHOD, _CONTENT_HEADER = 1, 2
_OVERHEAD = 8
"""Type (1 octet), channel (2), size of the payload (4) before it, end of the frame (1) after it."""

BASIC_DELIVER = (60, 60)
BASIC_ACK = (60, 80)

_ARGUMENTS = 11
"""Where the arguments of a method begin: after the front of the frame, class and method"""
_DELIVERY_TAG = 8
_EVENT_ID = b"\x05ce-idS"
"""The name and the type of a header, as a table has them; length (4 octets) and text follow"""


class Frames:
    """Cuts what passes in one direction of one connection into whole frames; what is incomplete waits."""

    def __init__(self) -> None:
        self._rest = b""

    def cut(self, data: bytes) -> Iterator[bytes]:
        """The frames that are complete with this data."""
        self._rest += data
        while (size := self._next()) is not None:
            frame, self._rest = self._rest[:size], self._rest[size:]
            yield frame

    def _next(self) -> int | None:
        """The size of the frame at the front, if all of it is there."""
        if self._rest[:4] == _HEADER[:4]:
            size = len(_HEADER)
        elif len(self._rest) < _OVERHEAD:
            return None
        else:
            size = int.from_bytes(self._rest[3:7]) + _OVERHEAD
        return size if len(self._rest) >= size else None


def method(frame: bytes) -> tuple[int, int] | None:
    """Class and method of a method frame."""
    if frame[0] != _METHOD or frame[:4] == _HEADER[:4]:
        return None
    return int.from_bytes(frame[7:9]), int.from_bytes(frame[9:11])


class Redeliveries:
    """Sees, among the frames from a broker, which events it delivers once more."""

    def __init__(self) -> None:
        self._announced: set[bytes] = set()

    def see(self, frame: bytes) -> str | None:
        """The id of an event that comes again, when this frame tells it."""
        channel = frame[1:3]
        if method(frame) == BASIC_DELIVER:
            consumer_tag_size = frame[_ARGUMENTS]
            if frame[_ARGUMENTS + 1 + consumer_tag_size + _DELIVERY_TAG]:
                self._announced.add(channel)
        elif frame[0] == _CONTENT_HEADER and channel in self._announced:
            self._announced.remove(channel)
            return _event_id(frame)
        return None


def _event_id(header: bytes) -> str | None:
    _, found, rest = header.partition(_EVENT_ID)
    return rest[4 : 4 + int.from_bytes(rest[:4])].decode() if found else None
