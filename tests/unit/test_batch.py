"""A batch of one step: what can be done is done, once, and what cannot costs the others nothing."""

from collections.abc import Iterator
from typing import Annotated
from unittest.mock import patch

import pytest
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

from chassis.choreography.declaration import By
from chassis.choreography.envelope import Envelope
from chassis.errors import MissingRowError
from chassis.ids import new_id
from chassis.run.batch import BatchRunner
from chassis.store.departures import Departures
from chassis.store.outbox import Outgoing
from chassis.store.transaction import Transaction
from chassis.telemetry.tracing import SPANS
from tests.memory.store import MemoryDatabase, MemorySource
from tests.unit.examples import NOW
from tests.unit.lamps import Lamp, Lit, Pressed, a_service


def wear(pressed: Pressed, lamp: Annotated[Lamp, By("room_id")]) -> Lit:
    """Count in the lamp how often it was lit."""
    lamp.circuit_id += 1
    return Lit(room_id=pressed.room_id)


def pressed_in(room_id: int) -> Envelope:
    """A new event about a room."""
    return Envelope(Pressed(room_id=room_id), new_id(), None, NOW, "")


async def test_events_without_their_rows_are_left_out_together() -> None:
    """A flood of them costs two transactions, however they are mixed with others; what they had done is not kept."""
    # given
    source, departures = MemorySource(), Departures()
    database = MemoryDatabase(source, departures, source.identity)
    service = a_service()
    runner = BatchRunner(service.declared(service.step(wear)), database, {})
    there = [pressed_in(room_id=1) for _ in range(20)]
    missing = [pressed_in(room_id=9) for _ in range(20)]
    arrived = [one for pair in zip(there, missing, strict=True) for one in pair] + [there[0], missing[0]]

    async def furnish(transaction: Transaction) -> None:
        transaction.add(Lamp(lamp_id=1, room_id=1, circuit_id=0))

    async def look(transaction: Transaction) -> tuple[list[Lamp], list[Envelope]]:
        return await transaction.find(Lamp, "room_id", [1]), await transaction.unhandled("lamps.wear", arrived)

    await database.run(furnish)
    # when
    with patch.object(database, "run", wraps=database.run) as run:
        outcomes = await runner.run(arrived)
    # then
    assert [type(one) for one in outcomes] == [type(None), MissingRowError] * 21
    assert run.call_count == 2
    (lamp,), unhandled = await database.run(look)
    assert lamp.circuit_id == len(there)
    assert unhandled == missing


@pytest.fixture
def collected() -> Iterator[InMemorySpanExporter]:
    """Somebody collects the spans of this process."""
    exporter, provider = InMemorySpanExporter(), TracerProvider()
    provider.add_span_processor(SimpleSpanProcessor(exporter))
    SPANS.collect(provider.get_tracer("tests"))
    yield exporter
    SPANS.collect(None)


async def test_each_event_of_a_batch_has_a_span_of_its_own(collected: InMemorySpanExporter) -> None:
    """What is said belongs to the span of what it answers, and a culprit alone has an error, though all ran twice."""
    # given
    source, departures = MemorySource(), Departures()
    database = MemoryDatabase(source, departures, source.identity)
    said: list[Outgoing] = []
    database.subscribe(said.extend)
    service = a_service()
    runner = BatchRunner(service.declared(service.step(wear)), database, {})
    there, missing = [pressed_in(room_id=1) for _ in range(3)], pressed_in(room_id=9)

    async def furnish(transaction: Transaction) -> None:
        transaction.add(Lamp(lamp_id=1, room_id=1, circuit_id=0))

    await database.run(furnish)
    # when
    await runner.run([*there, missing, there[0]])
    # then
    spans = {str((span.attributes or {})["messaging.message.id"]): span for span in collected.get_finished_spans()}
    assert len(collected.get_finished_spans()) == len(spans) == 4
    assert {key for key, span in spans.items() if not span.status.is_ok} == {str(missing.event_id)}
    answered = {one.headers["ce-causationid"]: one.headers["traceparent"].split("-")[2] for one in said}
    assert answered == {str(one.event_id): f"{spans[str(one.event_id)].context.span_id:016x}" for one in there}
