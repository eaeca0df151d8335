"""Where somebody collects traces, a saga is one of them, across all services."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from typing import NamedTuple

import pytest

import stack
from tests.chaos.programs import variables
from tests.end_to_end.catalogue import Catalogue
from tests.end_to_end.collector import Collector, Span, collecting
from tests.end_to_end.eventually import eventually
from tests.end_to_end.fan import Fan, Operator
from tests.end_to_end.platform import Platform
from tests.end_to_end.system import System

COMPLETED = (
    "POST /checkouts",
    "publish checkout.requested",
    "process point.spend",
    "publish point.spent",
    "process reservation.confirm",
    "publish reservation.confirmed",
    "process payment.pay",
    "publish payment.paid",
    "process seat.reserve",
    "publish seat.reserved",
    "process payment.complete",
    "publish checkout.completed",
    "process payment.send",
    "publish payment.sent",
)
REFUSED = (
    *COMPLETED[:8],
    "process seat.reserve",
    "publish seat.rejected",
    "process payment.revert",
    "publish payment.reverted",
    "process reservation.revert",
    "publish reservation.reverted",
    "process point.refund",
    "publish point.refunded",
    "process payment.close",
    "publish checkout.failed",
)


class Traced(NamedTuple):
    """A system whose services export their spans, and the collector of these."""

    system: System
    catalogue: Catalogue
    collector: Collector


@pytest.fixture(scope="module")
async def traced(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Traced]:
    """A stack of its own, started with the standard variables."""
    path = tmp_path_factory.mktemp("traced")
    with collecting() as collector:
        wanted = {"OTEL_EXPORTER_OTLP_ENDPOINT": collector.endpoint, "OTEL_BSP_SCHEDULE_DELAY": "200"}
        with variables(wanted):
            environment = await asyncio.to_thread(stack.up, path)
        try:
            async with System.of(environment) as system:
                yield Traced(system, Catalogue(system), collector)
        finally:
            await asyncio.to_thread(stack.down, path)


def chain(spans: Sequence[Span], last: str) -> list[str]:
    """The names from the root of a trace to a span, each the parent of the next."""
    by_id = {span.span_id: span for span in spans}
    found = next((span for span in spans if span.name == last), None)
    names: list[str] = []
    while found is not None:
        names.insert(0, found.name)
        found = by_id.get(found.parent_id)
    return names


async def test_completed_checkout_is_one_trace(traced: Traced) -> None:
    """From the request to the delivery each span follows the one that caused it, in four services."""
    # given
    fan = Fan(traced.system)
    hold = await fan.hold(*await traced.catalogue.free(2))
    await fan.charge(hold.total)
    # when
    checkout_id = await fan.begin(hold)
    assert (await fan.end_of(checkout_id))["status"] == "completed"

    # then
    async def spans() -> list[Span]:
        return traced.collector.trace_of(checkout_id)

    # Each service sends its spans when it likes.
    found = await eventually(spans, lambda seen: chain(seen, "publish payment.sent") == list(COMPLETED))
    assert len({span.trace_id for span in found}) == 1
    assert {span.service for span in found} == {"payment_svc", "point_svc", "reservation_svc", "seat_svc"}
    (call,) = (span for span in found if span.kind == "CLIENT")
    assert chain([*found], call.name)[-2:] == ["process payment.send", "call payment.send"]
    assert not any(span.is_error for span in found)
    assert not any(fan.user_id in value for span in found for value in span.attributes.values())


async def test_refused_checkout_is_one_trace_out_and_back(traced: Traced) -> None:
    """Each compensation follows the one before it, back to the end of the checkout."""
    # given
    fan, operator = Fan(traced.system), Operator(traced.system)
    hold = await fan.hold(*await traced.catalogue.free(1))
    await fan.charge(hold.total)
    await operator.withdraw(hold.seat_ids[0])
    # when
    checkout_id = await fan.begin(hold)
    assert (await fan.end_of(checkout_id))["status"] == "failed"

    # then
    async def names() -> list[str]:
        return chain(traced.collector.trace_of(checkout_id), "publish checkout.failed")

    await eventually(names, lambda seen: seen == list(REFUSED))


async def test_each_attempt_is_a_span_with_its_error(traced: Traced) -> None:
    """A delivery that the platform does not take at first is seen failing, and then not."""
    # given
    fan, platform = Fan(traced.system), Platform(traced.system)
    hold = await fan.hold(*await traced.catalogue.free(1))
    await fan.charge(hold.total)
    await platform.fail("error", count=3)
    # when
    checkout_id = await fan.begin(hold)
    await platform.delivered(checkout_id)

    # then
    async def sending() -> list[Span]:
        return [span for span in traced.collector.trace_of(checkout_id) if span.name == "process payment.send"]

    attempts = await eventually(sending, lambda seen: len(seen) > 1)
    assert sorted(span.is_error for span in attempts) == [False, True]
    assert len({span.parent_id for span in attempts}) == 1
    failed = next(span for span in attempts if span.is_error)
    assert failed.attributes["error.type"] == "PlatformUnavailableError"
    assert failed.events == ("exception",)
