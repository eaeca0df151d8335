"""A stack that speaks TLS, all of whose secrets change while fans buy."""

import asyncio
import contextlib
import os
import ssl
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from urllib.parse import urlsplit

import aio_pika
import asyncpg
import pytest

import stack
from stack.credentials import Credentials
from stack.demo.invariants import examine
from stack.directory import Directory
from stack.run.given import Given
from stack.run.rotation import Kind, Rotation
from stack.run.state import State
from stack.servers.handed_out import HandedOut
from stack.servers.tls import Authority
from stack.services import SERVICES
from stack.signing import SigningKey
from stack.tokens import signing_key, withdraw_keys
from tests.end_to_end.catalogue import Catalogue
from tests.end_to_end.eventually import eventually
from tests.end_to_end.fan import Fan
from tests.end_to_end.system import System

SALES = 8
"""How many are to complete while something changes"""


@pytest.fixture(scope="module")
def path(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """The folder of a stack that speaks TLS."""
    folder = tmp_path_factory.mktemp("tls")
    os.environ["STACK_TLS"] = "1"
    try:
        stack.up(folder)
        yield folder
    finally:
        del os.environ["STACK_TLS"]
        stack.down(folder)


@pytest.fixture
async def its(path: Path) -> AsyncIterator[System]:
    """The system, as its env file says at the moment."""
    async with System.of(stack.environment(path)) as running:
        yield running


async def test_nobody_is_let_in_without_tls(path: Path) -> None:
    """Neither by the broker nor by a database."""
    environment = stack.environment(path)
    broker, database = urlsplit(environment["POINT_RABBITMQ_URL"]), urlsplit(environment["POINT_DATABASE_URL"])

    with pytest.raises((OSError, aio_pika.exceptions.AMQPError, asyncio.IncompleteReadError)):
        await aio_pika.connect(broker._replace(scheme="amqp", query="").geturl(), timeout=5)
    with pytest.raises(asyncpg.InvalidAuthorizationSpecificationError):
        await asyncpg.connect(database._replace(query="sslmode=disable").geturl())


async def test_servers_of_another_authority_are_not_believed(path: Path, tmp_path: Path) -> None:
    """A client that trusts others does not tell them its password."""
    environment, other = stack.environment(path), Authority(Directory(tmp_path))
    other.issue("somebody")
    for name in ("POINT_RABBITMQ_URL", "POINT_DATABASE_URL"):
        url = environment[name].replace(str(Authority(Directory(path)).file), str(other.file))
        connecting = aio_pika.connect(url) if url.startswith("amqps") else asyncpg.connect(url)
        with pytest.raises((ssl.SSLError, ConnectionError, aio_pika.exceptions.AMQPError)):
            await connecting


async def test_all_sessions_are_encrypted(its: System) -> None:
    """Of every service, in every database, and at the broker."""
    for service in SERVICES:
        plain = await its.databases.rows(
            service,
            "SELECT usename FROM pg_stat_ssl JOIN pg_stat_activity USING (pid) WHERE NOT ssl AND usename IS NOT NULL",
        )
        assert plain == [], service
    url = its.environment["RABBITMQ_MANAGEMENT_URL"]

    async def connections() -> list[dict[str, object]]:
        found: list[dict[str, object]] = (await its.http.get(f"{url}/api/connections")).json()
        return found

    seen = await eventually(connections, lambda found: {one.get("user") for one in found} >= set(SERVICES))
    assert all(one["ssl"] for one in seen)


@contextlib.asynccontextmanager
async def selling(system: System) -> AsyncIterator[None]:
    """While the context lasts, and a little longer, fans buy, and every one of them gets what was bought."""
    catalogue, ends = Catalogue(system), list[str]()
    stop = asyncio.Event()

    async def sell() -> None:
        while not stop.is_set() or len(ends) < SALES:
            fan = Fan(system)
            hold = await fan.hold(*await catalogue.free())
            await fan.charge(hold.total)
            ends.append((await fan.check_out(hold))["status"])

    async def sold() -> int:
        return len(ends)

    shops = asyncio.gather(*(sell() for _ in range(2)))
    try:
        await eventually(sold, lambda count: count > 1)
        yield
    finally:
        stop.set()
        await shops
    assert set(ends) == {"completed"}


@pytest.mark.parametrize("kind", list(Kind))
async def test_secrets_change_while_fans_buy(path: Path, its: System, kind: Kind) -> None:
    """Every request is answered, every checkout completes, and the old secret is worth nothing."""
    directory = Directory(path)
    old, before = Credentials.of(directory), stack.environment(path)

    async with selling(its):
        await Rotation(directory).run(kind, Given({}))

    new, after = Credentials.of(directory), stack.environment(path)
    assert old != new
    match kind:
        case Kind.BROKER:
            await (await aio_pika.connect(after["POINT_RABBITMQ_URL"])).close()
            with pytest.raises(aio_pika.exceptions.AMQPError):
                await aio_pika.connect(before["POINT_RABBITMQ_URL"])
        case Kind.DATABASE:
            for name in ("POINT_DATABASE_URL", "POINT_OWNER_DATABASE_URL", "POINT_ERASURE_DATABASE_URL"):
                await (await asyncpg.connect(after[name])).close()
                with pytest.raises(asyncpg.InvalidPasswordError):
                    await asyncpg.connect(before[name])
        case Kind.TOKENS:
            await _tokens_change(its, directory, old)
        case Kind.WEBHOOKS:
            assert old.platform_secret != new.platform_secret


async def _tokens_change(its: System, directory: Directory, old: Credentials) -> None:
    """Tokens of both keys are good until the old one is withdrawn."""
    key = SigningKey.of(old.token_signing_key)
    fan = Fan(its)
    fans = [its.token(fan.user_id, key=key), its.token(fan.user_id, key=SigningKey.of(signing_key(directory)))]

    async def statuses() -> list[int]:
        return [(await its.ask("GET", "point", "/points", token)).status_code for token in fans]

    assert await statuses() == [200, 200]
    withdraw_keys(directory, signing_key(directory))
    await eventually(statuses, lambda seen: seen == [401, 200], within=90)


@pytest.mark.parametrize(("kind", "method"), [(Kind.DATABASE, "write_database"), (Kind.BROKER, "write_broker")])
async def test_an_interrupted_rotation_is_made_good_by_the_next(
    path: Path, monkeypatch: pytest.MonkeyPatch, kind: Kind, method: str
) -> None:
    """What a server has been told is kept, so nobody sets it back; the next rotation reaches whom this one did not."""
    interrupted = f"{SERVICES[0].upper()}_{'DATABASE' if kind is Kind.DATABASE else 'RABBITMQ'}_URL"

    async def connect(name: str) -> None:
        url = stack.environment(path)[name]
        connection = await (asyncpg.connect(url) if kind is Kind.DATABASE else aio_pika.connect(url))
        await connection.close()

    def interrupt(*_: object) -> None:
        raise InterruptedError

    with monkeypatch.context() as patched:
        patched.setattr(HandedOut, method, interrupt)
        with pytest.raises(InterruptedError):
            await Rotation(Directory(path)).run(kind, Given({}))
    await connect(interrupted)

    await Rotation(Directory(path)).run(kind, Given({}))

    for service in SERVICES:
        await connect(interrupted.replace(SERVICES[0].upper(), service.upper()))


async def test_processes_that_start_later_know_the_new_secrets(path: Path) -> None:
    """Everything that is killed after that comes back, broker and databases included."""
    directory = Directory(path)
    for name in ("rabbitmq", "postgres", "point_svc", "payment_svc", "platform"):
        state = State.of(directory)
        assert state is not None
        pid = state.programs[name].pid
        assert pid is not None
        os.kill(pid, 9)

    def is_back() -> bool:
        state = State.of(directory)
        return state is not None and not state.unready()

    async def look() -> bool:
        return await asyncio.to_thread(is_back)

    await eventually(look, lambda back: not back)
    await eventually(look, within=90)
    async with System.of(stack.environment(path)) as system:
        async with selling(system):
            pass

        async def violated() -> list[str]:
            return [line for one in await examine(system.environment) for line in one.violations]

        await eventually(violated, lambda found: not found)
