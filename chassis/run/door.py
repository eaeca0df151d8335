"""Door: turns new work away while there is enough to do, so that what has been accepted goes first."""

from collections.abc import Iterable

from chassis.run.consumer import Consumer
from chassis.run.requests import Requests
from chassis.run.under_way import UnderWay
from chassis.store.departures import Departures

BEHIND = 200
"""A step is behind when so many deliveries have arrived and wait; the broker may hold any number more"""


class Door:
    """The one place that says whether a request may still move something."""

    def __init__(
        self, requests: Requests, under_way: UnderWay, departures: Departures, consumers: Iterable[Consumer]
    ) -> None:
        self._requests = requests
        self._under_way = under_way
        self._departures = departures
        self._consumers = tuple(consumers)

    @property
    def closed(self) -> str | None:
        """Why nothing new may come in now, in a word; None while it may. It costs next to nothing to ask."""
        if self._under_way.full:
            return "sagas"
        if self._requests.full:
            return "requests"
        if self._departures.full:
            return "departures"
        if any(consumer.backlog >= BEHIND for consumer in self._consumers):
            return "steps"
        return None
