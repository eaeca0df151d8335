"""The window may be gone for a minute under load: no saga notices, and it tells afterwards what it would have told."""

import pytest

from tests.chaos import windows
from tests.chaos.drill import Drill
from tests.chaos.programs import PROGRAMS

pytestmark = pytest.mark.chaos


async def test_a_window_that_was_away_tells_the_same(drill: Drill) -> None:
    """Each saga of that time, as a witness tells it who was there."""
    witness = windows.Witness(drill.site)
    async with witness.listening():
        await drill.run("window: killed for a minute", windows.away, spares=PROGRAMS)
        assert len(witness.stories()) > len(PROGRAMS), "hardly anything was heard"
        assert not await windows.differing(drill.site, witness)
