"""What the real steps say, in simulated worlds full of trouble, makes sound stories."""

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from uuid import UUID

import pytest

from chassis.choreography.envelope import Envelope
from tests.simulation.scenario import Scenario, Trouble
from tests.simulation.scheduler import wander
from tests.simulation.test_many_sagas import FIGHT, FIGHTS
from tests.window.telling import CHOREOGRAPHY
from window.conservation import facts_of, judge
from window.message import Message, Place
from window.story import Story
from window.telling import tell

SEEDS = range(8)


def without_replay(scenario: Scenario) -> Scenario:
    """The same, but nobody purges an inbox, after which steps answer what they have answered."""
    return replace(scenario, trouble=tuple(one for one in scenario.trouble if one is not Trouble.REPLAY))


def stories(scenario: Scenario, seed: int) -> tuple[Sequence[Story], datetime]:
    """The stories of all sagas of a world, told long after everything has come to rest."""
    envelopes = wander(scenario, seed).world.envelopes.values()
    now = max(one.occurred_at for one in envelopes) + timedelta(hours=1)
    sagas: dict[UUID, list[Message]] = defaultdict(list)
    for number, envelope in enumerate(envelopes, start=1):
        sagas[envelope.event.saga_id].append(seen(number, envelope))
    return [tell(messages, CHOREOGRAPHY, now) for messages in sagas.values()], now


def seen(number: int, envelope: Envelope) -> Message:
    """The message that carried the event."""
    event = envelope.event
    return Message(
        number=number,
        place=Place.SAID,
        event_id=envelope.event_id,
        saga_id=event.saga_id,
        event=event.name,
        version=event.says,
        service=event.service,
        cause=envelope.causation_id,
        occurred_at=envelope.occurred_at,
        seen_at=envelope.occurred_at,
        body=event.written(),
    )


@pytest.mark.parametrize("seed", SEEDS)
@pytest.mark.parametrize("scenario", FIGHTS, ids=["usual", "crowded", "lossy", "skewed"])
def test_real_sagas_are_neither_odd_nor_lossy(scenario: Scenario, seed: int) -> None:
    """Crashes, duplicates, losses and clocks apart are no alarm."""
    told, now = stories(without_replay(scenario), seed)
    assert [one.text for story in told for one in story.oddities] == []
    assert [one.text for one in judge((facts_of(story, CHOREOGRAPHY) for story in told), now) if not one.holds] == []


def test_steps_that_forgot_what_they_heard_are_noticed() -> None:
    """Where an inbox was purged, some step answers twice."""
    found = {odd.kind for seed in SEEDS for story in stories(FIGHT, seed)[0] for odd in story.oddities}
    assert "two-answers" in found
