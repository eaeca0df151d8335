"""Decides what happens next: by chance, by a given list, or in every possible way."""

import random
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from tests.simulation.beginnings import asked, calls, is_revoking, is_waiting
from tests.simulation.happenings import by_chance, happen, plain, trouble
from tests.simulation.invariants import violations
from tests.simulation.scenario import Scenario, Trouble
from tests.simulation.world import World

Trace = tuple[str, ...]

MAX_HAPPENINGS = 600
MAX_ROUNDS = 60


@dataclass(frozen=True)
class Run:
    """What happened until the adversary stopped, and what is wrong since everything came to rest."""

    trace: Trace
    violations: tuple[str, ...]
    world: World


def wander(scenario: Scenario, seed: int) -> Run:
    """Let chance decide, the same for the same seed."""
    chance = random.Random(seed)  # noqa: S311  # no secret
    world = World(scenario)
    trace: list[str] = []
    while len(trace) < MAX_HAPPENINGS and (chosen := by_chance(world, chance)):
        happen(world, *chosen)
        trace.append(chosen[0])
    return Run(tuple(trace), conclude(world), world)


def replay(scenario: Scenario, trace: Sequence[str]) -> Run:
    """Let happen what the trace says; what cannot happen, because something before it is missing, does not."""
    world = World(scenario)
    happened: list[str] = []
    for name in trace:
        happening = (plain(world) | trouble(world)).get(name)
        if happening is not None:
            happen(world, name, happening)
            happened.append(name)
    return Run(tuple(happened), conclude(world), world)


@dataclass(frozen=True)
class Exploration:
    """How much there was to see, and a run with a violation, if there is one."""

    worlds: int
    ends: int
    found: Run | None = None


def explore(scenario: Scenario, max_worlds: int, begun: Trace = ()) -> Exploration:
    """Let everything happen that can after what has `begun`, until some run ends badly or nothing is left to try.

    Worlds that cannot be told apart have the same futures, so only one of them is followed: the first, which is
    the one that has seen the least trouble, because runs with less trouble are followed first.
    """
    first = World(scenario)
    for name in begun:
        happen(first, name, plain(first)[name])
    seen, ends = {first.fingerprint()}, 0
    worlds: deque[tuple[World, Trace]] = deque([(first, begun)])
    while worlds:
        world, trace = worlds.popleft()
        usual, here, moves = plain(world), world.fingerprint(), False
        for name, happening in (usual | trouble(world)).items():
            after = world.copy()
            happen(after, name, happening)
            there = after.fingerprint()
            moves |= name in usual and there != here
            if there not in seen:
                seen.add(there)
                (worlds.appendleft if name in usual else worlds.append)((after, (*trace, name)))
        assert len(seen) <= max_worlds, "the scenario has more worlds than expected"
        if world.is_quiet or not moves:
            ends += 1
            if wrong := conclude(world):
                return Exploration(len(seen), ends, Run(trace, wrong, world))
    return Exploration(len(seen), ends)


def conclude(world: World) -> tuple[str, ...]:
    """What is wrong when faults have stopped and everything has come to rest, now and after all holds have ended."""
    settle(world)
    ask(world)
    if wrong := violations(world):
        return tuple(wrong)
    world.wait(Trouble.HOLDS_END)
    for name, happening in plain(world).items():
        if name.endswith(" expires"):
            happening(world)
    settle(world)
    ask(world)
    return tuple(f"after all holds have ended, {what}" for what in violations(world))


def ask(world: World) -> None:
    """Let time pass and the clocks ask, until everything has ended, if there are clocks in this world.

    Whoever cannot keep seats is told in any world.
    """
    for _ in range(MAX_ROUNDS):
        if not is_revoking(world) and not (world.scenario.is_asked and is_waiting(world)):
            return
        world.wait(Trouble.OVERDUE)
        for _, happening in calls(world):
            happening(world)
        for _, happening in asked(world) if world.scenario.is_asked else ():
            happening(world)
        settle(world)


def settle(world: World) -> None:
    """Without any more trouble, deliver everything in the order of arrival until nothing is left."""
    for _ in range(MAX_ROUNDS):
        while world.running:
            for process in [one for one in world.running if not one.is_waiting]:
                world.go_on(process)
        for service in world.servers:
            world.sweep(service)
        if world.is_quiet:
            return
        for queue, event_id in list(world.pending.elements()):
            world.deliver(queue, [event_id])


def shrink(trace: Trace, fails: Callable[[Trace], bool]) -> Trace:
    """Leave out whatever can be left out while it still fails: halves first, single happenings last."""
    size = max(1, len(trace) // 2)
    while True:
        for start in range(0, len(trace), size):
            shorter = trace[:start] + trace[start + size :]
            if fails(shorter):
                trace = shorter
                break
        else:
            if size == 1:
                return trace
            size //= 2


def report(scenario: Scenario, run: Run, what: str) -> str:
    """A failing run as a person wants to read it: shrunk, and ready to be kept as a test."""
    shrunk = shrink(run.trace, lambda trace: bool(replay(scenario, trace).violations))
    wrong = "\n  ".join(replay(scenario, shrunk).violations)
    lines = "".join(f'    "{name}",\n' for name in shrunk)
    return f"{what} ends badly:\n  {wrong}\nIt takes no more than this:\n[\n{lines}]"
