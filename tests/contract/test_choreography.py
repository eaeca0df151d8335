"""Who hears what, says what and undoes what: the code, compared with the written choreographies."""

from pathlib import Path

import pytest

from chassis.choreography.declaration import Service
from chassis.choreography.loading import load
from chassis.choreography.step import FROM_OUTSIDE, Kind, Step
from chassis.choreography.topology import ASKS, Binding, topology
from tests.choreography import BEGUN, EFFECTS, ENDS, HEARS_AND_SAYS, PIVOTS, REVERSES, TOLD, UNDOES, exchange, names
from tests.contract.test_events import EVENTS

SERVICES = load(Path(__file__).parents[2]).services
STEPS = {step.queue: step for service in SERVICES for step in service.listening}
STARTS = {step.queue: step for service in SERVICES for step in service.steps if step.kind in FROM_OUTSIDE}


def said() -> set[str]:
    """Every event that is said by somebody."""
    return {event.name for step in (*STEPS.values(), *STARTS.values()) for event in step.says}


def heard() -> set[str]:
    """Every event that is heard by somebody."""
    return {event.name for step in STEPS.values() for event in step.hears}


def test_the_steps_are_those_of_the_choreographies() -> None:
    """No step is missing, and there is none besides."""
    assert set(STEPS) == set(HEARS_AND_SAYS)
    begun = {queue: {event.name for event in step.says} for queue, step in STARTS.items()}
    assert begun == {queue: names(says) for queue, says in BEGUN.items()}


@pytest.mark.parametrize("queue", HEARS_AND_SAYS)
def test_a_step_hears_and_says_what_is_written(queue: str) -> None:
    """Its signature is its line of the table."""
    # given
    hears, says = HEARS_AND_SAYS[queue]
    # when
    step = STEPS[queue]
    # then
    assert {event.name for event in step.hears} == names(hears)
    assert {event.name for event in step.says} == names(says)


def test_each_way_back_is_declared() -> None:
    """Who undoes whom."""
    steps = [*STEPS.values(), *STARTS.values()]
    assert {step.queue: step.undoes.queue for step in steps if step.undoes is not None} == UNDOES


def test_each_way_out_has_one_pivot_and_one_effect() -> None:
    """What happens to the seats is the point of no return; I/O comes after it."""
    assert [queue for queue, step in STEPS.items() if step.kind is Kind.PIVOT] == PIVOTS
    assert [queue for queue, step in STEPS.items() if step.kind is Kind.EFFECT] == EFFECTS


def test_a_refund_takes_back_what_a_checkout_did() -> None:
    """Who takes back whom, in the service that had done it."""
    taken_back = {queue: step.reverses.queue for queue, step in STEPS.items() if step.reverses is not None}
    assert taken_back == REVERSES


@pytest.mark.parametrize("service", SERVICES, ids=lambda service: service.name)
def test_queues_are_bound_to_the_exchanges_of_those_who_speak(service: Service) -> None:
    """A queue is named after its step, an exchange after its service, and a routing key is the name of an event."""
    # given
    own = {queue: cells for queue, cells in HEARS_AND_SAYS.items() if queue.startswith(f"{service.name}.")}
    written = {Binding(exchange(name), name, queue) for queue, (hears, _) in own.items() for name in names(hears)}
    # when
    declared = topology(service)
    # then
    others = {f"{service.name}.retry", f"{service.name}.redeliver", ASKS}
    assert {binding for binding in declared.bindings if binding.exchange not in others} == written
    assert {queue.name for queue in declared.queues} >= set(own)


def test_what_is_heard_is_said_by_somebody() -> None:
    """No step waits for ever."""
    assert heard() <= said()


def test_what_is_said_is_heard_or_an_end() -> None:
    """No saga stops for want of a listener, and an end is an end."""
    assert said() - heard() == ENDS - TOLD
    assert {event.name for event in EVENTS if event.end} == ENDS


def test_every_event_of_the_language_is_said() -> None:
    """Nothing is published that nobody says."""
    assert {event.name for event in EVENTS} == said()


@pytest.mark.parametrize("step", [*STEPS.values(), *STARTS.values()], ids=lambda step: step.queue)
def test_a_service_says_its_own_events_only(step: Step) -> None:
    """A service may write to its own exchange only."""
    assert {event.service for event in step.says} == {step.service}


@pytest.mark.parametrize("queue", sorted(UNDOES.keys() & STEPS.keys()))
def test_a_compensation_cannot_refuse(queue: str) -> None:
    """It is retried until it works."""
    assert not STEPS[queue].can_refuse
