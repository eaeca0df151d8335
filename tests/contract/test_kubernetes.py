"""The manifests follow from the steps: a step that changes changes what a service may do, hear and be scaled by."""

import re
from dataclasses import replace
from typing import Any

import pytest

from chassis.choreography.declaration import Service
from chassis.choreography.rights import USER_LIMITS
from chassis.choreography.step import Kind
from chassis.settings import ServiceSettings
from chassis.web.serve import GRACE_SECONDS
from contracts import point, seat
from stack.directory import ROOT
from stack.kubernetes import broker, database, pods, workloads
from stack.kubernetes.files import BASE, of_service, of_window
from stack.kubernetes.network import has_effect, of_broker
from stack.kubernetes.told import default
from stack.services import EACH, SERVICES, WINDOW, Told
from stack.signing import SigningKey, key_set
from tests.contract.kustomizing import Manifest, build, containers

PRODUCTION = build(ROOT / BASE.parent / "overlays/production").manifests
DEVELOPMENT = build(ROOT / BASE.parent / "overlays/development").manifests
POINT, PAYMENT = (next(one for one in EACH if one.name == name) for name in ("point", "payment"))
CONNECTIONS = 3
"""Of a process to the broker at most: to publish, to consume, and while an operator looks"""


def hearing_more(told: Told) -> Told:
    """The same service with one more step, which hears of sold seats."""
    declared = copied(told)

    @declared.step
    def thank(reserved: seat.Reserved) -> point.Spent:
        return point.Spent.after(reserved)

    return replace(told, declared=declared)


def doing_io(told: Told) -> Told:
    """The same service with an effect."""
    declared = copied(told)

    @declared.effect
    async def write_home(spent: point.Spent) -> point.Spent:
        return spent

    return replace(told, declared=declared)


def without_effect(told: Told) -> Told:
    """The same service without the steps that do I/O."""
    declared = copied(told)
    declared.steps = [step for step in declared.steps if step.kind is not Kind.EFFECT]
    return replace(told, declared=declared)


def copied(told: Told) -> Service:
    """A service with the same steps."""
    declared = Service(told.name)
    declared.steps = list(told.declared.steps)
    return declared


def named(manifests: list[Manifest], kind: str) -> dict[str, Any]:
    """The manifests of a kind, by their names."""
    return {one["metadata"]["name"]: one.get("spec") for one in manifests if one["kind"] == kind}


def queues_of(manifests: list[Manifest]) -> set[str]:
    """The queues that a service is scaled by."""
    [scaled] = named(manifests, "ScaledObject").values()
    return {trigger["metadata"]["queueName"] for trigger in scaled["triggers"]}


def test_a_step_that_hears_more_may_hear_it() -> None:
    """One more event from another exchange: the right to read it, with that routing key alone, and nothing else."""
    # given
    before, after = of_service(POINT), of_service(hearing_more(POINT))
    old, new = (named(found, "Permission")["point"]["permissions"] for found in (before, after))
    # then
    assert "seat" not in old["read"]
    assert re.fullmatch(new["read"], "seat")
    assert re.fullmatch(new["configure"], "point.thank")
    assert new["write"] == old["write"]
    gained = named(after, "TopicPermission").keys() - named(before, "TopicPermission").keys()
    assert gained == {"point-at-seat"}
    permitted = named(after, "TopicPermission")["point-at-seat"]["permissions"]
    assert permitted == {"exchange": "seat", "write": "^$", "read": r"^(seat\.reserved)$"}


def test_a_step_that_hears_more_is_scaled_by_its_queue() -> None:
    """Its queue is one more trigger."""
    assert queues_of(of_service(hearing_more(POINT))) - queues_of(of_service(POINT)) == {"point.thank"}


def test_only_an_effect_leads_outside() -> None:
    """A service that gets an effect is let out; one whose effect goes is let out no more."""
    assert [one.name for one in EACH if has_effect(one)] == ["payment"]
    assert "payment-outside" in named(of_service(PAYMENT), "NetworkPolicy")
    assert "payment-outside" not in named(of_service(without_effect(PAYMENT)), "NetworkPolicy")
    assert "point-outside" in named(of_service(doing_io(POINT)), "NetworkPolicy")


def test_a_new_service_is_let_in_and_listened_to() -> None:
    """It may speak to the broker, the window may ask it and hears its exchanges, and it has a database of its own."""
    raffle = Told("raffle", 8050, EACH[0].settings, Service("raffle"))
    more = [*EACH, raffle]

    assert "raffle" in str(of_broker(more))
    assert "raffle" not in str(of_broker(EACH))
    assert {"window-raffle", "window-raffle-retry", "window-raffle-redeliver"} <= named(
        of_window(more), "Binding"
    ).keys()
    assert "http://raffle:8000" in str(named(of_window(more), "Deployment"))
    assert named(of_service(raffle), "Cluster").keys() == {"raffle-db"}


def test_each_service_is_scaled_by_all_that_it_consumes() -> None:
    """A trigger for the queue of each step that hears something, and for what it is asked to say again."""
    for service in EACH:
        wanted = {step.queue for step in service.declared.listening} | {f"{service.name}.resay"}
        assert queues_of(of_service(service)) == wanted


