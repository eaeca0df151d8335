"""What a stack consists of: its programs, in which order, with which environment."""

import json
import os
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from urllib.parse import urlsplit

from stack.credentials import REPLICA, ROLES, Credentials, role
from stack.directory import Directory
from stack.ports import Ports
from stack.program import Once, Program
from stack.progress import Progress
from stack.run.given import Given
from stack.run.python import python, run
from stack.run.targets import write_targets
from stack.servers import balancer, binaries, rabbitmq
from stack.servers.balancer import Front
from stack.servers.cluster import Cluster
from stack.servers.foreign import ForeignBroker
from stack.servers.handed_out import HandedOut
from stack.servers.postgres import Server
from stack.servers.standby import Pair
from stack.servers.tls import Authority
from stack.services import EACH, GENEROUS, PROCESSES, SERVICES, WINDOW, Told
from stack.size import Size, numbered
from stack.tokens import publish_key


@dataclass
class Plan:
    """The programs of a stack and the lines of its env file, without what the caller's environment names."""

    directory: Directory
    programs: list[Program] = field(default_factory=list)
    onces: list[Once] = field(default_factory=list)
    environment: dict[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        """Claim the ports and lay everything out; nothing is started."""
        self._given = Given.by(os.environ)
        self._size = Size.of(os.environ, self.directory)
        self._ports = Ports(self.directory, self._size)
        self._credentials = Credentials.of(self.directory)
        self._tokens = self._keys_of_tokens()
        self._authority = Authority(self.directory) if wants_tls() else None
        if self._authority:
            self._authority.issue("rabbitmq", "postgres")
        self._handed_out = HandedOut(self.directory)
        self._needs: list[str] = []
        self._service_needs: list[str] = []
        self._uses: list[str] = []
        self._urls = {name: f"http://127.0.0.1:{self._ports[name]}" for name in _http_programs()}
        if self._given.urls:
            self.onces.append(Once("given-servers", self._given.require_answers))
            self._needs.append("given-servers")
        self._add_databases()
        self._add_broker()
        self._add_platform()
        self._environments = {service.name: self._environment_of(service) for service in EACH}
        self._add_migrations()
        for service in EACH:
            self._add_service(service)
        self._add_stage()
        self.onces.append(Once("catalogue", self._seed, needs=tuple(self._places("seat_svc"))[:1]))
        if self._given.has_window:
            self._add_window()
        if self._size.is_balanced:
            self.programs.append(balancer.program(self.directory, self._ports["balancer"], list(self._fronts())))
        self._describe()

    def write_files(self) -> None:
        """Write the env file, and what is to be remembered or found beside it."""
        self._size.keep(self.directory)
        self.directory.describe(self.environment)
        write_targets(self.directory, {one.name: list(self._places(one.package).values()) for one in EACH})

    def _keys_of_tokens(self) -> dict[str, str]:
        """Where the services find the keys of tokens, and the key to issue some with, unless somebody else does."""
        if keys := os.environ.get("TOKEN_KEYS"):
            return {"TOKEN_KEYS": keys}
        signing = os.environ.get("TOKEN_SIGNING_KEY") or self._credentials.token_signing_key
        return {"TOKEN_KEYS": str(publish_key(self.directory, signing)), "TOKEN_SIGNING_KEY": signing}

    def _add_databases(self) -> None:
        given = self._given.databases
        wanted = PROCESSES if self._given.has_window else SERVICES
        missing = tuple(name for name in wanted if name not in given)
        one = Server(self.directory, self._ports, self._credentials, missing, self._authority, self._size.replicas)
        server = Pair(one) if self._size.standby else one
        self._database_urls = {name: given.get(name) or server.url(name, name) for name in wanted}
        # In a database that somebody else runs, the role that is given does everything.
        self._role_urls = {(name, kind): server.url(role(name, kind), name) for name in missing for kind in ROLES}
        self._service_urls = {
            **given,
            **{name: server.url_without_password(name, name, self._handed_out.database(name)) for name in missing},
        }
        for name in (*missing, REPLICA):
            self._handed_out.write_database(name, self._credentials)
        if missing:
            self.programs += server.programs()
            self.onces += server.onces()
            self._needs += server.names
            # Nothing can be committed any more when one of two has gone.
            self._uses += server.processes

    def _add_broker(self) -> None:
        given = self._given
        self._broker: rabbitmq.Node | Cluster | ForeignBroker
        if given.broker:
            self._broker = ForeignBroker(given.broker, given.management, self._credentials, EACH)
            self.onces.append(Once("broker-users", self._broker.create_users, tuple(self._needs)))
            self._needs.append("broker-users")
            return
        node = rabbitmq.Node(
            self.directory, self._ports, self._credentials, EACH, self._authority, nodes=self._size.nodes
        )
        self._broker = broker = Cluster(node) if self._size.nodes > 1 else node
        self.programs += broker.programs()
        self.onces += broker.onces()
        # A service waits for its broker by itself: so it gets ready while the broker boots, which takes longest.
        self._uses += broker.names
        self._service_needs += [once.name for once in broker.onces()]

    def _add_platform(self) -> None:
        for program in ("platform", "payment"):
            self._handed_out.write_webhooks(program, self._credentials.platform_secret)
        settings = {
            "PLATFORM_HOST": "127.0.0.1",
            "PLATFORM_PORT": str(self._ports["platform"]),
            "PLATFORM_SECRET_FILE": str(self._handed_out.webhooks("platform")),
            "PLATFORM_DATA": str(self.directory.path / "platform"),
        }
        self.programs.append(python("platform", "stack.platform", settings, self._ports["platform"]))

    def _add_stage(self) -> None:
        """Have the stage beside it, where this stack issues the tokens: without their key it could be nobody's fan."""
        if "TOKEN_SIGNING_KEY" in self._tokens:
            settings = {
                "STAGE_HOST": "127.0.0.1",
                "STAGE_PORT": str(self._ports["stage"]),
                "STAGE_STACK": str(self.directory.path),
                "TOKEN_KEYS": self._tokens["TOKEN_KEYS"],
            }
            self.programs.append(python("stage", "stack.stage", settings, self._ports["stage"]))

    def _add_migrations(self) -> None:
        """Have the databases that are ours migrated; a service that has been given one does it by itself."""
        if any(name != WINDOW for name, _ in self._role_urls):
            self.onces.append(Once("migrations", self._migrate, tuple(self._needs)))
            self._needs.append("migrations")

    def _environment_of(self, service: Told) -> dict[str, str]:
        name = service.name
        offers = {
            "database_url": _via(f"{name.upper()}_DATABASE_VIA", self._service_urls[name]),
            **self._broker_offers(name),
            "host": "127.0.0.1",
            "platform_url": f"{self._urls['platform']}/deliveries",
            "platform_secret_file": str(self._handed_out.webhooks(name)),
            **GENEROUS,
        }
        return service.takes(offers) | {"TOKEN_KEYS": self._tokens["TOKEN_KEYS"]}

    def _add_service(self, service: Told) -> None:
        for name, port in self._places(service.package).items():
            settings = self._environments[service.name] | service.takes({"port": str(port)})
            program = python(name, f"{service.package}.main", settings, port)
            needs = (*self._needs, *self._service_needs)
            self.programs.append(replace(program, needs=needs, uses=tuple(self._uses)))

    def _places(self, package: str) -> dict[str, int]:
        """The processes of a service by their names, and where each listens."""
        count = self._size.replicas
        names = [package] if count == 1 else [numbered(package, number) for number in self._size.numbers(count)]
        return {name: self._ports[name] for name in names}

    def _fronts(self) -> Iterator[Front]:
        """The addresses behind which several stand."""
        if self._size.replicas > 1:
            for service in EACH:
                places = list(self._places(service.package).values())
                yield Front(service.package, self._ports[service.package], places)
        if isinstance(self._broker, Cluster):
            for name in ("rabbitmq", "management"):
                yield Front(name, self._ports[name], self._broker.ports(name), is_http=False)

    def _add_window(self) -> None:
        """Nothing waits for the window, and it waits until the services have been started."""
        settings = {
            "WINDOW_HOST": "127.0.0.1",
            "WINDOW_PORT": str(self._ports[WINDOW]),
            "WINDOW_DATABASE_URL": _via("WINDOW_DATABASE_VIA", self._service_urls[WINDOW]),
            "WINDOW_MANAGEMENT_URL": without_user(self._broker.management_url),
            "WINDOW_MANAGEMENT_PAGE": without_user(self._broker.management_url),
            "WINDOW_SERVICES": json.dumps({service.name: self._urls[service.package] for service in EACH}),
            **{f"WINDOW_{name.upper()}": value for name, value in self._broker_offers(WINDOW).items()},
            "WINDOW_ADDRESS_REQUESTS": GENEROUS["address_requests"],
            "TOKEN_KEYS": self._tokens["TOKEN_KEYS"],
        }
        if "TOKEN_SIGNING_KEY" in self._tokens:
            settings["WINDOW_STAGE_URL"] = self._urls["stage"]
        needs = tuple(self._needs)
        if owner_url := self._role_urls.get((WINDOW, "owner")):
            told = settings | {"WINDOW_MIGRATION_URL": owner_url}
            self.onces.append(Once("window-migration", lambda: self._migrate_window(told), needs))
            needs += ("window-migration",)
        program = python(WINDOW, WINDOW, settings, self._ports[WINDOW])
        self.programs.append(replace(program, needs=(*needs, *self._service_needs), uses=tuple(self._uses)))

    async def _migrate_window(self, settings: dict[str, str]) -> None:
        trouble = "the database of the window cannot be migrated"
        await run(self.directory, "window-migration", settings, "window", "migrate", trouble=trouble)

    def _broker_offers(self, service: str) -> dict[str, str]:
        via = f"{service.upper()}_RABBITMQ_VIA"
        if isinstance(self._broker, ForeignBroker):
            return {"rabbitmq_url": _via(via, self._broker.url(service))}
        self._handed_out.write_broker(service, self._credentials)
        return {
            "rabbitmq_url": _via(via, self._broker.url_without_password(service)),
            "rabbitmq_password_file": str(self._handed_out.broker(service)),
        }

    async def _migrate(self) -> None:
        owners = {name: url for (name, kind), url in self._role_urls.items() if kind == "owner" and name != WINDOW}
        settings = {key: value for name in owners for key, value in self._environments[name].items()}
        settings |= {f"{name.upper()}_MIGRATION_URL": url for name, url in owners.items()}
        trouble = "the databases cannot be migrated"
        await run(self.directory, "migrations", settings, "chassis", "migrate", *owners, trouble=trouble)

    async def _seed(self) -> None:
        url = self._role_urls.get(("seat", "owner")) or self._database_urls["seat"]
        settings = {"SEAT_DATABASE_URL": url}
        await run(self.directory, "catalogue", settings, "seat_svc.catalogue", trouble="the catalogue cannot be filled")

    def _describe(self) -> None:
        for service in SERVICES:
            self.environment[f"{service.upper()}_URL"] = self._urls[f"{service}_svc"]
            if self._size.replicas > 1:
                for number, port in enumerate(self._places(f"{service}_svc").values(), 1):
                    self.environment[f"{service.upper()}_URL_{number}"] = f"http://127.0.0.1:{port}"
        self.environment["PLATFORM_URL"] = self._urls["platform"]
        if "TOKEN_SIGNING_KEY" in self._tokens:
            self.environment["STAGE_URL"] = self._urls["stage"]
        if self._given.has_window:
            self.environment["WINDOW_URL"] = self._urls[WINDOW]
        for service in PROCESSES if self._given.has_window else SERVICES:
            self.environment[f"{service.upper()}_DATABASE_URL"] = self._database_urls[service]
            self.environment |= {
                f"{service.upper()}_{kind.upper()}_DATABASE_URL": url
                for (name, kind), url in self._role_urls.items()
                if name == service
            }
            self.environment[f"{service.upper()}_RABBITMQ_URL"] = self._broker.url(service)
        for told in self._environments.values():
            # Whoever does a service's work in its place is told what it is told.
            self.environment |= {name: value for name, value in told.items() if "_PLATFORM_" in name}
        self.environment["RABBITMQ_URL"] = self._broker.url()
        self.environment["RABBITMQ_MANAGEMENT_URL"] = self._broker.management_url
        self.environment |= self._tokens


def wants_tls() -> bool:
    """Whether the servers of the stack are to speak TLS, and nothing else."""
    return bool(os.environ.get("STACK_TLS"))


def _http_programs() -> list[str]:
    return [service.package for service in EACH] + ["platform", "stage", WINDOW]


def without_user(url: str) -> str:
    """The URL without the user and the password in it."""
    parts = urlsplit(url)
    return parts._replace(netloc=parts.netloc.rpartition("@")[2]).geturl()


def _via(name: str, url: str) -> str:
    """The URL, led through the `host:port` that the variable `name` holds: for tests that put something between."""
    place = os.environ.get(name)
    if not place:
        return url
    parts = urlsplit(url)
    return parts._replace(netloc=f"{parts.netloc.rpartition('@')[0]}@{place}").geturl()


def ensure_installed(directory: Directory, progress: Progress) -> None:
    """Find or install the programs that a stack of this environment needs."""
    given, size = Given.by(os.environ), Size.of(os.environ, directory)
    if size.is_balanced:
        balancer.ensure_installed(directory, progress)
    if not given.broker:
        rabbitmq.ensure_installed(directory, progress)
    if any(service not in given.databases for service in SERVICES):
        binaries.ensure_installed(directory, progress, tls=wants_tls())
