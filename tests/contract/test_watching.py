"""What people watch exists: metrics that boards and rules name, runbooks that alerts name, commands that these name."""

import json
import re
import shlex
import subprocess
from pathlib import Path
from typing import Any

import pytest
import typer.main
import yaml
from prometheus_client import REGISTRY
from prometheus_client.metrics import MetricWrapperBase

from chassis.cli.app import app
from chassis.telemetry import metrics
from stack.progress import Progress
from stack.servers import packages
from tests.contract.markdown import ROOT

PROMETHEUS = ROOT / "deploy/prometheus"
RUNBOOKS = ROOT / "docs/runbooks"
OF_WINDOW = "window"
"""The group of rules about a process that not every system has"""
RULES: list[dict[str, Any]] = [
    {**rule, "group": group["name"]}
    for group in yaml.safe_load((PROMETHEUS / "alerts.yml").read_text())["groups"]
    for rule in group["rules"]
]
BOARD = json.loads((ROOT / "deploy/grafana/board.json").read_text())
PANELS = {
    f"{panel['title']} {target['refId']}": target["expr"]
    for panel in BOARD["panels"]
    for target in panel.get("targets", ())
}
FAMILIES = {metric.name: metric for metric in REGISTRY.collect()}
SUFFIXES = {"counter": ("_total",), "histogram": ("_bucket", "_sum", "_count"), "gauge": ("",)}


@pytest.fixture(scope="session")
def tool(tmp_path_factory: pytest.TempPathFactory) -> str:
    """promtool, installed if it is missing."""
    return packages.found("promtool", "prometheus", tmp_path_factory.mktemp("promtool") / "log", Progress())


def named_in(expression: str) -> set[str]:
    """The metrics that an expression reads."""
    bare = re.sub(r'"[^"]*"|\{[^}]*\}|\bby \([^)]*\)', "", expression)
    return set(re.findall(r"\b(?:saga|process|window|python)_\w+", bare))


def exported() -> set[str]:
    """Every name under which a process exports something."""
    return {f"{name}{suffix}" for name, one in FAMILIES.items() for suffix in SUFFIXES.get(one.type, ("",))}


def run(*command: str | Path) -> str:
    """What a command says, once it has succeeded."""
    done = subprocess.run(list(map(str, command)), capture_output=True, text=True, check=False)  # noqa: S603  # ours
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


@pytest.mark.parametrize("expression", PANELS.values(), ids=PANELS)
def test_a_panel_reads_metrics_that_exist(expression: str) -> None:
    """A board that names what nobody exports shows nothing, and looks healthy."""
    assert named_in(expression)
    assert named_in(expression) <= exported()


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule["alert"])
def test_an_alert_reads_metrics_that_exist(rule: dict[str, Any]) -> None:
    """A rule that names what nobody exports never fires; those about the window wait for its process."""
    names = named_in(rule["expr"])

    if rule["group"] == OF_WINDOW:
        assert names
        assert all(name.startswith("window_") for name in names)
    else:
        assert names <= exported()
        assert names or rule["expr"].startswith("up{")


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule["alert"])
def test_an_alert_has_a_runbook_with_a_command_that_exists(rule: dict[str, Any]) -> None:
    """Whoever is woken at night is told what to run first, and it is there."""
    page = (ROOT / rule["annotations"]["runbook_url"]).read_text()

    assert page.startswith(f"# {rule['alert']}\n")
    assert "**Who is hurt.**" in page
    assert "**Then.**" in page
    first = re.search(r"```\n(.+)\n```", page)
    assert first is not None
    commands = [first[1], *re.findall(r"`((?:make|python -m chassis) [^`]+)`", page)]
    assert [command for command in commands if not exists(command)] == []


def exists(command: str) -> bool:
    """Whether a make target, or a subcommand of chassis, is there."""
    words = shlex.split(command)
    if words[0] == "make":
        return re.search(rf"^{words[1]}:", (ROOT / "Makefile").read_text(), re.MULTILINE) is not None
    known: Any = typer.main.get_command(app)
    for word in words[3:]:
        if not hasattr(known, "commands"):
            break
        known = known.commands.get(word)
    return known is not None and not hasattr(known, "commands")


@pytest.mark.parametrize(("command", "there"), [("make nothing", False), ("python -m chassis parked", False)])
def test_a_command_that_is_not_there_is_noticed(command: str, there: bool) -> None:
    """Neither a target that nobody wrote nor half a command passes."""
    assert exists(command) is there


def test_each_runbook_belongs_to_an_alert() -> None:
    """There is none for an alert of the past, and the index lists them all."""
    alerts = {rule["alert"] for rule in RULES}

    assert {page.stem for page in RUNBOOKS.glob("*.md")} - {"README"} == alerts
    assert set(re.findall(r"^\| \[(\w+)\]", (RUNBOOKS / "README.md").read_text(), re.MULTILINE)) == alerts


def test_the_page_tells_every_metric_as_the_code_does() -> None:
    """docs/watching.md lists each metric of a service with the text that Prometheus gets."""
    told = dict(
        re.findall(r"^\| `(saga_\w+)` \| \w+ \| (.+?) \|", (ROOT / "docs/watching.md").read_text(), re.MULTILINE)
    )
    ours = [one for one in vars(metrics).values() if isinstance(one, MetricWrapperBase)]
    described = {one.name: one.documentation for metric in ours for one in metric.describe()}

    assert told == described


def test_the_rules_fire_when_they_should(tool: str) -> None:
    """Each alert fires for its trouble, and none where all is fine."""
    run(tool, "check", "rules", PROMETHEUS / "alerts.yml")
    run(tool, "test", "rules", PROMETHEUS / "alerts_test.yml")
    tried = re.findall(r"- name: (\w+) fires$", (PROMETHEUS / "alerts_test.yml").read_text(), re.MULTILINE)
    assert sorted(tried) == sorted(rule["alert"] for rule in RULES)


def test_the_scrape_example_is_valid(tool: str, tmp_path: Path) -> None:
    """Prometheus accepts it once the token is there."""
    for one in ("prometheus.yml", "alerts.yml"):
        (tmp_path / one).write_text((PROMETHEUS / one).read_text())
    (tmp_path / "token").write_text("a-token")
    assert "SUCCESS" in run(tool, "check", "config", tmp_path / "prometheus.yml")


def test_every_panel_parses(tool: str, tmp_path: Path) -> None:
    """Its expressions are PromQL: as rules, promtool accepts them."""
    rules = [{"record": f"panel:{number}", "expr": expression} for number, expression in enumerate(PANELS.values())]
    (tmp_path / "panels.yml").write_text(yaml.safe_dump({"groups": [{"name": "panels", "rules": rules}]}))
    assert f"{len(PANELS)} rules found" in run(tool, "check", "rules", tmp_path / "panels.yml")
