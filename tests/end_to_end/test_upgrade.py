"""An event gets a second version while messages of the first wait in a queue."""

import json
import os
import shutil
import subprocess
import sys
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from functools import partial
from pathlib import Path
from uuid import UUID

import pytest

import stack
from stack.services import EACH
from tests.end_to_end.broker import Broker
from tests.end_to_end.catalogue import Catalogue
from tests.end_to_end.eventually import eventually
from tests.end_to_end.fan import Fan
from tests.end_to_end.observing import Observer
from tests.end_to_end.platform import Platform
from tests.end_to_end.system import System

ROOT = Path(__file__).parents[2]
CODE = ("contracts", "chassis", *(service.package for service in EACH), "stack", "window")
SAGAS = 5

pytestmark = pytest.mark.skipif("STACK_ENV" in os.environ, reason="upgrades processes, so it needs some of its own")


@pytest.fixture(scope="module")
def directory(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """Where a stack of this module's own keeps its data, across the upgrade."""
    path = tmp_path_factory.mktemp("upgraded")
    yield path
    stack.down(path)


@pytest.fixture(scope="module")
def old_code(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The system as it was when checkout.completed had one version, without seats, and queues had their limits."""
    tree = tmp_path_factory.mktemp("old-code")
    for package in CODE:
        shutil.copytree(ROOT / package, tree / package, ignore=shutil.ignore_patterns("__pycache__"))
    limited = tree / "chassis/choreography/topology.py"
    queues, no_limit = limited.read_text(), 'arguments = {\n        "x-queue-type": "quorum",\n        "x-dead'
    assert no_limit in queues
    limited.write_text(queues.replace(no_limit, no_limit.replace('"x-dead', '"x-delivery-limit": 1_000, "x-dead')))
    contract = tree / "contracts/checkout.py"
    text, upcaster = contract.read_text(), "@upcaster(Completed, version=1)\n"
    assert 'service="payment", version=2)' in text
    before, _, rest = text.replace('service="payment", version=2)', 'service="payment")').partition(upcaster)
    text = before + "class Failed(" + rest.partition("class Failed(")[2]
    contract.write_text(text.replace("    seat_ids: tuple[SeatId, ...]\n", ""))
    return tree


async def test_sagas_that_wait_in_the_first_version_end_in_the_second(directory: Path, old_code: Path) -> None:
    """Messages that old code left in the queues are lifted by the new code, and every saga ends well."""
    _run(old_code, directory, "up")
    async with _system(directory) as (system, broker), broker.observe(["payment.retry"]) as resting:
        await Platform(system).fail("error")
        checkouts = [await _buy(system) for _ in range(SAGAS)]
        await eventually(lambda: _sagas(resting), lambda sagas: len(sagas) == SAGAS)
        assert {message.headers["ce-type"] for message in resting.messages} == {"checkout.completed.v1"}
    _run(old_code, directory, "down")
    assert not stack.environment(directory), "the env file names what no longer runs"

    stack.up(directory)

    async with _system(directory) as (system, broker):
        for checkout_id in checkouts:
            delivered = await eventually(partial(Platform(system).delivery, checkout_id), within=150)
            assert delivered is not None
            assert json.loads(delivered["body"])["data"]["seat_ids"] == []
        newest = await Platform(system).delivered(await _buy(system))
        assert len(json.loads(newest["body"])["data"]["seat_ids"]) == 1
        assert await broker.depth("payment.parked") == 0
        queue = await broker.ask("queues/%2F/payment.send")
        assert queue["arguments"]["x-delivery-limit"] == 1_000, "the queue was made anew, and nobody asked for it"
        assert await eventually(partial(_limit, broker)) < 1_000


def _run(tree: Path, directory: Path, command: str) -> None:
    """Run a command of the stack with the code of a tree."""
    environment = os.environ | {"STACK_DIR": str(directory)}
    done = subprocess.run(  # noqa: S603  # the command is ours
        [sys.executable, "-m", "stack", command], cwd=tree, env=environment, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr


@asynccontextmanager
async def _system(directory: Path) -> AsyncIterator[tuple[System, Broker]]:
    environment = stack.environment(directory)
    async with System.of(environment) as system, Broker.of(environment) as broker:
        yield system, broker


async def _limit(broker: Broker) -> int:
    """The limit on deliveries that a policy sets; the broker says it a little later than it applies it."""
    queue = await broker.ask("queues/%2F/payment.send")
    return int(queue.get("effective_policy_definition", {}).get("delivery-limit", 0))


async def _buy(system: System) -> UUID:
    """A checkout that completed."""
    fan = Fan(system)
    hold = await fan.hold(*await Catalogue(system).free())
    await fan.charge(hold.total)
    state = await fan.check_out(hold)
    assert state["status"] == "completed", state
    return UUID(state["checkout_id"])


async def _sagas(observer: Observer) -> set[str | None]:
    return {message.correlation_id for message in observer.messages}
