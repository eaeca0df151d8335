"""Comparing: what each service remembers having said, against what the others remember having heard, both ways."""

from collections.abc import AsyncIterator, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TypeVar

from chassis.choreography.declaration import Service
from chassis.choreography.graph import Choreography
from chassis.choreography.recollection import Difference, Known, Lack
from chassis.choreography.step import Kind, Step
from chassis.store.memory import Memory

SETTLED = timedelta(seconds=30)
"""What is younger may be on its way"""
Item = TypeVar("Item")


@dataclass(frozen=True)
class Comparison:
    """The memories of all services of a choreography, as far back as `back`."""

    choreography: Choreography
    memories: Mapping[str, Memory]
    back: timedelta

    @property
    def services(self) -> Sequence[Service]:
        """All services."""
        return self.choreography.services

    async def differences(self) -> AsyncIterator[Difference]:
        """All that somebody does not know who should."""
        for service in self.services:
            async for one in self.forgotten(service):
                yield one
            async for one in self.unheard(service, self.choreography.steps, SETTLED):
                yield one

    async def unheard(
        self, sayer: Service, hearing: Iterable[Step], settled: timedelta = timedelta()
    ) -> AsyncIterator[Difference]:
        """What a service has said and these steps, as far as they hear it, have not handled, the earliest first."""
        memory = self.memories[sayer.name]
        now = await memory.now()
        steps = [step for step in hearing if step.has_queue]
        async for page in memory.said(now - self.back, now - settled):
            for one in await self._missed(page, steps):
                yield one

    async def forgotten(self, sayer: Service) -> AsyncIterator[Difference]:
        """What somebody has handled that this service has said, and does not remember."""
        said = {event.name for step in sayer.steps for event in step.says}
        for step in self.choreography.steps:
            names = said & {event.name for event in step.hears}
            if names and step.service != sayer.name:
                async for one in self._forgotten_by(sayer, step, names):
                    yield one

    async def have_forgotten(self) -> dict[str, datetime]:
        """Since when the services have forgotten something that have."""
        found = dict[str, datetime]()
        for service in self.services:
            async for one in self.forgotten(service):
                found[service.name] = min(found.get(service.name, one.event.at), one.event.at)
        return found

    async def unremembered(self, sayer: Service, events: Collection[Known]) -> list[Known]:
        """Those events that a service does not remember having said."""
        remembered = await self.memories[sayer.name].remembered([step.queue for step in sayer.steps], events)
        return [one for one in events if one.event_id not in remembered]

    async def _forgotten_by(self, sayer: Service, step: Step, names: Collection[str]) -> AsyncIterator[Difference]:
        # Who heard is asked first: by the time that the sayer is asked, it has committed what anybody has heard.
        hearer = self.memories[step.service]
        since = await hearer.now() - self.back
        async for page in hearer.heard(step.queue, names, since):
            for one in await self.unremembered(sayer, page):
                yield Difference(Lack.FORGOTTEN, sayer.name, step.queue, one)

    async def _missed(self, page: Sequence[Known], steps: Iterable[Step]) -> list[Difference]:
        found = []
        for step in steps:
            names = {event.name for event in step.hears}
            meant = {one.event_id: one for one in page if one.name in names}
            handled = await self.memories[step.service].handled(step.queue, meant) if meant else set()
            found += [
                Difference(Lack.UNHEARD, step.service, step.queue, one)
                for event_id, one in meant.items()
                if event_id not in handled
            ]
        return sorted(found, key=lambda one: one.event.at)


def stepping(service: Service) -> list[Step]:
    """The steps of a service that can be done again apart from it: all but effects, which do I/O."""
    return [step for step in service.listening if step.kind is not Kind.EFFECT]


async def merged(sources: Iterable[AsyncIterator[Difference]]) -> AsyncIterator[Difference]:
    """What several sources give, the earliest first, as far as each is in order."""
    heads = [(await anext(source, None), source) for source in sources]
    while some := [(head, source) for head, source in heads if head is not None]:
        first, source = min(some, key=lambda pair: pair[0].event.at)
        yield first
        heads = [(await anext(one, None) if one is source else head, one) for head, one in some]


async def paged(source: AsyncIterator[Item], size: int) -> AsyncIterator[list[Item]]:
    """The same, in lists of at most this size."""
    page: list[Item] = []
    async for one in source:
        page.append(one)
        if len(page) == size:
            yield page
            page = []
    if page:
        yield page
