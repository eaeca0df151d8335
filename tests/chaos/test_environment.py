"""What the environment does is not blamed on messages, and is waited for."""

import pytest

from tests.chaos import environment
from tests.chaos.drill import Drill
from tests.chaos.programs import PROGRAMS


@pytest.mark.chaos
async def test_stranger_who_locks_a_row_keeps_up_its_owner_only(drill: Drill) -> None:
    """While one wallet is locked, everybody else's checkouts complete."""
    await drill.run("database: a stranger's lock", environment.row_locked(environment.SHORT), spares=PROGRAMS)


async def test_databases_that_refuse_to_write_are_waited_for(drill: Drill) -> None:
    """Nothing is sent to another attempt or parked, and all is well soon after they write again."""
    await drill.run("database: read-only", environment.read_only(environment.SHORT), spares=PROGRAMS)


@pytest.mark.chaos
async def test_locked_inbox_is_seen_and_waited_for(drill: Drill) -> None:
    """While nothing can be committed, no service says that it is ready, and no message is blamed."""
    await drill.run("database: inboxes locked", environment.table_locked(), spares=PROGRAMS)


@pytest.mark.chaos
@pytest.mark.timeout(400)
async def test_lock_of_a_minute_keeps_up_its_owner_only(drill: Drill) -> None:
    """However long it is kept."""
    await drill.run("database: a stranger's lock for 60 s", environment.row_locked(), spares=PROGRAMS)


@pytest.mark.chaos
async def test_databases_that_refuse_to_write_for_a_minute_are_waited_for(drill: Drill) -> None:
    """Checkouts whose time runs out meanwhile roll back; nothing else is lost."""
    await drill.run("database: read-only for 60 s", environment.read_only(), spares=PROGRAMS)
