"""The archive that questions are measured on is one that the window could have made."""

from datetime import UTC, datetime

from tests.bench import copies
from tests.bench.copies import Copied
from tests.bench.templates import templates
from tests.contract.conftest import postgres_admin_url
from tests.window.archive import Archive
from tests.window.conftest import archive, database_url
from window.looks import Filter

__all__ = ["archive", "database_url", "postgres_admin_url"]


async def test_copies_are_sagas_as_the_window_tells_them(archive: Archive, database_url: str) -> None:  # fixtures
    """Each row says what its messages tell, each is found by its names, and only those that are stuck are missed."""
    # given
    copied = Copied.of(7_000)
    # when
    await copies.fill(database_url, archive.pool, archive.choreography, copied)
    # then
    assert await archive.pool.fetchval("SELECT count(*) FROM message") == copied.events
    assert await archive.pool.fetchval("SELECT count(*) FROM saga") == copied.sagas
    for one in templates(datetime.now(UTC)):
        number = copied.number(one.kind, 0.5)
        saga_id, payment_id = (copies.id_of(each, number) for each in (one.saga_id, one.payment_id))
        (row,) = await archive.looks.sagas(Filter(text=str(payment_id)), None, 10)
        story = await archive.looks.story(saga_id)
        assert story is not None
        told = (story.saga_id, story.saga, story.way, story.outcome, len(story.happenings), len(story.oddities))
        assert told == (row.saga_id, row.saga, row.way, row.outcome, row.events, row.oddities)
        assert abs(story.begun_at - row.begun_at).total_seconds() < 1
    findings = {one.rule: one.holds for one in await archive.looks.audit()}
    assert findings == {"points": True, "seats": True, "deliveries": True, "ends": False}
