"""`python -m tests.attacks.fuzz`: random messages to all queues, random requests to all endpoints, and a judgement.

A stack of its own is brought up in a temporary folder. It is judged whether every service stays ready and stays one
process with its sessions and consumers, whether nothing is answered with an error of the server, whether memory stays
flat, whether real fans get what they should, whether a message got lost, and in the end whether all invariants hold.

What is counted: a message that the broker has confirmed, once for every queue of a step that it was routed to, if it
can be told from all others by its correlation id. Such a copy has to be noted in the inbox of the step, or be found
among what is parked or rests, when the queues are empty. Asks are not counted, because what is not understood of them
is dropped, nor are messages whose correlation id was spoiled, nor those that expire and say of themselves that they
have been dead-lettered before: the broker itself may drop them.
"""

import asyncio
import contextlib
import logging
import random
import subprocess
import sys
import tempfile
import time
from collections.abc import AsyncIterator, Callable, Sequence
from pathlib import Path
from typing import Annotated

import typer

import stack
from chassis.broker.parked import discard, looking, parked_queues, resting_queues
from chassis.broker.record import FileRecord
from chassis.choreography.loading import load
from stack.demo.invariants import examine
from stack.directory import ROOT
from stack.services import SERVICES
from tests.attacks.buyers import Buyers
from tests.attacks.endpoints import Siege
from tests.attacks.messages import Messages
from tests.attacks.probes import probe
from tests.attacks.queues import Aside, Barrage, Tally, discarding, handled
from tests.attacks.requests import Requests, Tokens, operations
from tests.attacks.teller import Teller
from tests.attacks.watch import Watch
from tests.end_to_end.eventually import eventually
from tests.end_to_end.fan import Operator
from tests.end_to_end.system import System

RATE = 200.0
LEAST_IN_A_MINUTE = 10_000
EMPTY_WITHIN = 600.0
SETTLED_WITHIN = 240.0
DISCARDED_BY_HAND = 20
"""How many messages of each service are discarded as an operator does it"""
LISTED_WITHIN = 400.0


