"""What a step returned, taken apart."""

from typing import Any

import pytest

from chassis.ids import new_id
from chassis.store.transaction import split
from tests.unit.lamps import Circuit, Dark, Lamp

EVENT, LAMP, CIRCUIT = Dark(), Lamp(lamp_id=1, room_id=1), Circuit(circuit_id=1)


@pytest.mark.parametrize(
    ("outcome", "event", "rows"),
    [
        (None, None, []),
        (EVENT, EVENT, []),
        ((EVENT, LAMP), EVENT, [LAMP]),
        ((EVENT, LAMP, CIRCUIT), EVENT, [LAMP, CIRCUIT]),
        ((EVENT, [LAMP, LAMP]), EVENT, [LAMP, LAMP]),
        ((EVENT, [LAMP], CIRCUIT), EVENT, [LAMP, CIRCUIT]),
        ((EVENT, []), EVENT, []),
        ((None, LAMP), None, [LAMP]),
    ],
)
def test_an_outcome_is_an_event_and_rows(outcome: Any, event: Any, rows: list[Any]) -> None:
    """An event alone, an event with rows or with lists of rows, or nothing at all."""
    assert split(outcome) == (event, rows)


def test_ids_sort_by_their_time() -> None:
    """An id that is made later is greater (UUIDv7), so rows come in the order in which they were made."""
    # when
    ids = [new_id() for _ in range(1000)]
    # then
    assert ids == sorted(set(ids))
    assert {made.version for made in ids} == {7}
