"""A bug in the frame is found: the simulation runs the real modules, and not a model of them.

Each case breaks one of them, as a careless change might, and some run ends badly. Two bugs were tried that do no harm
here. A departure that is forgotten stays in the outbox, and the sweeper finds it. Rows that a batch does not show to
its later events (`LockedRows.add`) are missed by none of today's steps; `tests/end_to_end/test_store.py` finds that.
"""

import contextlib
from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import partial
from typing import Any

import pytest

from chassis.broker import retry
from chassis.broker.relay import Relay
from chassis.broker.retry import Retry
from chassis.run.batch import BatchRunner
from chassis.run.judge import Judge
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
UNHEARD = in_trouble(ONE_FAN, Trouble.UNCONFIRMED)
TWO_SEATS = replace(TWO_FANS, prices={1: 60, 2: 60}, wishes=(Wish("ann-1", (1,)), Wish("bob-1", (2,))))
FIRST_RAISES = in_trouble(TWO_SEATS, Trouble.RAISE_FIRST)
headers = retry._headers


def replaced(owner: Any, name: str, by: Any) -> Break:
    """A method that does something else."""
    return lambda patch: patch.setattr(owner, name, by)


async def nothing(*_: Any, **__: Any) -> None:
    """Forget to do it."""


async def no_failures(self: BatchRunner, arrived: Sequence[Any], *_: Any) -> list[Any]:
    """Take every batch for done."""
    with contextlib.suppress(Exception):  # this is the bug
        await self.judge._database.run(lambda transaction: self._work({}, arrived, transaction))
    return [None] * len(arrived)


async def until_one_fails(self: Judge, work: Any, items: Sequence[Any], *_: Any) -> list[Any]:
    """Take what comes after a failure for done."""
    done = await self._done(lambda transaction: work(items, transaction), None)
    if not isinstance(done, Exception):
        return list(done)
    outcomes: list[Any] = [None] * len(items)
    for place, item in enumerate(items):
        done = await self._done(partial(work, [item]), None)
        if isinstance(done, Exception):
            outcomes[place] = done
            break
    return outcomes


def without_cause(old: Any, *others: Any) -> dict[str, Any]:
    """Lose a header on the way to another attempt."""
    return {name: value for name, value in headers(old, *others).items() if name != "ce-causationid"}


async def all_confirmed(self: Relay, messages: Sequence[Outgoing]) -> None:
    """Do not ask what the broker has taken."""
    await self._publisher.publish(messages)
    self._departures.landed(messages, [message.event_id for message in messages])


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
    "a failed batch ends with its first failure": (FIRST_RAISES, replaced(Judge, "outcomes", until_one_fails)),
    "another attempt forgets its cause": (RAISES, replaced(retry, "_headers", without_cause)),
    "what the broker has not taken is forgotten": (UNHEARD, replaced(Relay, "publish", all_confirmed)),
    "the inbox is not asked": (REPEATS, replaced(Transaction, "accept", everything_is_fresh)),
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
