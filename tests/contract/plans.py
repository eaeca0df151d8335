"""Has PostgreSQL tell the plan of every statement that is run, and judges the plans.

`auto_explain` comes with PostgreSQL. It tells what was really done, with the arguments that were really given.
"""

import json
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import asyncpg

from tests.contract.filling import SMALL

MAX_READ = 12_000
"""As many rows as the longest list that an endpoint shows, and as the gauge of the outbox counts"""
MAX_SORTED = 1_000
"""As many rows as the arguments of one statement may name: a batch, a group, a round of retention"""
SETTINGS = {
    "session_preload_libraries": "auto_explain",
    "auto_explain.log_min_duration": "0",
    "auto_explain.log_analyze": "on",
    "auto_explain.log_timing": "off",
    # What the functions of retention do.
    "auto_explain.log_nested_statements": "on",
    "auto_explain.log_format": "json",
    "auto_explain.log_level": "notice",
    "auto_explain.log_parameter_max_length": "0",
    # As on a disk without a moving head; else chance decides between an index and a sort of what it would have sorted.
    "random_page_cost": "1.1",
}


async def tell_plans(connection: "asyncpg.Connection[asyncpg.Record]", **more: str) -> None:
    """Have every session of this database tell its plans from now on; takes a superuser."""
    database = await connection.fetchval("SELECT current_database()")
    for name, value in (SETTINGS | more).items():
        await connection.execute(f"ALTER DATABASE {database} SET {name} = '{value}'")


@dataclass(frozen=True)
class Plan:
    """What PostgreSQL did for one statement."""

    sql: str
    seconds: float
    root: dict[str, Any]

    @classmethod
    def of(cls, message: str) -> "Plan | None":
        """The plan in a message of `auto_explain`; None for other messages."""
        head, found, text = message.partition("plan:\n")
        if not found:
            return None
        told = json.loads(text)
        milliseconds = float(head.removeprefix("duration:").strip().removesuffix("ms"))
        return cls(" ".join(told["Query Text"].split()), milliseconds / 1000, told["Plan"])

    @property
    def nodes(self) -> Iterator[dict[str, Any]]:
        """All parts of the plan."""
        open_ = [self.root]
        while open_:
            node = open_.pop()
            yield node
            open_ += node.get("Plans", ())

    @property
    def tables(self) -> set[str]:
        """The tables that it concerns."""
        return {node["Relation Name"] for node in self.nodes if "Relation Name" in node}

    @property
    def faults(self) -> list[str]:
        """Why the statement would take the longer, the more rows there are."""
        return [fault for node in self.nodes if (fault := _fault(node))]


def _fault(node: dict[str, Any]) -> str | None:
    kind, table = node["Node Type"], node.get("Relation Name")
    grows = table is not None and table not in SMALL and not table.startswith("pg_")
    if grows and kind == "Seq Scan":
        return f"reads {table} from its first row on"
    if grows and _read(node) > MAX_READ:
        return f"reads {_read(node):.0f} rows of {table}"
    if "Sort" in kind and _read(node) > MAX_SORTED:
        return f"sorts {_read(node):.0f} rows by {', '.join(node['Sort Key'])}"
    return None


def _read(node: dict[str, Any]) -> float:
    """The rows that a part of the plan has read, those included that it has dropped; a sort reads what is below it."""
    if "Sort" in node["Node Type"]:
        return max(_read(below) for below in node["Plans"])
    dropped = ("Rows Removed by Filter", "Rows Removed by Index Recheck", "Rows Removed by Join Filter")
    rows = node["Actual Rows"] + sum(node.get(name, 0) for name in dropped)
    return float(rows * node["Actual Loops"])
