"""Headers: what every answer tells a browser not to do with it."""

from http import HTTPStatus

from chassis.web.admission import App, Message, Receive, Send

_ALWAYS = [
    (b"x-content-type-options", b"nosniff"),
    (b"x-frame-options", b"DENY"),
    (b"referrer-policy", b"no-referrer"),
    (b"cross-origin-resource-policy", b"same-origin"),
]
_PRIVATE = (b"cache-control", b"no-store")
_NOTHING = (b"content-security-policy", b"default-src 'none'; frame-ancestors 'none'")
# The pages of the API bring their scripts and styles along, from this server and inside of them.
_PAGE = (
    b"content-security-policy",
    b"default-src 'self' 'unsafe-inline' data: blob:; frame-ancestors 'none'; base-uri 'none'; form-action 'self'",
)


class SafeHeaders:
    """ASGI middleware: adds the headers that are not there yet."""

    def __init__(self, app: App) -> None:
        self._app = app

    async def __call__(self, scope: Message, receive: Receive, send: Send) -> None:
        """Answer with them."""

        async def sent(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = message["headers"] = [*message.get("headers", ()), *_ALWAYS]
                names = {name for name, _ in headers}
                is_page = any(name == b"content-type" and value.startswith(b"text/html") for name, value in headers)
                more = (_PRIVATE, _PAGE if is_page else _NOTHING)
                headers += [one for one in more if one[0] not in names]
            await send(message)

        await self._app(scope, receive, sent)


def bare(status: HTTPStatus) -> bytes:
    """The answer to what is no request, as it goes over the wire; it ends the connection."""
    headers = [*_ALWAYS, _PRIVATE, _NOTHING, (b"content-length", b"0"), (b"connection", b"close")]
    line = f"HTTP/1.1 {status} {status.phrase}".encode()
    return b"".join(part + b"\r\n" for part in (line, *(b": ".join(one) for one in headers), b""))
