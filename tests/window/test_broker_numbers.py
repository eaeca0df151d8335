"""Counting over TLS: the window believes the broker whose certificate its file vouches for, and nobody else."""

import asyncio
import json
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from pydantic import SecretStr

from stack.directory import Directory
from stack.servers.tls import Authority
from window.broker_numbers import BrokerNumbers
from window.settings import Settings

QUEUES = json.dumps([{"name": "window.events", "messages": 7, "consumers": 1}]).encode()


@asynccontextmanager
async def https_api(authority: Authority) -> AsyncIterator[str]:
    """An API that says how full the window's queue is, and nothing else; its address."""
    files = authority.of("rabbitmq")
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(files.certificate, files.key)

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(b"HTTP/1.1 200 OK\r\nconnection: close\r\ncontent-length: %d\r\n\r\n%s" % (len(QUEUES), QUEUES))
        await writer.drain()
        writer.close()

    server = await asyncio.start_server(answer, "127.0.0.1", 0, ssl=context)
    async with server:
        yield f"https://127.0.0.1:{server.sockets[0].getsockname()[1]}"


def numbers(url: str, ca_file: Path | None) -> BrokerNumbers:
    """What asks there."""
    login = SecretStr("amqp://window:password@rabbitmq/")
    return BrokerNumbers(Settings.model_construct(rabbitmq_url=login, management_url=url, management_ca_file=ca_file))


async def test_the_file_decides_who_is_believed(tmp_path: Path) -> None:
    """With the file of its authority the broker is counted; without one, nothing is known of it."""
    # given
    authority = Authority(Directory(tmp_path))
    authority.issue("rabbitmq")
    async with https_api(authority) as url:
        # when
        believed = await numbers(url, authority.file).queues()
        doubted = await numbers(url, None).queues()
    # then
    assert believed is not None
    assert believed["window.events"].messages == 7
    assert doubted is None


async def test_a_missing_file_is_no_answer(tmp_path: Path) -> None:
    """Where the file is not there, queues are not counted, and the window goes on."""
    assert await numbers("https://127.0.0.1:9", tmp_path / "ca.crt").queues() is None
