"""The README's tables say what the code says, and its curl lines work word for word."""

import re
import shlex
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import typer
from fastapi.testclient import TestClient

from app.cli import app
from app.cron import USUAL
from app.job_types import JOB_NAMES
from app.settings import Settings

README = (Path(__file__).parent.parent / "README.md").read_text(encoding="utf-8")
HERE = "http://127.0.0.1:8000"


def section(title: str) -> str:
    found = re.search(rf"^## {title}\n(.*?)(?=^## |\Z)", README, re.MULTILINE | re.DOTALL)
    assert found, f"The README has no section {title}."
    return found[1]


def table(title: str) -> list[list[str]]:
    """The cells of the section's first table, without its head."""
    lines = [line for line in section(title).splitlines() if line.startswith("|")]
    return [[cell.strip() for cell in line.strip("|").split(" | ")] for line in lines[2:]]


def shown(default: Any) -> str:
    return "unset" if default is None else "empty" if default == "" else f"`{default}`"


def commands(command: Any, name: str) -> Iterator[list[str]]:
    """A row for each command that does something."""
    children = getattr(command, "commands", None)
    if children is None:
        yield [f"`{name}`", command.help.split("\n")[0]]
        return
    for child, below in children.items():
        yield from commands(below, f"{name} {child}")


def curls(title: str) -> list[list[str]]:
    """The arguments of each curl of the section's shell blocks."""
    words = [word for block in re.findall(r"```sh\n(.*?)```", section(title), re.DOTALL) for word in shlex.split(block)]
    starts = [index for index, word in enumerate(words) if word == "curl"]
    return [words[start + 1 : end] for start, end in zip(starts, [*starts[1:], len(words)], strict=True)]


def run(client: TestClient, arguments: list[str]) -> dict[str, Any]:
    method, body, url = "GET", None, None
    for option, value in zip([None, *arguments], arguments, strict=False):
        if option == "-X":
            method = value
        elif option == "-d":
            body = value
        elif value.startswith(HERE):
            url = value.removeprefix(HERE)
    assert url, f"No address of this service in {arguments}"
    answer = client.request(method, url, content=body, headers={"Content-Type": "application/json"} if body else None)
    assert answer.is_success, answer.text
    content: dict[str, Any] = answer.json()
    return content


def test_the_table_of_settings_is_the_settings() -> None:
    fields = Settings.model_fields.items()
    assert table("Settings") == [[f"`PALATE_{name.upper()}`", shown(field.default), field.description] for name, field in fields]


def test_the_table_of_commands_is_the_commands() -> None:
    assert table("Commands") == list(commands(typer.main.get_command(app), "palate"))


def test_the_table_of_endpoints_is_the_api(client: TestClient) -> None:
    described = client.get("/openapi.json").json()["paths"]
    offered = [(method.upper(), f"`{path}`") for path, methods in described.items() for method in methods]
    assert sorted((row[0], row[1]) for row in table("Endpoints")) == sorted(offered)


def test_the_table_of_jobs_is_the_jobs_and_their_schedule() -> None:
    rows = {name: row[1] for row in table("Jobs") for name in re.findall(r"`([\w-]+)`", row[0])}
    assert set(rows) == set(JOB_NAMES)
    assert {name for name, when in rows.items() if "*" in when} == set(USUAL)
    assert all(f"`{expression}`" in rows[name] for name, expression in USUAL.items())


@pytest.mark.usefixtures("demo_server")
def test_the_first_curl_line_gets_five_titles_for_mara(client: TestClient) -> None:
    [arguments] = curls("Quick start")
    assert arguments[:2] == ["-H", "Authorization: Bearer $(cat .palate/admin-key)"]
    answer = run(client, arguments)
    assert (len(answer["items"]), answer["source"]) == (5, "personal")


def test_the_curl_lines_for_a_library_of_ones_own_end_in_a_recommendation(client: TestClient) -> None:
    answers = [run(client, arguments) for arguments in curls("Your own library")]
    registered, *told, asked, hid, listed, took_back, erased, home, similar, found, taste, changed = answers
    assert registered["server_id"] == "home"
    assert [answer["rejected"] for answer in told] == [[]] * 4
    assert {item["item_id"] for item in asked["items"]} == {"f2", "f3", "s1"}
    assert (hid, took_back) == ({"item_id": "s1", "hidden": True}, {"item_id": "s1", "hidden": False})
    assert [item["item_id"] for item in listed["items"]] == ["s1"]
    assert erased["user_id"] == "tom"
    assert {row["id"] for row in home["rows"]} >= {"popular"}
    assert {item["item_id"] for item in similar["items"]} == {"f2", "f3", "s1"}
    assert set(found) == {"items", "degraded"}
    assert taste["facets"] == []
    assert (changed["settings"]["unrated"], changed["settings"]["schedule"]) == ("show", {"publish": "0 6 * * *"})
