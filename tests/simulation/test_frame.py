"""A bug in the frame is found: the simulation runs the real modules, and not a model of them.

Each case breaks one of them, as a careless change might, and some run ends badly. What is not here was tried too, and
does no harm by design: a departure that is forgotten stays in the outbox, and the sweeper finds it.
"""

import contextlib
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

import pytest

from chassis.broker.relay import Relay
from chassis.broker.retry import Retry
from chassis.run.batch import BatchRunner
from chassis.store.outbox import Outgoing
from chassis.store.rows import LockedRows
from chassis.store.transaction import Transaction, split
from chassis.store.unit_of_work import UnitOfWork
from tests.simulation.scenario import Scenario, Trouble, Wish
from tests.simulation.scheduler import explore
from tests.simulation.test_safeguards import MAX_WORLDS, ONE_FAN, TOO_DEAR, TWO_FANS, in_trouble

Break = Callable[[pytest.MonkeyPatch], None]

RAISES = in_trouble(ONE_FAN, Trouble.RAISE)
CRASHES = in_trouble(ONE_FAN, Trouble.CRASH_BEFORE_PUBLISH)
REPEATS = in_trouble(TOO_DEAR, Trouble.DUPLICATE)
TWO_SEATS = replace(TWO_FANS, prices={1: 60, 2: 60}, wishes=(Wish("ann-1", (1,)), Wish("bob-1", (2,))))


def replaced(owner: Any, name: str, by: Any) -> Break:
    """A method that does something else."""
    return lambda patch: patch.setattr(owner, name, by)


async def nothing(*_: Any, **__: Any) -> None:
    """Forget to do it."""


async def no_failures(self: BatchRunner, arrived: Sequence[Any]) -> list[Any]:
    """Take every batch for done."""
    with contextlib.suppress(Exception):  # this is the bug
        await self._commit(arrived)
    return []


async def only_new_rows(self: UnitOfWork) -> None:
    """Forget to write what has changed."""
    for model, rows in self._new.items():
        await self._session.insert(model, rows)


def only_the_event(self: Transaction, outcome: Any, cause: Any = None) -> list[Any]:
    """Forget to store the rows that come into being."""
    event, rows = split(outcome)
    if event is not None:
        self.say(event, cause)
    return rows


async def everything_is_fresh(self: Transaction, _step: str, arrived: Sequence[Any]) -> list[Any]:
    """Do not ask the inbox."""
    return list(arrived)


async def nothing_is_kept(self: Transaction, confirmed: Sequence[Any]) -> list[Outgoing]:
    """Publish from memory only."""
    await self._rows.flush()
    return [Outgoing.of(envelope) for envelope in self.said]


def first_rows(self: LockedRows, parameter: Any, _event: Any) -> list[Any]:
    """Give every event of a batch the rows of all."""
    return [row for rows in self._found[parameter.name].values() for row in rows]


CASES: dict[str, tuple[Scenario, Break]] = {
    "changes are not written": (ONE_FAN, replaced(UnitOfWork, "flush", only_new_rows)),
    "new rows are not stored": (ONE_FAN, replaced(Transaction, "apply", only_the_event)),
    "a failed batch counts as done": (RAISES, replaced(BatchRunner, "run", no_failures)),
    "a failed message is not sent on": (RAISES, replaced(Retry, "again", nothing)),
    "the inbox is not asked": (
        in_trouble(TOO_DEAR, Trouble.DUPLICATE),
        replaced(Transaction, "accept", everything_is_fresh),
    ),
    "the outbox is not written": (CRASHES, replaced(Transaction, "flush", nothing_is_kept)),
    "the sweeper sweeps nothing": (CRASHES, replaced(Relay, "sweep_once", nothing)),
    "events of a batch get each other's rows": (TWO_SEATS, replaced(LockedRows, "_rows", first_rows)),
}


@pytest.mark.parametrize("case", CASES)
def test_bug_in_the_frame_is_found(case: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Some run ends badly, or cannot go on."""
    # given
    scenario, break_it = CASES[case]
    break_it(monkeypatch)
    # when
    found = explore(scenario, MAX_WORLDS).found
    # then
    assert found is not None
    assert found.violations
