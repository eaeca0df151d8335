"""Last resort: what becomes of an error that nobody has answered."""

import structlog

from chassis.errors import describe
from chassis.web.admission import App, Message, Receive, Send
from chassis.web.problem import answer, unexpected

log = structlog.get_logger(__name__)


class LastResort:
    """ASGI middleware: notes an error, and answers it, so that its connection serves the next request.

    uvicorn would end the connection of each, also after an answer, and a balancer in front then loses what it has just
    sent over it. It still does where an answer was broken off: whoever reads it has to see that.
    """

    def __init__(self, app: App) -> None:
        self._app = app

    async def __call__(self, scope: Message, receive: Receive, send: Send) -> None:
        """Answer the request, one way or another."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        begun = ended = False

        async def sent(message: Message) -> None:
            nonlocal begun, ended
            begun = True
            ended = message["type"] == "http.response.body" and not message.get("more_body", False)
            await send(message)

        try:
            await self._app(scope, receive, sent)
        except Exception as error:
            if begun and not ended:
                raise
            log.exception("request failed", method=scope["method"], path=scope["path"], error=describe(error))
            if not begun:
                await answer(scope["path"], unexpected())(scope, receive, send)
