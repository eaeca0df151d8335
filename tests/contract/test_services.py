"""The services are listed once: by their folders. Whatever else names them all follows from those."""

import json
import shutil
from pathlib import Path

import pytest
import yaml

from chassis.choreography.declaration import Service
from stack.credentials import Credentials
from stack.directory import ROOT, Directory
from stack.errors import StackError
from stack.kubernetes.files import BASE
from stack.ports import Ports
from stack.published import BALANCER, BEGIN, COMPOSE, DEFINITIONS, ROLES, WALLS, publish, stale
from stack.services import EACH, SERVICES, Told

FILES = (
    COMPOSE,
    DEFINITIONS,
    ROLES,
    BALANCER,
    WALLS,
    *(path.relative_to(ROOT) for path in (ROOT / BASE).glob("*.yaml")),
)
RAFFLE = Told("raffle", 8050, EACH[0].settings, Service("raffle"))


@pytest.fixture
def copy(tmp_path: Path) -> Path:
    """A copy of the files that are published."""
    for path in FILES:
        (tmp_path / path).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(ROOT / path, tmp_path / path)
    return tmp_path


def test_the_published_lists_are_current() -> None:
    """Each file that lists the services lists those whose folders there are."""
    assert stale(EACH, ROOT) == []


def test_a_new_service_is_published_everywhere(copy: Path) -> None:
    """A service that comes gets a container, a broker user, a database and its place in the walls."""
    written = publish([*EACH, RAFFLE], copy)

    published = {COMPOSE, DEFINITIONS, ROLES, BALANCER, WALLS, BASE / "raffle.yaml", BASE / "kustomization.yaml"}
    assert set(written) >= published
    containers = yaml.safe_load((copy / COMPOSE).read_text())["services"]
    environment = containers["raffle_svc"]["environment"]
    assert environment["RAFFLE_RABBITMQ_URL"] == "amqp://raffle:raffle-development@brokers:5672/"
    assert "127.0.0.1:${RAFFLE_HOST_PORT:-8050}:8050" in containers["balancer"]["ports"]
    assert "server-template raffle_svc- 8 raffle_svc:8000" in (copy / BALANCER).read_text()
    assert "raffle" in {user["name"] for user in json.loads((copy / DEFINITIONS).read_text())["users"]}
    assert 'CREATE DATABASE "raffle" OWNER "raffle_owner"' in (copy / ROLES).read_text()
    assert ', "raffle_svc.steps"]' in (copy / WALLS).read_text()
    assert stale([*EACH, RAFFLE], copy) == []


def test_a_service_that_goes_is_published_nowhere(copy: Path) -> None:
    """What was published for a service that is gone goes with the next publishing."""
    publish([*EACH, RAFFLE], copy)

    publish(EACH, copy)

    assert all((copy / path).read_text() == (ROOT / path).read_text() for path in FILES)
    assert not (copy / BASE / "raffle.yaml").exists()


def test_a_compose_file_without_its_markers_is_refused(copy: Path) -> None:
    """Where the services belong is asked for, not guessed."""
    compose = copy / COMPOSE
    compose.write_text(compose.read_text().replace(BEGIN, ""))

    with pytest.raises(StackError, match="needs the lines"):
        publish(EACH, copy)


def test_a_service_is_offered_what_it_has_a_setting_for() -> None:
    """What a service needs beyond the rest it says by having a setting of that name."""
    offers = {"port": "1", "platform_url": "http://platform"}

    taken = {service.name: service.takes(offers) for service in EACH}

    assert taken["payment"] == {"PAYMENT_PORT": "1", "PAYMENT_PLATFORM_URL": "http://platform"}
    assert taken["seat"] == {"SEAT_PORT": "1"}


def test_a_stack_that_exists_takes_in_a_new_service(tmp_path: Path) -> None:
    """A stack whose files were written before a service came keeps its passwords and ports, and adds those missing."""
    # given
    directory, newest = Directory(tmp_path), EACH[-1]
    passwords = Credentials.of(directory).model_dump()
    (tmp_path / "credentials.json").write_text(json.dumps({k: v for k, v in passwords.items() if k != newest.name}))
    chosen = Ports(directory)
    ports = {service.package: chosen[service.package] for service in EACH}
    (tmp_path / "ports.json").write_text(json.dumps({k: v for k, v in ports.items() if k != newest.package}))
    chosen.release()

    # when
    credentials, claimed = Credentials.of(directory), Ports(directory)

    # then
    assert {name: credentials.password(name) for name in SERVICES[:-1]} == {k: passwords[k] for k in SERVICES[:-1]}
    assert credentials.password(newest.name) == Credentials.of(directory).password(newest.name)
    assert {service.package: claimed[service.package] for service in EACH[:-1]} == {
        service.package: ports[service.package] for service in EACH[:-1]
    }
    assert claimed[newest.package] > 0
    claimed.release()
