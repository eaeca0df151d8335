"""The parts of the stage that need no running stack: rests, processes, crowds, poison."""

import asyncio
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, cast
from uuid import uuid4

import pytest

from chassis.web.problem import Problem
from stack.directory import Directory
from stack.run.rest import MAX_SECONDS, rest, rested, rests_for, wake
from stack.run.state import Entry, State, start_time
from stack.stage import processes
from stack.stage.crowd import Crowd
from stack.stage.fans import MAX_FANS, MAX_SAGAS, Fans, Remembered
from stack.stage.poison import MAX_A_MINUTE, Poison, steps
from stack.stage.processes import Processes
from stack.stage.view import seat_state
from tests.end_to_end.eventually import eventually

SERVICE = "seat_svc"


@pytest.fixture
def directory(tmp_path: Path) -> Directory:
    """The folder of a stack that was never started."""
    directory = Directory.of(tmp_path / "stack")
    directory.create()
    return directory


@pytest.fixture
def process(directory: Directory) -> Iterator[subprocess.Popen[bytes]]:
    """A process that the state of the stack takes for a service."""
    sleeping = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(60)"])
    entry = Entry(pid=sleeping.pid, started=start_time(sleeping.pid), ready_after=1.0)
    State(programs={SERVICE: entry, "postgres": entry}).save(directory)
    yield sleeping
    sleeping.kill()
    sleeping.wait()


def test_rest_is_bounded(directory: Directory) -> None:
    """Whatever is asked for, a program may be started again after two minutes."""
    rest(directory, SERVICE, 1e9)

    assert MAX_SECONDS - 5 < rests_for(directory, SERVICE) <= MAX_SECONDS
    assert rests_for(directory, "point_svc") == 0


async def test_rest_ends_by_itself_or_by_word(directory: Directory) -> None:
    """Whoever waits for its end goes on then, and the next time at once."""
    rest(directory, SERVICE, 0.2)
    began = time.monotonic()
    await rested(directory, SERVICE)
    waited = time.monotonic() - began

    rest(directory, SERVICE, 60)
    waiting = asyncio.create_task(rested(directory, SERVICE))
    await asyncio.sleep(0)
    wake(directory, SERVICE)
    await asyncio.wait_for(waiting, 5)

    assert waited >= 0.1
    assert not list(directory.rests.iterdir())


async def test_paused_process_goes_on_by_itself(
    directory: Directory, process: subprocess.Popen[bytes], monkeypatch: pytest.MonkeyPatch
) -> None:
    """A pause that nobody ends is over after a while."""
    monkeypatch.setattr(processes, "MAX_PAUSE", 0.3)
    playing = Processes(directory)

    await playing.pause(SERVICE)

    async def look() -> str:
        return playing.all()[0].condition

    assert await eventually(look, lambda condition: condition == "paused") == "paused"
    assert await eventually(look, lambda condition: condition == "running") == "running"


async def test_whatever_stands_still_can_be_resumed_at_once(
    directory: Directory, process: subprocess.Popen[bytes]
) -> None:
    """Also what another stage has paused, of which this one knows nothing."""
    process.send_signal(signal.SIGSTOP)
    playing = Processes(directory)

    async def look() -> str:
        return playing.all()[0].condition

    await eventually(look, lambda condition: condition == "paused")
    playing.resume_all()

    assert await eventually(look, lambda condition: condition == "running") == "running"


@pytest.mark.parametrize("name", ["postgres", "../seat_svc", "window"])
async def test_only_services_are_broken(directory: Directory, process: subprocess.Popen[bytes], name: str) -> None:
    """A database, or whatever else is in the state, is none."""
    with pytest.raises(Problem, match="There is no such service"):
        Processes(directory).kill(name)

    assert process.poll() is None


async def test_another_process_of_the_same_id_is_left_alone(
    directory: Directory, process: subprocess.Popen[bytes]
) -> None:
    """What is noted has ended, and its id has gone to somebody else."""
    State(programs={SERVICE: Entry(pid=process.pid, started=1)}).save(directory)

    with pytest.raises(Problem, match="seat_svc does not run"):
        Processes(directory).kill(SERVICE)

    assert process.poll() is None


