"""Checkouts survive the restore of one database to an earlier moment."""

from functools import partial

import pytest

from stack.services import SERVICES
from tests.chaos.drill import Drill
from tests.chaos.restores import nothing_differs, restored

WAYS = ("buy", "lose", "buy", "poor", "buy", "too much", "buy", "late")
"""All that needs no change of a row behind the back of its service, of which no other service could know"""


@pytest.mark.chaos
@pytest.mark.parametrize("service", SERVICES)
async def test_restored_database_is_reconciled(drill: Drill, service: str) -> None:
    """A service does again what its database has forgotten, and nothing differs in the end.

    What only the lost database knew is named, exactly, and put right by a person.
    """
    await drill.run(f"restore: {service}", partial(restored, service), ways=WAYS)

    await nothing_differs(service, drill.site)