class Fuzz:
    """One run against one stack."""

    def __init__(self, system: System, path: Path, seed: int, teller: Teller) -> None:
        self.faults: list[str] = []
        self._system = system
        self._path = path
        self._seed = seed
        self._teller = teller
        self._watch = Watch(system, path)
        self._buyers = Buyers(system)

    async def begin(self) -> None:
        """Wait until the broker's management has counted the consumers, which takes some seconds."""
        await eventually(self._watch.without_consumer, lambda missing: not missing)

    async def queues(self, seconds: float, leave_out: Sequence[str]) -> None:
        """Attack the queues, and account for every message."""
        messages = Messages(random.Random(self._seed), leave_out)  # noqa: S311  # no secret
        barrage = Barrage(self._system.environment, messages, RATE)
        tally = barrage.tally
        async with self._under_watch(lambda: f"queues: {tally.sent} sent, {dict(tally.outcomes)}"):
            await barrage.run(seconds)
        least = LEAST_IN_A_MINUTE * seconds / 60
        if tally.sent < least:
            self.faults.append(f"only {tally.sent} messages were sent, not {least:.0f}")
        async with self._under_watch(lambda: "waiting until all queues of steps are empty"):
            await self._until_empty()
        await self._operate()
        await self._account(tally)

    async def endpoints(self, seconds: float) -> None:
        """Attack the endpoints."""
        found = []
        for service in SERVICES:
            found += operations(service, (await self._system.ask("GET", service, "/openapi.json")).json())
        users = [self._system.token(f"fuzz-{number}") for number in range(3)]
        tokens = Tokens(users, Operator(self._system).token)
        siege = Siege(self._system, Requests(random.Random(self._seed + 1), found, tokens))  # noqa: S311  # no secret
        async with self._under_watch(lambda: f"endpoints: {siege.answers.sent} sent, {dict(siege.answers.statuses)}"):
            await siege.run(seconds)
        self._teller.done(f"{siege.answers.sent} requests: {dict(siege.answers.statuses.most_common())}")
        for what, times in siege.answers.errors.most_common(10):
            attack, answer = siege.answers.examples[what]
            self.faults.append(f"{times} times {what}: {b''.join(attack.parts)[:600]!r} -> {answer[:300]!r}")

    async def settle(self) -> None:
        """Discard what is left, until all invariants hold."""
        ends = time.monotonic() + SETTLED_WITHIN
        violations: list[str] = []
        async with discarding(self._system.environment):
            while time.monotonic() < ends:
                findings = await examine(self._system.environment, self._buyers.accepted)
                violations = [f"{one.invariant} {one.what}: {one.violations[:3]}" for one in findings if one.violations]
                if not violations and await self._watch.all_ready():
                    break
                self._teller.now(f"waiting until all invariants hold: {violations}")
                await asyncio.sleep(1)
        self.faults += violations

    async def probe(self) -> None:
        """Send single messages that may stop something, and see whether fans still can buy."""
        self.faults += await probe(self._system, self._watch, self._teller.done)

    def judge(self) -> None:
        """Add what the whole run has shown."""
        self._teller.done("\n".join(self._watch.memory_lines()))
        asked = self._watch.ready + self._watch.unready.total()
        self._teller.done(f"ready at {self._watch.ready} of {asked} looks")
        self._teller.done(f"checkouts: {dict(self._buyers.ends)}, the longest took {self._buyers.longest:.1f} s")
        self._teller.done(f"turned away for a moment, and came again: {self._buyers.asked_again} times")
        self.faults += self._watch.objections()
        self.faults += [
            f"a checkout ended otherwise, {times} times: {how}" for how, times in self._buyers.wrong.items()
        ]
        self.faults += [
            f"no consumer at {times} looks: {step}" for step, times in self._watch.missing.items() if times > 2
        ]

    @contextlib.asynccontextmanager
    async def _under_watch(self, what: Callable[[], str]) -> AsyncIterator[None]:
        """Watch, tell, and let fans buy while the context lasts."""

        async def tell() -> None:
            while True:
                memory = "/".join(f"{samples[-1] >> 20}" for samples in self._watch.memory.values() if samples)
                more = f"{sum(self._buyers.ends.values())} checkouts, {self._watch.unready.total()} times unready"
                self._teller.now(f"{what()}, {memory} MiB, {more}")
                await asyncio.sleep(0.5)

        tasks = [asyncio.create_task(one) for one in (self._watch.go_on(), tell(), self._buyers.come())]
        try:
            yield
        finally:
            for task in tasks:
                task.cancel()
            ends = await asyncio.gather(*tasks, return_exceptions=True)
            self.faults += [f"the watch has ended: {one!r}" for one in ends if isinstance(one, Exception)]

    async def _until_empty(self) -> None:
        """Wait until the steps have taken what is in their queues, and some seconds more."""
        ends, still = time.monotonic() + EMPTY_WITHIN, 0
        while still < 3:
            left = await self._left()
            still = 0 if left else still + 1
            if time.monotonic() > ends:
                self.faults.append(f"queues are not empty after {EMPTY_WITHIN:.0f} s: {left}")
                return
            await asyncio.sleep(5)

    async def _left(self) -> dict[str, int]:
        """What the queues of steps and asks hold."""
        aside = {queue for service in SERVICES for queue in (*parked_queues(service), *resting_queues(service))}
        return {
            one["name"]: one["messages"]
            for one in await self._watch.queues()
            if one["name"] not in aside and one.get("messages")
        }

    async def _operate(self) -> None:
        """List everything as an operator does, and discard some of it."""
        for what, queues_of in (("parked", parked_queues), ("resting", resting_queues)):
            self._teller.now(f"listing what is {what}", at_once=True)
            try:
                command = [sys.executable, "-m", "chassis", what, "list"]
                done = await asyncio.to_thread(
                    subprocess.run,
                    command,
                    cwd=ROOT,
                    env={"STACK_DIR": str(self._path)},
                    capture_output=True,
                    timeout=LISTED_WITHIN,
                    check=False,
                )
                if done.returncode:
                    self.faults.append(f"`{what} list` has ended with {done.returncode}: {done.stderr[-500:]!r}")
                self._teller.done(f"{what} list: {done.stdout.count(bytes([10]))} lines")
                async with looking(self._system.environment["RABBITMQ_URL"], SERVICES, queues_of) as look:
                    for one in look.messages[:: max(1, len(look.messages) // DISCARDED_BY_HAND)]:
                        one.story()
                        await discard(one, "fuzz", FileRecord(self._path / "audit.jsonl", load(ROOT).events))
            except Exception as error:  # noqa: BLE001  # whatever it is, an operator would meet it
                self.faults.append(f"an operator cannot see or discard what is {what}: {error!r}")

    async def _account(self, tally: Tally) -> None:
        """Discard what is parked and rests; whatever was confirmed has to be there or in an inbox."""
        async with discarding(self._system.environment) as aside:
            await self._emptied(aside)
        done = await handled(self._system.databases, tally.reached)
        lost = [copy for copy in tally.reached if copy not in done and copy not in aside.copies]
        # Those that were discarded by hand are in the audit record.
        record = (self._path / "audit.jsonl").read_text() if (self._path / "audit.jsonl").exists() else ""
        lost = [copy for copy in lost if f'"{copy[0]}"' not in record]
        doubled = sum(1 for times in aside.copies.values() if times > 1)
        aside_of_ours = sum(1 for copy in tally.reached if copy in aside.copies)
        self._teller.done(
            f"{tally.sent} messages: {dict(tally.outcomes)}; refusals {dict(tally.refusals)}\n"
            f"{len(tally.reached)} copies to account for, {tally.untraceable} not: {len(done)} handled, "
            f"{aside_of_ours} parked or resting, {len(lost)} lost, {doubled} there more than once\n"
            f"set aside, others included: {dict(aside.reasons.most_common(12))}"
        )
        if lost:
            examples = [f"{mark} of {queue}, {tally.reached[mark, queue].kind}" for mark, queue in lost[:5]]
            self.faults.append(f"{len(lost)} messages are lost: {'; '.join(examples)}")

    async def _emptied(self, aside: Aside) -> None:
        """Wait until nothing comes any more and no queue holds anything."""
        ends, before, still = time.monotonic() + SETTLED_WITHIN, -1, 0
        while still < 3 and time.monotonic() < ends:
            now = aside.copies.total() + aside.others
            left = sum(queue.get("messages", 0) for queue in await self._watch.queues())
            still, before = (still + 1 if now == before and not left else 0), now
            self._teller.now(f"discarding what was set aside: {now}, {left} left")
            await asyncio.sleep(2)


async def fuzz(queue_seconds: float, endpoint_seconds: float, seed: int, leave_out: Sequence[str]) -> list[str]:
    """Run everything; why it does not hold."""
    teller = Teller()
    with tempfile.TemporaryDirectory(prefix="fuzz-") as folder:
        path = Path(folder)
        environment = await asyncio.to_thread(stack.up, path)
        try:
            async with System.of(environment) as system:
                run = Fuzz(system, path, seed, teller)
                await run.begin()
                if queue_seconds:
                    await run.queues(queue_seconds, leave_out)
                if endpoint_seconds:
                    await run.endpoints(endpoint_seconds)
                await run.settle()
                run.judge()
                if "probes" not in leave_out:
                    await run.probe()
                return run.faults
        finally:
            await asyncio.to_thread(stack.down, path)


def main(
    queue_minutes: Annotated[float, typer.Option(min=0)] = 10,
    endpoint_minutes: Annotated[float, typer.Option(min=0)] = 5,
    seed: int | None = None,
    leave_out: Annotated[list[str] | None, typer.Option(help="A way to spoil messages that is known to harm.")] = None,
) -> None:
    """Attack queues and endpoints at random, and judge what that did."""
    chosen = random.SystemRandom().randrange(1 << 32) if seed is None else seed
    for name in ("aiormq", "aio_pika", "pamqp"):
        logging.getLogger(name).setLevel(logging.CRITICAL)
    typer.echo(f"seed {chosen}")
    faults = asyncio.run(fuzz(queue_minutes * 60, endpoint_minutes * 60, chosen, leave_out or []))
    for fault in faults:
        typer.echo(f"FAULT {fault}", err=True)
    typer.echo(f"seed {chosen}: {f'{len(faults)} faults' if faults else 'all of it holds'}")
    sys.exit(bool(faults))


if __name__ == "__main__":
    typer.run(main)
