"""A stack is as large as it is asked to be, has an address for each of its parts, and never loses a part with data."""

import json
from pathlib import Path

import pytest

from stack.directory import Directory
from stack.errors import StackError
from stack.ports import USUAL, Ports
from stack.run.targets import write_targets
from stack.servers.balancer import Front, configuration
from stack.servers.cluster import short_of_members
from stack.servers.roles import CONNECTIONS, SERVICE_CONNECTIONS, create_roles
from stack.services import EACH
from stack.size import Size

WRONG = (
    ("STACK_REPLICAS", "0"),
    ("STACK_REPLICAS", "9"),
    ("STACK_REPLICAS", "many"),
    ("STACK_CLUSTER", "2"),
    ("STACK_STANDBY", "yes"),
)


@pytest.fixture
def directory(tmp_path: Path) -> Directory:
    """The folder of a stack that was never started."""
    directory = Directory.of(tmp_path)
    directory.create()
    return directory


def test_nothing_asked_for_is_one_of_everything(directory: Directory) -> None:
    """A stack is small unless somebody says otherwise."""
    assert Size.of({}, directory) == Size(replicas=1, nodes=1, standby=False)


def test_what_is_asked_for_is_had(directory: Directory) -> None:
    """Each variable says how many there are of one kind."""
    asked = {"STACK_REPLICAS": "3", "STACK_CLUSTER": "3", "STACK_STANDBY": "1"}

    assert Size.of(asked, directory) == Size(replicas=3, nodes=3, standby=True)


@pytest.mark.parametrize(("variable", "value"), WRONG)
def test_a_size_that_there_is_not_is_refused(variable: str, value: str, directory: Directory) -> None:
    """Two nodes have no majority when one is lost; the sentence says which numbers there are."""
    with pytest.raises(StackError, match=f"^{variable} is wrong: it has to be "):
        Size.of({variable: value}, directory)


def test_what_has_data_is_kept(directory: Directory) -> None:
    """Nodes and standby are there the next time although nobody asks; processes have no data, and go."""
    Size(replicas=3, nodes=3, standby=True).keep(directory)

    assert Size.of({}, directory) == Size(replicas=1, nodes=3, standby=True)


@pytest.mark.parametrize("asked", [{"STACK_CLUSTER": "1"}, {"STACK_STANDBY": "0"}])
def test_what_has_data_is_not_left_behind(asked: dict[str, str], directory: Directory) -> None:
    """One of three nodes could serve nothing, and one of two servers would not know what the other had promised."""
    Size(nodes=3, standby=True).keep(directory)

    with pytest.raises(StackError, match="cannot be made smaller"):
        Size.of(asked, directory)


def test_another_size_than_that_which_runs_is_refused(directory: Directory) -> None:
    """Whoever joins a stack that runs gets what was asked for, or hears that it is not so."""
    Size(replicas=2).keep(directory)

    Size.require_as_asked({}, directory)
    Size.require_as_asked({"STACK_REPLICAS": "2"}, directory)
    with pytest.raises(StackError, match="a stack of another size runs: run  make down"):
        Size.require_as_asked({"STACK_REPLICAS": "3"}, directory)


def test_every_part_of_a_large_stack_has_a_port(directory: Directory) -> None:
    """They differ; the usual names stay those of the addresses to go to, also when it is small again."""
    large = Ports(directory, Size(replicas=3, nodes=3, standby=True))
    names = [*USUAL, "balancer", "postgres-2"]
    names += [f"{one.package}-{number}" for one in EACH for number in (1, 2, 3)]
    names += [f"{name}-{number}" for name in ("rabbitmq", "management", "distribution") for number in (1, 2, 3)]
    chosen = {name: large[name] for name in names}
    large.release()

    small = Ports(directory)

    assert len(set(chosen.values())) == len(names)
    assert {name: small[name] for name in USUAL} == {name: chosen[name] for name in USUAL}
    small.release()
    again = Ports(directory, Size(replicas=3))
    assert again["balancer"] == chosen["balancer"]
    again.release()


def test_a_replica_that_is_not_ready_is_asked_only_if_none_is() -> None:
    """What it says itself is better than what a balancer can say for it."""
    lines = configuration(1, [Front("point_svc", 8001, [8201, 8202])]).splitlines()

    assert "    server point_svc-2 127.0.0.1:8202 check" in lines
    assert "    server point_svc-2-unready 127.0.0.1:8202 backup" in lines


def test_the_broker_is_balanced_by_connection() -> None:
    """AMQP is no HTTP: a connection stays with its node."""
    text = configuration(1, [Front("rabbitmq", 18672, [18682], is_http=False)])

    assert "listen rabbitmq\n    mode tcp\n    bind 127.0.0.1:18672\n" in text
    assert "backup" not in text.partition("listen rabbitmq")[2]


def test_many_replicas_have_the_connections_that_they_need() -> None:
    """The limit of a service's role grows with its processes; nobody else's does."""
    statements = list(create_roles("point", str, replicas=5))

    assert f"LIMIT {SERVICE_CONNECTIONS + 40} " in statements[0]
    assert any(f"LIMIT {CONNECTIONS['owner']} " in one for one in statements)


def test_every_process_is_scraped(directory: Directory) -> None:
    """Prometheus asks each of them; behind one address it would see the counters of a different one each time."""
    write_targets(directory, {"point": [8201, 8202]})

    found = json.loads((directory.path / "targets.json").read_text())
    assert found == [{"targets": ["127.0.0.1:8201", "127.0.0.1:8202"], "labels": {"service": "point"}}]


def test_queues_grow_only_if_one_lacks_a_member() -> None:
    """Classic queues have none."""
    whole, small = {"type": "quorum", "members": ["a", "b", "c"]}, {"type": "quorum", "members": ["a"]}

    assert not short_of_members([whole, {"type": "classic"}], 3)
    assert short_of_members([whole, small], 3)
