"""Query plans as trees, for asserting what PostgreSQL makes of a statement."""

import json
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

from app.db import Connection, retrieval
from app.db.question import Question
from app.types import Server


@dataclass(frozen=True)
class Node:
    type: str
    relation: str
    index: str
    join: str
    children: list["Node"] = field(default_factory=list)

    def walk(self) -> Iterator["Node"]:
        yield self
        for child in self.children:
            yield from child.walk()

    def path_to(self, wanted: "Node") -> list["Node"]:
        """The nodes from this one down to the one above `wanted`."""
        if self is wanted:
            return []
        for child in self.children:
            if any(node is wanted for node in child.walk()):
                return [self, *child.path_to(wanted)]
        raise LookupError


def plan_of(connection: Connection, server: Server, question: Question) -> Node:
    """Of the retrieval statement."""
    return plan_of_what(connection, lambda recorder: retrieval.retrieve(recorder, server, question, first=0, last=64))


def plan_of_what(connection: Connection, execute: Callable[[Any], object]) -> Node:
    """The generic plan of the statement that is executed, which is what a serving connection runs."""
    sent: dict[str, Any] = {}

    class Nothing(list[Any]):
        def all(self) -> list[Any]:
            return self

    class Recorder:
        def execute(self, statement: Any, values: dict[str, Any]) -> Nothing:
            sent.update(statement=statement, values=values)
            return Nothing()

    execute(Recorder())
    compiled = str(sent["statement"].compile(dialect=connection.dialect))
    names: list[str] = []

    def numbered(match: re.Match[str]) -> str:
        names.extend([match[1]] if match[1] not in names else [])
        return f"${names.index(match[1]) + 1}"

    sql = re.sub(r"%\((\w+)\)s(?:::\w+(?:\[\])?)?", numbered, compiled).replace("%%", "%")
    driver: Any = connection.connection.driver_connection
    with driver.cursor() as cursor:
        cursor.execute("SET LOCAL plan_cache_mode = force_generic_plan")
        cursor.execute(f"PREPARE planned AS {sql}")
        arguments = ", ".join(_literal(sent["values"][name]) for name in names)
        [[plan]] = cursor.execute(f"EXPLAIN (FORMAT JSON) EXECUTE planned({arguments})").fetchall()
        cursor.execute("DEALLOCATE planned")
    content = json.loads(plan) if isinstance(plan, str) else plan
    return _node(content[0]["Plan"])


def _node(plan: dict[str, Any]) -> Node:
    join = f"{plan['Node Type']} {plan['Join Type']}" if "Join Type" in plan else ""
    children = [_node(child) for child in plan.get("Plans", [])]
    return Node(plan["Node Type"], plan.get("Relation Name", ""), plan.get("Index Name", ""), join, children)


def _literal(value: Any) -> str:
    if value is None:
        return "NULL"
    if isinstance(value, list):
        return "'{" + ",".join(f'"{part}"' for part in value) + "}'"
    return str(value) if isinstance(value, bool | int | float) else "'" + str(value).replace("'", "''") + "'"
