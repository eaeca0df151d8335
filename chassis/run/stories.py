"""Stories: all that is known of the sagas that a restored service has forgotten something of, a few at a time."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from uuid import UUID

from chassis.choreography.declaration import Service
from chassis.choreography.recollection import Known, Place, matched
from chassis.choreography.step import Step
from chassis.run.comparing import Comparison, stepping
from chassis.store.memory import Message


@dataclass
class Story:
    """One saga: all that was said in it, and what of the restored service's own is evidence of what."""

    messages: dict[UUID, Message] = field(default_factory=dict)
    causes: list[tuple[Step, Known]] = field(default_factory=list)
    effects: dict[UUID, Known] = field(default_factory=dict)
    evidence: dict[Place, Known] = field(default_factory=dict)
    undone: set[str] = field(default_factory=set)
    """The steps of the service that have undone something in the saga"""


class Stories:
    """What all services remember of sagas of one service."""

    def __init__(self, comparison: Comparison, service: Service) -> None:
        self._comparison = comparison
        self._service = service

    async def of(self, sagas: Collection[UUID]) -> Mapping[UUID, Story]:
        """The stories of these sagas; all of them are in memory."""
        stories = {saga_id: Story() for saga_id in sagas}
        for memory in self._comparison.memories.values():
            for message in await memory.of_sagas(sagas):
                stories[message.event.saga_id].messages[message.event.event_id] = message
        await self._find_causes(stories)
        await self._find_effects(stories)
        undoing = [step.queue for step in self._service.listening if step.undoes is not None]
        for saga_id, step in await self._comparison.memories[self._service.name].done_in(sagas, undoing):
            stories[saga_id].undone.add(step)
        for story in stories.values():
            story.evidence = matched(self._service, story.causes, [*story.effects.values()])
        return stories

    async def _find_causes(self, stories: Mapping[UUID, Story]) -> None:
        """What the steps of the service hear in these sagas, and have not handled."""
        memory = self._comparison.memories[self._service.name]
        messages = [message.event for story in stories.values() for message in story.messages.values()]
        for step in stepping(self._service):
            names = {event.name for event in step.hears}
            meant = {one.event_id: one for one in messages if one.name in names}
            handled = await memory.handled(step.queue, meant) if meant else set()
            for event_id in meant.keys() - handled:
                stories[meant[event_id].saga_id].causes.append((step, meant[event_id]))

    async def _find_effects(self, stories: Mapping[UUID, Story]) -> None:
        """What others have heard of the service in these sagas, and it does not remember."""
        names = {event.name for step in self._service.steps for event in step.says}
        for other, memory in self._comparison.memories.items():
            if other != self._service.name:
                heard = await memory.heard_in(stories, names)
                for one in await self._comparison.unremembered(self._service, heard):
                    stories[one.saga_id].effects[one.event_id] = one
