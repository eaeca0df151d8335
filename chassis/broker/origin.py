"""Origin: who has said a message, and whether that agrees with all else that the message says of itself.

The broker lets nobody publish under another one's name, so the `user_id` of a message is true. A service that sends a
message on publishes it under its own name, so it writes down there for whom: in a header of ours, which counts only
on what the service itself has sent on. Only the service and operators may write to the exchanges that bring such a
message back.
"""

from collections.abc import Iterable, Mapping
from typing import Any

from aiormq.abc import DeliveredMessage
from pamqp.commands import Basic

from chassis.errors import ForgedMessageError
from contracts.event import Event

ORIGIN = "x-origin"
MAX_NAME = 64


class Origins:
    """Tells who said the messages that one service hears.

    `user` is the user that the service has at the broker. Where that is not its own name, the services share a user,
    and only what messages say of themselves can be compared.
    """

    def __init__(self, service: str, user: str) -> None:
        self._service = service
        self._user = user

    def of(self, message: DeliveredMessage) -> str | None:
        """The user who has said a message: empty where nobody signed it, None where a former release sent it on."""
        properties = message.header.properties
        if self._was_sent_on(message) and properties.user_id == self._user:
            noted = headers_of(message).get(ORIGIN)
            return noted if isinstance(noted, str) else None
        return properties.user_id or ""

    def verify(self, hears: Iterable[type[Event]], message: DeliveredMessage) -> None:
        """Raise ForgedMessageError when a message that names an event was not said by the service that says it.

        One that names no event that is heard here will not be understood; it is forged when it came as another one.
        """
        name = str(headers_of(message).get("ce-type", "")).rpartition(".v")[0]
        event = next((one for one in hears if one.name == name), None)
        if event is not None and (lie := self._lie(event, message)):
            raise ForgedMessageError(f"{lie}, and {event.name} is said by {event.service}")
        routing_key = _way(message)[1]
        if event is None and name not in ("", routing_key) and not self._was_sent_on(message):
            raise ForgedMessageError(f"it came as {routing_key!r}, and says that it is {name[:MAX_NAME]!r}")

    def _lie(self, event: type[Event], message: DeliveredMessage) -> str | None:
        """What does not agree with the rest, if anything."""
        properties, origin = message.header.properties, self.of(message)
        source, sent_on = headers_of(message).get("ce-source"), self._was_sent_on(message)
        exchange, routing_key = _way(message)
        if origin is not None and origin != (event.service if self._user == self._service else self._user):
            return f"the origin is {origin!r}"
        if not sent_on and (exchange, routing_key) != (event.service, event.name):
            return f"it came over {exchange!r} as {routing_key!r}"
        if properties.app_id != event.service and not (sent_on and properties.app_id == self._service):
            return f"the app_id is {properties.app_id!r}"
        if source != f"/{event.service}":
            return f"the ce-source is {source!r}"
        return None

    def _was_sent_on(self, message: DeliveredMessage) -> bool:
        """Whether it came over an exchange to which nobody but the service and operators may write."""
        exchange, _ = _way(message)
        return exchange == "" or exchange.startswith(f"{self._service}.")


def headers_of(message: DeliveredMessage) -> Mapping[str, Any]:
    """The headers of a message, which may have none."""
    return message.header.properties.headers or {}


def _way(message: DeliveredMessage) -> tuple[str, str]:
    delivery = message.delivery
    if isinstance(delivery, Basic.Deliver):
        return delivery.exchange or "", delivery.routing_key or ""
    return "", ""
