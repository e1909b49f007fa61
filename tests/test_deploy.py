"""What stands in deploy/ and docker-compose.yml agrees with itself and with the code. Nothing of it is started here."""

import json
import re
from pathlib import Path
from typing import Any, get_args

import pytest
import typer
import yaml
from prometheus_client import Counter, Histogram

from app.api import metrics
from app.cli import app
from app.commands.doctor_database import CHECKS
from app.db.engine import MIN_PGVECTOR
from app.settings import Settings
from app.types import Degraded
from tests.test_readme import commands

# The text model loads with the first search, and leaves again.
NORMAL = {"no_query_vector"}
ROOT = Path(__file__).parent.parent
DASHBOARD = ROOT / "deploy/grafana/palate.json"
ALERTS = ROOT / "deploy/prometheus/alerts.yml"
# What a scrape adds by itself.
SUFFIXES = {Counter: ("_total",), Histogram: ("_bucket", "_sum", "_count")}


def ours() -> dict[str, tuple[str, ...]]:
    """The series of each metric of the code, by the name of the metric."""
    counted = [one for one in vars(metrics).values() if isinstance(one, Counter | Histogram)]
    read = [one for one in vars(metrics).values() if isinstance(one, metrics.Reading)]
    series = {one._name: tuple(one._name + suffix for suffix in SUFFIXES[type(one)]) for one in counted}
    return series | {one.name: (one.name,) for one in read}


def labels() -> set[str]:
    return {label for one in vars(metrics).values() if isinstance(one, Counter | Histogram) for label in one._labelnames} | {
        label for one in vars(metrics).values() if isinstance(one, metrics.Reading) for label in one.labels
    }


def alerts() -> list[dict[str, Any]]:
    [group] = yaml.safe_load(ALERTS.read_text())["groups"]
    rules: list[dict[str, Any]] = group["rules"]
    return rules


def expressions() -> list[str]:
    panels = json.loads(DASHBOARD.read_text())["panels"]
    return [target["expr"] for panel in panels for target in panel["targets"]] + [rule["expr"] for rule in alerts()]


def compose() -> dict[str, Any]:
    found: dict[str, Any] = yaml.safe_load((ROOT / "docker-compose.yml").read_text())
    return found


def test_every_metric_of_the_dashboard_and_the_alerts_is_one_of_the_code() -> None:
    series = {name for names in ours().values() for name in names}
    named = {name for expression in expressions() for name in re.findall(r"\bpalate_\w+", expression)}
    assert named - series == set()
    selected = {label for expression in expressions() for label in re.findall(r"[{,]\s*(\w+)\s*[=!]", expression)}
    assert selected - labels() == {"job"}


def test_every_metric_of_the_code_is_looked_at_somewhere() -> None:
    named = " ".join(expressions())
    assert [name for name, series in ours().items() if not any(re.search(rf"\b{one}\b", named) for one in series)] == []


def test_an_alert_says_what_is_wrong_and_what_to_do() -> None:
    rules = alerts()
    assert len({rule["alert"] for rule in rules}) == len(rules)
    for rule in rules:
        assert set(rule) == {"alert", "expr", "for", "labels", "annotations"}
        assert rule["labels"]["severity"] in ("critical", "warning")
        assert set(rule["annotations"]) == {"summary", "description"}
        assert rule["expr"].count("(") == rule["expr"].count(")")
    said = " ".join(rule["annotations"]["description"] for rule in rules)
    known = {row[0].strip("`") for row in commands(typer.main.get_command(app), "palate")}
    assert {f"palate {word}" for word in re.findall(r"\bpalate (\w+)", said)} - known == set()
    settings = {f"PALATE_{name.upper()}" for name in Settings.model_fields}
    assert set(re.findall(r"PALATE_\w+", said)) - settings == set()


def test_each_word_for_a_degraded_answer_raises_the_alert_or_is_known_to_be_normal() -> None:
    [expression] = [rule["expr"] for rule in alerts() if rule["alert"] == "PalateDegraded"]
    [pattern] = re.findall(r'cause=~"([^"]+)"', expression)
    words = {word for part in get_args(Degraded) for word in get_args(part)}
    assert {"no_ranker", "no_text_space", "text_space_empty", "previous_text_space"} <= words
    assert {word for word in words if not re.fullmatch(pattern, word)} == NORMAL


def test_prometheus_scrapes_the_service_and_reads_the_alerts() -> None:
    config = yaml.safe_load((ROOT / "deploy/prometheus/prometheus.yml").read_text())
    assert config["rule_files"] == [ALERTS.name]
    [job] = config["scrape_configs"]
    assert job["job_name"] == "palate"
    host, port = job["static_configs"][0]["targets"][0].split(":")
    assert host in compose()["services"]
    assert int(port) == Settings.model_fields["port"].default


def test_every_setting_of_the_containers_is_one_of_palates() -> None:
    known = {f"PALATE_{name.upper()}" for name in Settings.model_fields}
    for name, service in compose()["services"].items():
        if name in ("migrate", "serve", "worker"):
            assert set(service["environment"]) - known == set(), name
            # What is not fixed here is the operator's.
            assert service["env_file"] == [{"path": ".env", "required": False}]
            assert {"PALATE_SECRET_KEY", "PALATE_SCHEDULE", "PALATE_RATE_LIMIT"} & set(service["environment"]) == set()
            assert service["command"][0] == "palate"
    said = set(re.findall(r"\$\{(PALATE_\w+)", (ROOT / "docker-compose.yml").read_text()))
    assert said - known == {"PALATE_DB_PASSWORD", "PALATE_PUBLISH"}


def test_images_are_pinned_and_containers_say_whether_they_are_well() -> None:
    services = compose()["services"]
    assert set(services) == {"database", "migrate", "serve", "worker", "prometheus", "grafana"}
    dockerfile = (ROOT / "Dockerfile").read_text()
    for name, service in services.items():
        tag = service["image"].partition(":")[2]
        assert re.search(r"\d+\.\d+", tag), f"{name} is not pinned"
        # Those built here have the Dockerfile's; what is no server has none to answer.
        assert "healthcheck" in service or ("build" in service and "HEALTHCHECK" in dockerfile), name
    pgvector = re.match(r"([\d.]+)-pg", services["database"]["image"].partition(":")[2])
    assert pgvector
    assert tuple(int(part) for part in pgvector[1].split(".")) >= MIN_PGVECTOR


def test_the_workers_container_is_ill_where_no_worker_looks() -> None:
    program, name, option, check = compose()["services"]["worker"]["healthcheck"]["test"][1:]
    assert (program, option) == ("palate", "--only")
    assert name in {command.name or getattr(command.callback, "__name__", "") for command in app.registered_commands}
    assert check in CHECKS


def test_containers_wait_for_what_they_need_and_name_only_what_is_there() -> None:
    whole = compose()
    for name, service in whole["services"].items():
        for needed, how in service.get("depends_on", {}).items():
            assert needed in whole["services"], name
            assert how["condition"] in ("service_healthy", "service_completed_successfully")
        for volume in service.get("volumes", []):
            source = volume.split(":")[0]
            assert (ROOT / source).exists() if source.startswith(".") else source in whole["volumes"], volume
    assert {name for name, one in whole["services"].items() if one.get("profiles") == ["monitoring"]} == {"prometheus", "grafana"}


@pytest.mark.parametrize("file", sorted((ROOT / "deploy").rglob("*.yml"), key=str), ids=lambda file: str(file.relative_to(ROOT)))
def test_every_file_can_be_read(file: Path) -> None:
    assert isinstance(yaml.safe_load(file.read_text()), dict)
