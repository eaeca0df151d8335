"""Presence: work whose client has left is dropped."""

import asyncio

from chassis.web.admission import App, Message, Receive, Send


class WhilePresent:
    """ASGI middleware: cancels a request when its client closes the connection before it is answered.

    A transaction that has begun goes on to its end, because its task is shielded; what waits for its turn, or for an
    outcome, ends.
    """

    def __init__(self, app: App) -> None:
        self._app = app

    async def __call__(self, scope: Message, receive: Receive, send: Send) -> None:
        """Answer the request while somebody is there to read the answer."""
        if scope["type"] == "http" and scope["method"] == "POST":
            await _Request(receive, send).run(self._app, scope)
        else:
            await self._app(scope, receive, send)


class _Request:
    """One request, and who watches for the end of its client."""

    def __init__(self, receive: Receive, send: Send) -> None:
        self._receive, self._send = receive, send
        self._task = asyncio.current_task()
        self._watching: asyncio.Task[Message] | None = None
        self._answered = self._left = False

    async def run(self, app: App, scope: Message) -> None:
        try:
            await app(scope, self._read, self._write)
        except asyncio.CancelledError:
            if not self._left or self._task is None or self._task.uncancel():
                raise
        finally:
            if self._watching is not None:
                self._watching.cancel()

    async def _read(self) -> Message:
        """The next message of the server; after the body that can only be the end of the client."""
        if self._watching is not None:
            return await asyncio.shield(self._watching)
        message = await self._receive()
        if not message.get("more_body"):
            self._watching = asyncio.create_task(self._watch())
        return message

    async def _write(self, message: Message) -> None:
        self._answered = self._answered or not message.get("more_body", message["type"] == "http.response.start")
        await self._send(message)

    async def _watch(self) -> Message:
        message = await self._receive()
        if not self._answered and self._task is not None:
            self._left = True
            self._task.cancel()
        return message
