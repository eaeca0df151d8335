"""The page about fleets counts what the choreography costs, and makes the secrets that the manifests ask for."""

import re
import subprocess
from collections.abc import Iterator
from typing import Any

import pytest

from chassis.choreography.loading import load
from chassis.documents.examples import enveloped
from chassis.settings import ServiceSettings
from chassis.web.serve import GRACE_SECONDS
from contracts.event import Event
from stack.directory import ROOT
from stack.kubernetes import pods, scaling, workloads
from stack.kubernetes.files import BASE
from tests.contract.kustomizing import build
from tests.contract.markdown import Page

PAGE = Page(ROOT / "docs/fleet.md")
GRAPH = load(ROOT)
ROWS = {
    cells[0]: cells[1:]
    for cells in (
        [cell.strip() for cell in line.strip("|").split("|")]
        for line in PAGE.text.splitlines()
        if line.startswith("| ")
    )
}
RATES = (10, 1_000, 100_000)
BROKERS, SAID_BYTES, INBOX_BYTES = 3, 1_500, 180
MADE_ELSEWHERE = re.compile(r"\w+-db-ca")
"""The authority of a database, which its operator makes"""


def size(event: type[Event]) -> int:
    """Bytes of headers and body of the example of an event."""
    envelope = enveloped(event)
    return sum(len(name) + len(value) for name, value in envelope.headers().items()) + len(envelope.event.written())


def cost(saga: str) -> tuple[int, int, int, int]:
    """Messages, deliveries, transactions and bytes of a saga that nobody refuses."""
    steps = GRAPH.way_out(saga)
    return len(steps), sum(step.has_queue for step in steps), len(steps), sum(size(step.says[0]) for step in steps)


def numbers(row: str) -> list[float]:
    """The numbers in a row of the page, in their unit."""
    units = {"kB": 1e3, "MB": 1e6, "GB": 1e9, "TB": 1e12, "": 1.0}
    cells = (re.fullmatch(r"([\d.,]+) ?([kMGT]B)?", cell) for cell in ROWS[row])
    return [float(found[1].replace(",", "")) * units[found[2] or ""] for found in cells if found]


@pytest.mark.parametrize("saga", ["hold", "checkout"])
def test_what_a_saga_costs_is_what_its_steps_say(saga: str) -> None:
    """Messages, deliveries, transactions and bytes are counted, not remembered."""
    assert numbers(saga) == list(cost(saga))


def each_second() -> Iterator[tuple[str, float]]:
    """Each row of the table of rates, and what one checkout adds to it."""
    messages, deliveries, transactions, size_of_all = cost("checkout")
    more, _, _, size_of_hold = cost("hold")
    batch = ServiceSettings.model_fields["max_batch"].default
    own = sum(step.service == "payment" for step in GRAPH.way_out("checkout"))
    yield "messages and confirms", messages
    yield "deliveries to steps", deliveries
    yield "transactions, one event each", transactions
    yield "transactions, full batches", transactions / batch
    yield "of them in payment_svc's database, one event each", own
    yield "bytes published", size_of_all
    yield "bytes to disks of three brokers", BROKERS * size_of_all
    yield "messages in the busiest queue", 1
    yield "the same with the hold of each: messages", messages + more
    yield "with the hold of each: bytes published", size_of_all + size_of_hold
    yield "`said`, 24 hours", 24 * 3600 * messages * SAID_BYTES
    yield "`said`, 1 hour", 3600 * messages * SAID_BYTES
    yield "`inbox`, 30 days", 30 * 24 * 3600 * deliveries * INBOX_BYTES


@pytest.mark.parametrize(("row", "one"), list(each_second()), ids=str)
def test_rates_are_multiples_of_one_checkout(row: str, one: float) -> None:
    """At 10, 1,000 and 100,000 a second, to two digits; less than one transaction a second is one."""
    assert numbers(row) == pytest.approx([max(1, rate * one) for rate in RATES], rel=0.06)


def test_the_numbers_of_the_manifests_are_theirs() -> None:
    """Grace, replicas and batches on the page are those that are derived."""
    grace = ROWS["preStop, grace"][0]
    drain = ServiceSettings.model_fields["shutdown_seconds"].default

    parts = [pods.UNLISTED_SECONDS, GRACE_SECONDS, int(drain), pods.MARGIN_SECONDS]
    assert [int(number) for number in re.findall(r"\d+", grace)] == parts
    assert f"{workloads.MIN_REPLICAS} to {workloads.MAX_REPLICAS} processes" in ROWS["`ScaledObject`"][0]
    assert scaling.FULL_BATCHES == 5
    assert "five full batches" in ROWS["`ScaledObject`"][0]


def secrets_in(value: Any) -> set[str]:
    """The names of Secrets that a manifest refers to."""
    if isinstance(value, list):
        return {name for one in value for name in secrets_in(one)}
    if not isinstance(value, dict):
        return set()
    own = {value[key] for key in ("secretName",) if key in value}
    for key in ("secretKeyRef", "importCredentialsSecret", "passwordSecret", "secret", "credentials"):
        own |= {value[key]["name"]} if isinstance(value.get(key), dict) and "name" in value[key] else set()
    own |= {one["name"] for one in value.get("secretTargetRef", [])}
    return own.union(*(secrets_in(one) for one in value.values()))


def test_the_commands_make_the_secrets_that_are_asked_for() -> None:
    """Run with a `kubectl` that only says what it is told, they make all of them, with the right users."""
    # given
    [script] = [block.body for block in PAGE.blocks if block.language == "bash"]
    stub = 'set -eu; kubectl() { echo "$*"; }; openssl() { echo 0123; }; '
    manifests = [
        one for name in ("production", "development") for one in build(ROOT / BASE.parent / "overlays" / name).manifests
    ]
    wanted = {name for name in secrets_in(manifests) if not MADE_ELSEWHERE.fullmatch(name)}
    # when
    said = subprocess.run(["bash", "-c", stub + script], capture_output=True, text=True, check=True).stdout  # noqa: S603, S607
    # then
    made = re.findall(r"^create secret \w+ (\S+)", said, re.MULTILINE)
    assert sorted(made) == sorted(wanted)
    users = dict(re.findall(r"^create secret generic (\S+) .*--from-literal=username=(\S+)", said, re.MULTILINE))
    assert users["seat-database-owner"] == "seat_owner"
    assert users["window-broker"] == "window"