def test_only_the_latest_sagas_of_the_latest_fans_are_remembered() -> None:
    """Neither many fans nor a busy one fill the memory."""
    remembered = Remembered()
    for number in range(MAX_FANS + 1):
        remembered.note(f"fan-{number}", str(uuid4()), "hold")
    known = [str(uuid4()) for _ in range(MAX_SAGAS + 3)]
    for saga_id in known:
        remembered.note("fan-7", saga_id, "checkout")

    assert remembered.of("fan-0") == []
    assert [str(saga.saga_id) for saga in remembered.of("fan-7")] == known[: -MAX_SAGAS - 1 : -1]


class FakeFans:
    """Fans of whom the first to hold gets the seat."""

    def __init__(self) -> None:
        self.holder = ""
        self.gate = asyncio.Event()

    async def charge(self, fan: str, amount: int) -> int:
        """Everybody can."""
        await self.gate.wait()
        return amount

    async def hold(self, fan: str, seat_ids: list[int], wait: int) -> Mapping[str, Any]:
        """The first."""
        self.holder = self.holder or fan
        status = "temp" if fan == self.holder else "rejected"
        return {"payment_id": str(uuid4()), "status": status, "reason": None if status == "temp" else "seat-taken"}

    async def pay(self, fan: str, payment_id: object, wait: int) -> Mapping[str, Any]:
        """Whoever holds it."""
        return {"checkout_id": str(uuid4()), "status": "completed", "reason": None}


async def test_crowd_says_who_has_it_and_why_others_do_not() -> None:
    """One crowd is under way at a time."""
    fans = FakeFans()
    crowd = Crowd(cast("Fans", fans))
    rushing = asyncio.create_task(crowd.rush(7, 50_000, 20))
    await asyncio.sleep(0)
    with pytest.raises(Problem, match="A crowd is under way"):
        await crowd.rush(8, 50_000, 20)
    fans.gate.set()

    rush = await rushing

    assert (rush.bought_by, rush.held_by) == ([fans.holder], [fans.holder])
    assert (rush.fans, rush.refusals) == (20, {"seat-taken": 19})


async def test_poison_is_rationed(monkeypatch: pytest.MonkeyPatch) -> None:
    """So many messages in a minute, each to a step that there is."""
    poured: list[str] = []

    async def publish(url: str, queue: str, message: object) -> None:
        poured.append(queue)

    monkeypatch.setattr("stack.stage.poison._publish", publish)
    poison = Poison()
    for _ in range(MAX_A_MINUTE):
        await poison.pour("", "point.spend")
    with pytest.raises(Problem, match="enough for now"):
        await poison.pour("", "point.spend")
    with pytest.raises(Problem, match="no such step"):
        await poison.pour("", "payment.request")

    assert poured == ["point.spend"] * MAX_A_MINUTE
    assert "seat.reserve" in steps()


@pytest.mark.parametrize(
    ("status", "mine", "others"),
    [
        ("AVAILABLE", "available", "available"),
        ("OCCUPIED", "yours", "held"),
        ("RESERVED", "bought", "sold"),
        ("WITHDRAWN", "withdrawn", "withdrawn"),
    ],
)
def test_seat_is_seen_with_the_eyes_of_the_fan(status: str, mine: str, others: str) -> None:
    """What is mine is another thing than what is somebody else's."""
    assert (seat_state(status, is_mine=True), seat_state(status, is_mine=False)) == (mine, others)


def test_moments_do_not_depend_on_the_zone() -> None:
    """What is noted of a saga is in UTC."""
    remembered = Remembered()
    remembered.note("fan", str(uuid4()), "hold")

    assert remembered.of("fan")[0].begun_at.tzinfo is UTC
    assert remembered.of("fan")[0].begun_at <= datetime.now(UTC)
