"""Observing: what was said on a broker, in its order."""

from uuid import UUID

from aio_pika.abc import AbstractIncomingMessage

from tests.end_to_end.eventually import eventually

MARK = "end-to-end:"
"""How the correlation id of a message begins that a test made up; a service keeps the id when it parks it."""


def is_made_up(message: AbstractIncomingMessage) -> bool:
    """Whether a test, and no service, has said this."""
    return (message.correlation_id or "").startswith(MARK)


class Observer:
    """Has a queue of its own, and remembers all messages that reached it, in their order."""

    def __init__(self) -> None:
        self.messages: list[AbstractIncomingMessage] = []

    async def hear(self, message: AbstractIncomingMessage) -> None:
        """Remember a message."""
        self.messages.append(message)

    def said(self, saga_id: UUID) -> list[AbstractIncomingMessage]:
        """The messages of one saga."""
        return [message for message in self.messages if message.correlation_id == str(saga_id)]

    def names(self, saga_id: UUID) -> list[str | None]:
        """The names of the events of one saga."""
        return [message.type for message in self.said(saga_id)]

    async def heard(self, saga_id: UUID, name: str) -> AbstractIncomingMessage:
        """The first message of this name in a saga, once it is there."""

        async def look() -> list[AbstractIncomingMessage]:
            return [message for message in self.said(saga_id) if message.type == name]

        return (await eventually(look))[0]

    async def counted(self, count: int) -> None:
        """Wait until so many messages were heard."""

        async def look() -> int:
            return len(self.messages)

        await eventually(look, lambda heard: heard >= count)
