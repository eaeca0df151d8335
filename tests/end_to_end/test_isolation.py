"""What happens to one step of a service, or to one of its messages, ends no other."""

import json
import uuid

from tests.choreography import HEARS_AND_SAYS
from tests.end_to_end.broker import Broker
from tests.end_to_end.eventually import eventually
from tests.end_to_end.observing import MARK
from tests.end_to_end.test_poison import BODY, HEADERS, SOLD_TO_NOBODY


async def _consumers(broker: Broker, service: str) -> dict[str, str]:
    """The consumers of a service by the queue of their step, once every step has one."""
    steps = {queue for queue in HEARS_AND_SAYS if queue.startswith(f"{service}.")}

    async def look() -> dict[str, str]:
        found = await broker.ask("consumers/%2F")
        return {one["queue"]["name"]: one["consumer_tag"] for one in found if one["queue"]["name"] in steps}

    return await eventually(look, lambda found: found.keys() == steps)


async def test_step_whose_queue_is_deleted_ends_no_other(broker: Broker) -> None:
    """Its queue is declared anew and consumed again; the consumers of the others have not changed."""
    before = await _consumers(broker, "payment")

    await broker.delete("payment.cancel")

    async def look() -> dict[str, str]:
        return await _consumers(broker, "payment")

    after = await eventually(look, lambda found: found != before)
    assert {queue for queue in before if after[queue] != before[queue]} == {"payment.cancel"}


async def test_message_that_cannot_be_sent_on_is_held(broker: Broker) -> None:
    """Where the queue is gone in which it should rest, it is declared anew; no session ends for it."""
    before, mark = await _consumers(broker, "payment"), uuid.uuid4().hex
    sold = {name: value for name, value in BODY.items() if name != "deadline"} | {"seat_ids": [1]}
    headers = HEADERS | SOLD_TO_NOBODY | {"ce-id": str(uuid.uuid4())}

    async with broker.unseen("payment.retry"):
        await broker.delete("payment.retry.1s")
        await broker.publish("payment.complete", json.dumps(sold).encode(), headers, MARK + mark)
        await eventually(lambda: broker.has_queue("payment.retry.1s"))
        await broker.take_from_rest("payment", mark)

    assert await _consumers(broker, "payment") == before
