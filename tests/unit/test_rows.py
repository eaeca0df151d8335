"""Which rows a step gets for an event."""

from collections.abc import Collection
from typing import Annotated, Any, cast

import pytest

from chassis.choreography.declaration import By, Via
from chassis.choreography.envelope import Envelope
from chassis.choreography.step import Step
from chassis.errors import MissingRowError
from chassis.store.rows import LockedRows
from chassis.store.transaction import Transaction
from tests.unit.examples import NOW
from tests.unit.lamps import SAGA_ID, Circuit, Lamp, Lit, Pressed, Switching, a_service


class Memory:
    """Finds rows in memory, and remembers what it was asked."""

    def __init__(self, *rows: Any) -> None:
        self._rows = rows
        self.asked: list[tuple[type, str, list[int]]] = []

    async def lock(self, model: type, column: str, keys: Collection[int]) -> list[Any]:
        """The rows of the class that is asked for, by the column that is asked for."""
        self.asked.append((model, column, sorted(keys)))
        return [row for row in self._rows if isinstance(row, model) and getattr(row, column) in keys]


def light(
    pressed: Pressed,
    lamps: list[Lamp],
    circuits: Annotated[list[Circuit], Via("lamps")],
    neighbours: Annotated[list[Lamp], By("room_id")],
) -> Lit | None:
    """Hears an event with several lamps."""


def follow(
    pressed: Pressed, lamps: list[Lamp], rooms: Annotated[list[Circuit], By("circuit_id", of="room_id"), Via("lamps")]
) -> Lit | None:
    """Goes by another column of the lamps than their circuit."""


def look(pressed: Pressed, first: Annotated[Lamp | None, By("room_id")]) -> Lit | None:
    """Can do without a row."""


def need(pressed: Pressed, only: Annotated[Lamp, By("room_id")]) -> Lit | None:
    """Cannot do without."""


def declared(function: Any) -> Step:
    """The function as a step."""
    service = a_service()
    return service.declared(service.step(function))


async def load(step: Step, memory: Memory, *events: Switching) -> LockedRows:
    """What the events touch."""
    arrived = [Envelope(event, SAGA_ID, None, NOW, "") for event in events]
    return await LockedRows.of(cast("Transaction", memory), step, arrived)


LAMPS = [Lamp(lamp_id=n, room_id=n % 2, circuit_id=10 + n) for n in range(1, 5)]
CIRCUITS = [Circuit(circuit_id=10 + n) for n in range(1, 5)]


async def test_rows_are_found_by_primary_key_by_column_and_via_others() -> None:
    """A plural attribute of the event gives several keys; `Via` takes them from rows."""
    # given
    event = Pressed(room_id=1, lamp_ids=(4, 2))
    # when
    loaded = await load(declared(light), Memory(*LAMPS, *CIRCUITS), event)
    # then
    found = loaded.arguments(event)
    assert [row.lamp_id for row in found["lamps"]] == [4, 2]
    assert [row.circuit_id for row in found["circuits"]] == [12, 14]
    assert [row.lamp_id for row in found["neighbours"]] == [1, 3]


async def test_rows_are_found_via_another_column_of_others() -> None:
    """`By(…, of=…)` names it; a row that has nothing there leads nowhere."""
    # given
    event = Pressed(lamp_ids=(1, 2))
    lamps, circuits = [Lamp(lamp_id=1, room_id=12), Lamp(lamp_id=2, room_id=cast("int", None))], CIRCUITS
    # when
    loaded = await load(declared(follow), memory := Memory(*lamps, *circuits), event)
    # then
    assert loaded.arguments(event)["rooms"] == [CIRCUITS[1]]
    assert memory.asked[-1] == (Circuit, "circuit_id", [12])


async def test_a_batch_asks_once_for_each_parameter() -> None:
    """One query for all events together."""
    # given
    memory = Memory(*LAMPS, *CIRCUITS)
    # when
    await load(declared(light), memory, Pressed(lamp_ids=(3,)), Pressed(lamp_ids=(1, 3)))
    # then
    assert memory.asked == [(Lamp, "lamp_id", [1, 3]), (Circuit, "circuit_id", [11, 13]), (Lamp, "room_id", [1])]


async def test_each_event_gets_its_own_rows() -> None:
    """What another event of the batch has loaded is not handed over."""
    # given
    first, second = Pressed(room_id=1, lamp_ids=(1,)), Pressed(room_id=0, lamp_ids=(2, 4))
    # when
    loaded = await load(declared(light), Memory(*LAMPS, *CIRCUITS), first, second)
    # then
    assert loaded.arguments(first)["lamps"] == [LAMPS[0]]
    assert loaded.arguments(second)["lamps"] == [LAMPS[1], LAMPS[3]]


async def test_a_row_that_may_be_missing_is_none() -> None:
    """`Row | None` is None where there is none."""
    # given
    event = Pressed(room_id=9)
    # when
    loaded = await load(declared(look), Memory(*LAMPS), event)
    # then
    assert loaded.arguments(event) == {"first": None}


async def test_a_row_that_must_be_there_is_missed() -> None:
    """`Row` raises where there is none, so that the message is tried again."""
    # given
    event = Pressed(room_id=9)
    loaded = await load(declared(need), Memory(*LAMPS), event)
    # when, then
    with pytest.raises(MissingRowError, match=r"lamps\.need: no only for lamps\.pressed"):
        loaded.arguments(event)


async def test_later_events_see_rows_that_came_into_being() -> None:
    """What the first event of a batch creates, the second finds."""
    # given
    event = Pressed(room_id=9)
    loaded = await load(declared(look), Memory(*LAMPS), event)
    new = Lamp(lamp_id=5, room_id=9)
    # when
    loaded.add([new, Circuit(circuit_id=1)])
    # then
    assert loaded.arguments(event) == {"first": new}