def test_a_trigger_counts_in_batches(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whoever changes how much a batch may hold changes how much may wait for one process."""
    monkeypatch.setattr(ServiceSettings.model_fields["max_batch"], "default", 40)
    [scaled] = named(of_service(POINT), "ScaledObject").values()

    assert {trigger["metadata"]["value"] for trigger in scaled["triggers"]} == {"200"}


def test_the_grace_fits_the_drain(monkeypatch: pytest.MonkeyPatch) -> None:
    """A pod is given longer than it takes to be unlisted, to answer and to drain, also when that changes."""
    for seconds in (default("shutdown_seconds"), 40.5):
        monkeypatch.setattr(ServiceSettings.model_fields["shutdown_seconds"], "default", seconds)
        [deployment] = named(of_service(POINT), "Deployment").values()
        pod = deployment["template"]["spec"]
        told = {one["name"]: one.get("value") for one in pod["containers"][0]["env"]}
        assert told["POINT_SHUTDOWN_SECONDS"] == str(seconds)
        assert pod["terminationGracePeriodSeconds"] > pods.UNLISTED_SECONDS + GRACE_SECONDS + seconds


def test_all_replicas_may_connect() -> None:
    """While it is upgraded with as many replicas as there may be, a service meets no limit of broker or database."""
    processes = workloads.MAX_REPLICAS + workloads.SURGE
    each = int(default("database_pool")) + int(default("request_pool"))
    [cluster] = named(of_service(POINT), "Cluster").values()
    limits = {role["name"]: role["connectionLimit"] for role in cluster["managed"]["roles"]}

    assert CONNECTIONS * processes <= USER_LIMITS["max-connections"]
    assert limits["point"] == processes * each == database.connections(workloads.MAX_REPLICAS)
    assert sum(limits.values()) < int(cluster["postgresql"]["parameters"]["max_connections"])


TEMPLATES = [
    pytest.param(manifest["spec"]["template"]["spec"], id=f"{overlay}-{manifest['metadata']['name']}")
    for overlay, manifests in {"production": PRODUCTION, "development": DEVELOPMENT}.items()
    for manifest in manifests
    if containers(manifest)
]
"""What pods are made of"""


@pytest.mark.parametrize("pod", TEMPLATES)
def test_every_pod_is_confined(pod: dict[str, Any]) -> None:
    """No root, no capability, no writing, no token, and no variables that Kubernetes makes of Services."""
    assert pod["automountServiceAccountToken"] is False
    assert pod["enableServiceLinks"] is False
    assert pod["securityContext"]["runAsNonRoot"] is True
    assert pod["securityContext"]["seccompProfile"] == {"type": "RuntimeDefault"}
    for container in pod["containers"]:
        confined = container["securityContext"]
        assert confined["readOnlyRootFilesystem"] is True
        assert confined["allowPrivilegeEscalation"] is False
        assert confined["capabilities"] == {"drop": ["ALL"]}
        assert container["resources"]["limits"]["memory"]


@pytest.mark.parametrize("pod", TEMPLATES)
def test_no_secret_is_written_down(pod: dict[str, Any]) -> None:
    """Passwords come from Secrets; an address has none, but the variable that stands for it."""
    for variable in pod["containers"][0]["env"]:
        if "PASSWORD" in variable["name"] and not variable["name"].endswith("_FILE"):
            assert "valueFrom" in variable
        for password in re.findall(r"://[^:/@]+:([^@]*)@", variable.get("value", "")):
            assert re.fullmatch(r"\$\([A-Z_]+\)", password)


def test_there_is_no_secret_among_the_manifests() -> None:
    """Whoever installs makes them, see docs/fleet.md."""
    assert "Secret" not in {one["kind"] for one in [*PRODUCTION, *DEVELOPMENT]}


def test_a_variable_is_there_before_it_is_used() -> None:
    """Kubernetes puts `$(NAME)` in the place of variables that were named earlier, and of no others."""
    for manifest in [*PRODUCTION, *DEVELOPMENT]:
        for container in containers(manifest):
            known: set[str] = set()
            for variable in container["env"]:
                assert set(re.findall(r"\$\((\w+)\)", variable.get("value", ""))) <= known
                known.add(variable["name"])


def test_development_believes_the_key_that_everybody_knows() -> None:
    """So that `make token` makes tokens for it; production names no key."""
    [keys] = [one["data"] for one in DEVELOPMENT if one["metadata"]["name"] == "token-keys"]

    assert keys["jwks.json"] == key_set([SigningKey.for_development().public])
    assert "token-keys" not in {one["metadata"]["name"] for one in PRODUCTION}


def test_servers_are_those_of_compose() -> None:
    """Broker and databases are of the same major versions as in the containers that are tested."""
    stages = dict(re.findall(r"^FROM (\S+) AS (\w+)$", (ROOT / "Dockerfile").read_text(), re.MULTILINE))

    assert broker.IMAGE in stages
    assert f"postgres:{database.IMAGE.rpartition(':')[2]}" in stages


def test_the_processes_are_all_there() -> None:
    """Each service and the window has processes, a migration, a database and a broker user."""
    everybody = {*SERVICES, WINDOW}

    assert named(PRODUCTION, "Deployment").keys() == everybody
    assert named(PRODUCTION, "Job").keys() == {f"{name}-migrate" for name in everybody}
    assert named(PRODUCTION, "Cluster").keys() == {f"{name}-db" for name in everybody}
    assert named(PRODUCTION, "User").keys() == {*everybody, "keda"}
