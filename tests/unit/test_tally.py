"""What becomes of attempts and of sagas is counted."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from uuid import UUID, uuid4

import pytest
from prometheus_client import REGISTRY

from chassis.choreography.envelope import Envelope
from chassis.ids import made_at, new_id
from chassis.run.endings import Endings
from chassis.run.tally import Tally
from chassis.store.outbox import Outgoing
from payment_svc.steps import service as payment
from reservation_svc.steps import service as reservation
from tests.unit.lamps import Pressed


def figure(name: str, **labels: str) -> float:
    """What a metric says now."""
    return REGISTRY.get_sample_value(name, labels) or 0.0


def end(name: str, saga_id: UUID, seconds: float) -> Outgoing:
    """An event that was said so long after its saga began."""
    headers = {"ce-time": (made_at(saga_id) + timedelta(seconds=seconds)).isoformat()}
    return Outgoing(new_id(), saga_id, name, False, headers, "{}")


def test_attempts_are_counted_by_what_became_of_them() -> None:
    """What is committed is done and has its time, also when a clock is ahead; what is not has failed."""
    # given
    now = datetime.now(UTC)
    early = Envelope(Pressed(room_id=1), new_id(), None, now - timedelta(minutes=1), "")
    ahead = replace(early, occurred_at=now + timedelta(minutes=1))
    # when
    Tally("lamps.tally").note([early, ahead, early], [None, None, ValueError()])
    # then
    assert figure("saga_handled_total", step="lamps.tally", outcome="done") == 2
    assert figure("saga_handled_total", step="lamps.tally", outcome="failed") == 1
    assert figure("saga_step_seconds_count", step="lamps.tally") == 2
    assert figure("saga_step_seconds_bucket", step="lamps.tally", le="0.005") == 1


def test_the_end_of_a_saga_is_counted_with_its_time() -> None:
    """The owner of a resource counts what it has declared as an end, and nothing else."""
    # given
    labels = {"saga": "checkout", "end": "checkout.failed"}
    before, slow = figure("saga_outcomes_total", **labels), figure("saga_seconds_sum", **labels)
    # when
    Endings.of(payment).hear([end("checkout.failed", new_id(), 3), end("payment.paid", new_id(), 3)])
    # then
    assert figure("saga_outcomes_total", **labels) == before + 1
    assert figure("saga_seconds_sum", **labels) - slow == pytest.approx(3, abs=0.01)
    assert figure("saga_outcomes_total", saga="checkout", end="payment.paid") == 0


def test_a_saga_that_somebody_else_has_named_has_no_time() -> None:
    """Its id does not say when it was made, so nothing is made up."""
    labels = {"saga": "hold", "end": "reservation.opened"}
    counted, timed = figure("saga_outcomes_total", **labels), figure("saga_seconds_count", **labels)

    Endings.of(reservation).hear([end("reservation.opened", uuid4(), 3)])

    assert figure("saga_outcomes_total", **labels) == counted + 1
    assert figure("saga_seconds_count", **labels) == timed
