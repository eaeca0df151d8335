"""AMQP 0-9-1 as a stream of frames, to lose single ones of them on the way."""

from collections.abc import Iterator

_HEADER = b"AMQP\x00\x00\x09\x01"
_METHOD = 1
_OVERHEAD = 8
"""Type (1 octet), channel (2), size of the payload (4) before it, end of the frame (1) after it."""

BASIC_ACK = (60, 80)


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
