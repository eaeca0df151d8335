"""Retry: another attempt after a growing delay, and a place for messages that need a person.

A message that failed is published again, with its attempts counted in a header of ours, to `SERVICE.retry`. It
rests in the queue of its delay, and comes back through `SERVICE.redeliver` to the queue it came from. The routing
key (`5s.SERVICE.STEP`, `parked.SERVICE.STEP`) carries both facts, so that the broker alone does the routing.
"""

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any, Protocol

from aiormq.abc import DeliveredMessage

from chassis.broker.burst import Parcel
from chassis.broker.origin import ORIGIN, Origins, headers_of
from chassis.broker.policy import is_worth_another_attempt
from chassis.choreography.envelope import HEADERS
from chassis.choreography.step import Step
from chassis.choreography.topology import PARKED, RETRY_DELAYS, retry_names
from chassis.errors import MissingRowError, NewerVersionError, NotYetError, describe

ATTEMPT, WAITED = "x-attempt", "x-waited"
FIRST_FAILED, STEP, LAST_ERROR = "x-first-failed-at", "x-step", "x-last-error"
MAX_COUNTED = 1_000_000
MAX_TEXT = 500
_DELAYS = tuple(RETRY_DELAYS)
LONGEST_DELAY = _DELAYS[-1]
LONGEST_DELAY_SECONDS = RETRY_DELAYS[LONGEST_DELAY] / 1000
MAX_UPGRADE_SECONDS = 24 * 60 * 60
"""How long a message waits for code that understands its version"""


def after(step: Step, attempts: int, error: Exception) -> str:
    """Where a message goes that has failed `attempts` times, now with `error`: the name of a delay, or `parked`.

    A step that cannot refuse has to succeed in the end (a compensation, or anything after the pivot): it goes on
    at the longest delay. So does, for a day, a message that waits for newer code. One whose row is missing does not:
    a row that a step cannot do without was there before anybody could have said what it hears, so nobody has.
    """
    if not is_worth_another_attempt(step, error):
        return PARKED
    if attempts <= len(_DELAYS):
        return _DELAYS[attempts - 1]
    if isinstance(error, NewerVersionError):
        return LONGEST_DELAY if attempts * LONGEST_DELAY_SECONDS < MAX_UPGRADE_SECONDS else PARKED
    return PARKED if step.can_refuse or isinstance(error, MissingRowError) else LONGEST_DELAY


def later(waited: int) -> str:
    """Where a message rests that has waited so often for its turn: never for as long as after many failures."""
    turns = _DELAYS[:-1]
    return turns[min(waited, len(turns) - 1)]


class Delivers(Protocol):
    """What a retry needs of the way to the broker."""

    async def deliver(self, parcel: Parcel) -> None:
        """Publish one message; raises NotPublishedError unless the broker has confirmed it in time."""


class Retry:
    """Sends the messages of one step to another attempt or to the parked ones."""

    def __init__(self, step: Step, publisher: Delivers, origins: Origins) -> None:
        self._step = step
        self._publisher = publisher
        self._origins = origins

    async def again(self, message: DeliveredMessage, error: Exception) -> str:
        """Send the message to its next attempt, or park it; returns where it went.

        One whose turn has not come has made no attempt. Raises NotPublishedError when the broker did not take it.
        """
        headers = headers_of(message)
        if isinstance(error, NotYetError):
            waited = _counted(headers, WAITED)
            destination = later(waited)
            ours = {WAITED: waited + 1, ATTEMPT: attempts_in(headers)}
        else:
            attempts = attempts_in(headers) + 1
            destination = after(self._step, attempts, error)
            ours = {ATTEMPT: attempts}
        await self._forward(message, destination, _headers(headers, self._step, error) | ours)
        return destination

    async def _forward(self, message: DeliveredMessage, destination: str, headers: dict[str, Any]) -> None:
        properties = message.header.properties
        await self._publisher.deliver(
            Parcel(
                exchange=retry_names(self._step.service).waiting,
                routing_key=f"{destination}.{self._step.queue}",
                headers=headers | self._origin(message),
                body=message.body,
                type=properties.message_type,
                correlation_id=properties.correlation_id,
                timestamp=properties.timestamp,
            )
        )

    def _origin(self, message: DeliveredMessage) -> dict[str, str]:
        """The header that says who has said the message that this service sends on."""
        origin = self._origins.of(message)
        return {} if origin is None else {ORIGIN: origin}


def attempts_of(message: DeliveredMessage) -> int:
    """How often a message has failed; one that somebody put back from the parked ones begins anew."""
    return attempts_in(headers_of(message))


def attempts_in(headers: Mapping[str, Any]) -> int:
    """The same, by the headers of the message."""
    deaths = headers.get("x-death")
    latest = deaths[0] if isinstance(deaths, list) and deaths else {}
    if isinstance(latest, dict) and str(latest.get("queue", "")).endswith(f".{PARKED}"):
        return 0
    return _counted(headers, ATTEMPT)


def _counted(headers: Mapping[str, Any], name: str) -> int:
    counted = headers.get(name, 0)
    # The number may be anybody's: only one that can have been counted here is believed.
    return min(max(counted, 0), MAX_COUNTED) if isinstance(counted, int) else 0


def _headers(old: Mapping[str, Any], step: Step, error: Exception) -> dict[str, Any]:
    """The headers for the next attempt: those of an event, and ours but for what is counted.

    No other is passed on. Some are orders to the broker: CC and BCC would have it route this publish, which is ours,
    to wherever the sender likes. And what it noted about earlier dead-lettering would let it see a cycle, and drop the
    message.
    """
    kept = {name: old[name] for name in HEADERS if _is_text(old.get(name))}
    since = old.get(FIRST_FAILED)
    return kept | {
        FIRST_FAILED: since if _is_text(since) else datetime.now(UTC).isoformat(),
        STEP: step.queue,
        LAST_ERROR: describe(error)[:MAX_TEXT],
    }


def _is_text(value: object) -> bool:
    return isinstance(value, str) and len(value) <= MAX_TEXT
