"""Work whose client has left is dropped."""

import asyncio
from typing import Any

from chassis.web.presence import WhilePresent

SCOPE = {"type": "http", "method": "POST"}


class Client:
    """Sends a request and may leave."""

    def __init__(self) -> None:
        self.sent: list[str] = []
        self.gone, self.answered = asyncio.Event(), asyncio.Event()
        self._first = True

    async def receive(self) -> dict[str, Any]:
        """The body, then nothing until it leaves."""
        if self._first:
            self._first = False
            return {"type": "http.request", "body": b"{}", "more_body": False}
        await self.gone.wait()
        return {"type": "http.disconnect"}

    async def send(self, message: Any) -> None:
        """It is sent something."""
        self.sent.append(message["type"])
        if message["type"] == "http.response.body":
            self.answered.set()


class Work:
    """An application that reads its request, works until it is told to answer, and knows how that ended."""

    def __init__(self) -> None:
        self.began, self.answer = asyncio.Event(), asyncio.Event()
        self.cancelled = False

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        """Answer in the end."""
        await receive()
        self.began.set()
        try:
            await self.answer.wait()
        except asyncio.CancelledError:
            self.cancelled = True
            raise
        await send({"type": "http.response.start", "status": 200})
        await send({"type": "http.response.body", "body": b""})
        await asyncio.sleep(0)


async def test_work_of_who_has_left_ends() -> None:
    """It is cancelled where it waits, and the server hears of no error."""
    # given
    client, work = Client(), Work()
    answering = asyncio.create_task(WhilePresent(work)(SCOPE, client.receive, client.send))
    await work.began.wait()
    # when
    client.gone.set()
    await answering
    # then
    assert work.cancelled
    assert client.sent == []


async def test_who_has_been_answered_may_leave() -> None:
    """Once the answer is out, what comes after it is not cancelled."""
    # given
    client, work = Client(), Work()
    answering = asyncio.create_task(WhilePresent(work)(SCOPE, client.receive, client.send))
    await work.began.wait()
    # when
    work.answer.set()
    await client.answered.wait()
    client.gone.set()
    await answering
    # then
    assert not work.cancelled


async def test_process_that_ends_is_no_client_that_leaves() -> None:
    """A request that is cancelled from outside stays cancelled."""
    # given
    client, work = Client(), Work()
    answering = asyncio.create_task(WhilePresent(work)(SCOPE, client.receive, client.send))
    await work.began.wait()
    # when
    answering.cancel()
    await asyncio.gather(answering, return_exceptions=True)
    # then
    assert answering.cancelled()


async def test_end_of_the_client_can_be_read() -> None:
    """An application that asks for more after the body is told of the end, as by the server itself."""
    # given
    client = Client()
    told: list[str] = []

    async def reads(scope: Any, receive: Any, send: Any) -> None:
        told.append((await receive())["type"])
        client.gone.set()
        try:
            told.append((await receive())["type"])
        except asyncio.CancelledError:
            told.append("cancelled")
            raise

    # when
    await WhilePresent(reads)(SCOPE, client.receive, client.send)
    # then
    assert told[0] == "http.request"
    assert told[1] in ("http.disconnect", "cancelled")
