"""What the broker must hold follows from the steps."""

import re

from chassis.choreography.declaration import Service
from chassis.choreography.topology import (
    DELIVERY_LIMIT,
    RETRY_DELAYS,
    Binding,
    Exchange,
    keeping_queues,
    policies,
    retry_names,
    topology,
)
from tests.unit.lamps import Broken, Dark, Lit, Pressed, a_service


def two_steps() -> Service:
    """A service that hears what it says itself, and starts on its own."""
    service = a_service()

    @service.start
    def press() -> Pressed:
        raise NotImplementedError

    @service.step
    def light(pressed: Pressed) -> Lit | Broken:
        raise NotImplementedError

    @service.step
    def rest(event: Lit | Broken) -> Dark:
        raise NotImplementedError

    return service


def test_a_service_has_its_exchange_and_two_for_retries() -> None:
    """What is said, what waits, and what comes back are kept apart."""
    assert topology(two_steps()).exchanges == (
        Exchange("lamps"),
        Exchange("lamps.retry"),
        Exchange("lamps.redeliver"),
    )


def test_each_step_has_a_queue() -> None:
    """Queues of steps, of delays, and of what is parked; a start has none."""
    assert [queue.name for queue in topology(two_steps()).queues] == [
        "lamps.light",
        "lamps.rest",
        "lamps.resay",
        "lamps.retry.1s",
        "lamps.retry.5s",
        "lamps.retry.30s",
        "lamps.retry.2m",
        "lamps.pulse",
        "lamps.parked",
    ]


def test_queues_are_bound_to_what_their_steps_hear() -> None:
    """One binding for each event, one for asks, one for the pulse, and one for redeliveries of any delay."""
    bindings = set(topology(two_steps()).bindings)
    assert {binding for binding in bindings if binding.exchange != "lamps.retry"} == {
        Binding("lamps", "lamps.pressed", "lamps.light"),
        Binding("lamps", "lamps.lit", "lamps.rest"),
        Binding("lamps", "lamps.broken", "lamps.rest"),
        Binding("lamps.redeliver", "*.lamps.light", "lamps.light"),
        Binding("lamps.redeliver", "*.lamps.rest", "lamps.rest"),
        Binding("amq.topic", "lamps.resay", "lamps.resay"),
        Binding("amq.topic", "lamps.pulse", "lamps.pulse"),
        Binding("lamps.redeliver", "*.lamps.resay", "lamps.resay"),
    }


def test_every_way_out_of_the_retry_exchange_is_bound() -> None:
    """Whatever is sent to wait or to be parked finds a queue."""
    bindings = set(topology(two_steps()).bindings)
    waiting = {Binding("lamps.retry", f"{delay}.#", f"lamps.retry.{delay}") for delay in RETRY_DELAYS}
    parked = Binding("lamps.retry", "parked.#", "lamps.parked")
    assert {binding for binding in bindings if binding.exchange == "lamps.retry"} == waiting | {parked}


def test_all_queues_are_quorum_queues_that_lose_nothing() -> None:
    """Dead-lettering waits for the target's confirm, and a lost consumer is counted."""
    kept = keeping_queues(two_steps())
    for queue in (one for one in topology(two_steps()).queues if one.name in kept):
        assert queue.arguments["x-queue-type"] == "quorum"
        assert queue.arguments["x-dead-letter-strategy"] == "at-least-once"
        assert queue.arguments["x-overflow"] == "reject-publish"


def test_a_message_that_kills_its_consumers_is_parked() -> None:
    """What was handed out too often keeps where it came from."""
    light = topology(two_steps()).queues[0]
    assert light.arguments["x-dead-letter-exchange"] == "lamps.retry"
    assert light.arguments["x-dead-letter-routing-key"] == "parked.lamps.light"


def test_a_message_that_has_waited_comes_back() -> None:
    """Each delay is a queue that gives its messages to the exchange that routes them home."""
    queues = {queue.name: queue.arguments for queue in topology(two_steps()).queues}
    waits = {delay: queues[f"lamps.retry.{delay}"] for delay in RETRY_DELAYS}
    assert {delay: arguments["x-message-ttl"] for delay, arguments in waits.items()} == RETRY_DELAYS
    assert {arguments["x-dead-letter-exchange"] for arguments in waits.values()} == {retry_names("lamps").redeliver}


def test_a_parked_message_can_be_sent_back() -> None:
    """Rejected, it goes to the exchange that routes it to the queue it came from; looking at it is no attempt."""
    parked = topology(two_steps()).queues[-1]
    assert parked.arguments["x-dead-letter-exchange"] == retry_names("lamps").redeliver
    assert parked.arguments["x-delivery-limit"] > DELIVERY_LIMIT


def test_pulse_is_stored_by_a_majority_and_kept_by_nobody() -> None:
    """It is a quorum queue without room, also where no policy was set."""
    queues = {queue.name: queue.arguments for queue in topology(two_steps()).queues}
    assert queues["lamps.pulse"] == {"x-queue-type": "quorum", "x-max-length": 0}
    assert "lamps.pulse" not in keeping_queues(two_steps())


def test_leaders_are_spread_by_policy() -> None:
    """So a queue that is there already needs no new argument; queues of news are where their process is."""
    found = {name: policy["definition"].get("queue-leader-locator") for name, policy in policies(["lamps"]).items()}
    assert found == {"lamps.steps": "balanced", "lamps.aside": "balanced", "lamps.news": None}


def test_delays_grow() -> None:
    """Each attempt waits longer than the one before."""
    assert list(RETRY_DELAYS.values()) == sorted(set(RETRY_DELAYS.values()))


def test_every_queue_has_limits_by_one_policy() -> None:
    """What has none could fill the broker; of two that match, one would not count."""
    patterns = {name: policy["pattern"] for name, policy in policies(["lamps", "lamp"]).items()}
    names = [*(queue.name for queue in topology(two_steps()).queues), "lamps.news.1"]
    matching = {name: [policy for policy, pattern in patterns.items() if re.search(pattern, name)] for name in names}
    assert all(len(found) == 1 and found[0].startswith("lamps.") for found in matching.values()), matching


def test_limits_are_no_arguments_of_what_is_worked_through() -> None:
    """They may change while the queue holds messages, and arguments cannot."""
    pattern = policies(["lamps"])["lamps.steps"]["pattern"]
    limited = [queue for queue in topology(two_steps()).queues if re.search(pattern, queue.name)]
    assert [queue.name for queue in limited] == ["lamps.light", "lamps.rest", "lamps.resay"]
    assert not {"x-delivery-limit", "x-max-length"} & {name for queue in limited for name in queue.arguments}
