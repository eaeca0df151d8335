"""Rotation: every secret of a running stack gets a new value, and nobody who uses the system notices.

Connections that stand go on. New ones read their password from a file that is changed in the same moment as the
server; one that comes in between is refused and tried again, as after any other failure.

Servers are given, whenever they start, the passwords that are kept. So new ones are kept before anybody gets them; what
an interrupted rotation has left undone, the next one or the next start of the stack does.
"""

import asyncio
from enum import StrEnum
from urllib.parse import urlsplit

import asyncpg
import httpx2

from stack.credentials import ADMIN, Credentials, broker_users
from stack.directory import Directory
from stack.errors import StackError
from stack.run.given import Given
from stack.servers.definitions import WINDOW_TAGS, user
from stack.servers.handed_out import HandedOut
from stack.servers.rabbitmq import write_definitions
from stack.servers.roles import roles_of
from stack.services import EACH, PROCESSES, SERVICES, WINDOW
from stack.tokens import publish_key, with_operator

SETTLE_SECONDS = 1.5
"""How long a new key of tokens is published before one is signed with it: services read keys at most once a second"""


class Kind(StrEnum):
    """The kinds of secrets."""

    TOKENS = "tokens"
    DATABASE = "database"
    BROKER = "broker"
    WEBHOOKS = "webhooks"


class Rotation:
    """What can be changed of one stack while it runs; the administrator's passwords stay."""

    def __init__(self, directory: Directory) -> None:
        """Raises StackError where no stack runs."""
        if not directory.is_supervised:
            raise StackError(f"nothing runs in {directory.path}: run  make up, and rotate then")
        self._directory = directory
        self._files = HandedOut(directory)

    async def run(self, kind: Kind, given: Given) -> None:
        """Change the secrets of this kind; raises StackError where somebody else keeps them."""
        if (kind is Kind.BROKER and given.broker) or (kind is Kind.DATABASE and given.databases):
            raise StackError(f"the {kind} is somebody else's: change its passwords there")
        match kind:
            case Kind.TOKENS:
                await self.tokens()
            case Kind.DATABASE:
                await self.database()
            case Kind.BROKER:
                await self.broker()
            case Kind.WEBHOOKS:
                await self.webhooks()

    async def tokens(self) -> None:
        """A new key of tokens; what was signed with the old one is good until it ends."""
        new = self._renewed("token_signing_key")
        publish_key(self._directory, new.token_signing_key)
        await asyncio.sleep(SETTLE_SECONDS)
        self._keep(new)

    async def database(self) -> None:
        """New passwords for the roles of every database; the files of the services change with the server."""
        new = self._renewed(*(name for service in PROCESSES for name in roles_of(service)))
        self._keep(new)
        admin = await asyncpg.connect(self._admin_url())
        try:
            for service in PROCESSES:
                async with admin.transaction():
                    for name in roles_of(service):
                        await admin.execute(f"ALTER ROLE \"{name}\" PASSWORD '{new.password(name)}'")
                self._files.write_database(service, new)
        finally:
            await admin.close()

    async def broker(self) -> None:
        """New passwords for the users of the services."""
        new = self._renewed(*broker_users())
        self._keep(new)
        # The node loads them whenever it starts.
        write_definitions(self._directory, EACH, new)
        api_url = self._directory.running()["RABBITMQ_MANAGEMENT_URL"]
        async with httpx2.AsyncClient(base_url=api_url, trust_env=False) as api:
            for name in PROCESSES:
                tags = WINDOW_TAGS if name == WINDOW else ()
                told = user(new.broker_password(name), tags)
                (await api.put(f"/api/users/{name}", json=told)).raise_for_status()
                self._files.write_broker(name, new)

    async def webhooks(self) -> None:
        """A new secret of deliveries: both are signed with until the platform knows the new one."""
        new = self._renewed("platform_secret")
        old = Credentials.of(self._directory).platform_secret
        for program, secrets in (
            ("payment", (old, new.platform_secret)),
            ("platform", (old, new.platform_secret)),
            ("payment", (new.platform_secret,)),
            ("platform", (new.platform_secret,)),
        ):
            self._files.write_webhooks(program, *secrets)
        self._keep(new)

    def _renewed(self, *names: str) -> Credentials:
        return Credentials.of(self._directory).renewed(*names)

    def _keep(self, new: Credentials) -> None:
        """Remember the new secrets, and say them in the env file."""
        old = Credentials.of(self._directory).model_dump()
        environment = self._directory.running()
        for name, secret in new.model_dump().items():
            environment = {key: value.replace(old[name], secret) for key, value in environment.items()}
        new.write(self._directory)
        self._directory.describe(with_operator(environment))

    def _admin_url(self) -> str:
        place = urlsplit(self._directory.running()[f"{SERVICES[0].upper()}_OWNER_DATABASE_URL"])
        password = Credentials.of(self._directory).admin
        netloc = f"{ADMIN}:{password}@{place.netloc.rpartition('@')[2]}"
        return place._replace(netloc=netloc, path="/postgres").geturl()
