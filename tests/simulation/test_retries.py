"""A message that keeps failing: tried as often as the frame says, on its way through the queues of the delays."""

import pytest

from chassis.broker import retry
from chassis.choreography.topology import RETRY_DELAYS
from tests.simulation import requests
from tests.simulation.outside import STEPS, id_of
from tests.simulation.scenario import Trouble
from tests.simulation.scheduler import conclude
from tests.simulation.test_safeguards import ONE_FAN
from tests.simulation.world import World

MAX_TRIES = len(RETRY_DELAYS) + 1
(WISH,) = ONE_FAN.wishes


@pytest.fixture
def world() -> World:
    """A world in which ann has asked for a seat."""
    begun = World(ONE_FAN)
    requests.ask(begun, WISH)
    return begun


def fail(world: World, times: int) -> int:
    """Let the step of the only message raise, so many times at most, while the message waits; returns how often."""
    for tries in range(times):
        if not world.pending:
            return tries
        ((queue, event_id),) = world.pending
        world.deliver(queue, [event_id], Trouble.RAISE)
    return times


def give_way(world: World) -> str:
    """Have the hold opened and run out; returns the queue of the step that goes first on the way back."""
    while world.pending:
        ((queue, event_id),) = world.pending
        world.deliver(queue, [event_id])
    world.wait(Trouble.HOLDS_END)
    requests.expire(world, id_of(WISH.name))
    ((queue, _),) = world.pending
    return queue


def test_message_of_a_step_that_can_refuse_is_parked_after_its_last_attempt(world: World) -> None:
    """Once for each delay, and once more; then it waits for a person, with the error that it had."""
    # given
    ((queue, event_id),) = world.pending
    assert STEPS[queue].can_refuse
    # when
    tries = fail(world, 2 * MAX_TRIES)
    # then
    assert tries == MAX_TRIES
    assert world.parked.keys() == {(queue, event_id)}
    assert "TransientError" in world.parked[queue, event_id]


def test_message_of_a_step_that_has_to_succeed_is_never_parked(world: World) -> None:
    """However often it has failed, it comes again, and in the end everything is as it should be."""
    # given
    queue = give_way(world)
    assert not STEPS[queue].can_refuse
    # when
    tries = fail(world, 3 * MAX_TRIES)
    # then
    assert tries == 3 * MAX_TRIES
    assert not world.parked
    assert conclude(world) == ()


def test_lost_count_of_attempts_is_found(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """A retry that does not know how often it was there before would never park anything."""
    # given
    monkeypatch.setattr(retry, "attempts_in", lambda _: 0)
    # when, then
    assert fail(world, 2 * MAX_TRIES) > MAX_TRIES
    assert not world.parked
