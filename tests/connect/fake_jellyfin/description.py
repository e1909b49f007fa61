"""The official OpenAPI descriptions of Jellyfin and Emby, and whether a request and its answer conform to them.

They are not part of the project: the folder is named by PALATE_OPENAPI_DIR, or lies beside the project in `shared/data/openapi`.
"""

import functools
import gzip
import json
import os
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import jsonschema_rs

ROOT = Path(__file__).parents[3]
FILES = {10: "jellyfin-openapi-10.11.8.json.gz", 12: "jellyfin-openapi-12.0.0.json.gz", "emby": "emby-openapi-4.1.1.0.json.gz"}
# Described as uuid; the server writes them without dashes and reads both.
GUID = re.compile(r"[0-9a-fA-F]{8}-?([0-9a-fA-F]{4}-?){3}[0-9a-fA-F]{12}")
WORDS = {"true": True, "false": False}


def folder() -> Path:
    return Path(os.environ.get("PALATE_OPENAPI_DIR", ROOT.parent / "shared" / "data" / "openapi"))


@functools.cache
def description(version: int | str) -> "Description | None":
    """None where the descriptions are not at hand."""
    file = folder() / FILES[version]
    return Description(json.loads(gzip.decompress(file.read_bytes()))) if file.is_file() else None


class Description:
    def __init__(self, content: dict[str, Any]) -> None:
        self._paths = content["paths"]
        self._schemas = {name: _as_json_schema(schema) for name, schema in content["components"]["schemas"].items()}
        self._validators: dict[str, Any] = {}

    def faults_of_request(self, method: str, path: str, query: Sequence[tuple[str, str]], body: bytes = b"") -> list[str]:
        operation = self._operation(method, path)
        if operation is None:
            return [f"{method} {path} is not described"]
        known = {one["name"]: one["schema"] for one in operation.get("parameters", []) if one["in"] == "query"}
        faults = [f"{path} has no parameter {name}" for name, _ in query if name not in known]
        for name, value in query:
            if name in known:
                faults += [f"{path}?{name}: {fault}" for fault in self._faults(known[name], _read(value, known[name]))]
        if body:
            described = operation["requestBody"]["content"]["application/json"]["schema"]
            faults += [f"{path}: {fault}" for fault in self._faults(described, json.loads(body))]
        return faults

    def faults_of_answer(self, method: str, path: str, status: int, body: bytes) -> list[str]:
        operation = self._operation(method, path)
        if operation is None:
            return [f"{method} {path} is not described"]
        answer = operation["responses"].get(str(status))
        if answer is None:
            return [f"{path} does not answer {status}"]
        content = answer.get("content", {}).get("application/json")
        if content is None:
            return []
        try:
            read = json.loads(body)
        except ValueError as error:
            return [f"{path}: {error}"]
        return [f"{path}: {fault}" for fault in self._faults(content["schema"], read)]

    def _operation(self, method: str, path: str) -> Mapping[str, Any] | None:
        for template, methods in self._paths.items():
            if re.fullmatch(re.sub(r"\\\{\w+\\\}", "[^/]+", re.escape(template)), path):
                found: Mapping[str, Any] | None = methods.get(method.lower())
                return found
        return None

    def _faults(self, schema: dict[str, Any], value: Any) -> list[str]:
        key = json.dumps(schema, sort_keys=True)
        if key not in self._validators:
            whole = {"allOf": [_as_json_schema(schema)], "$defs": self._schemas}
            is_guid = {"uuid": lambda text: GUID.fullmatch(text) is not None}
            self._validators[key] = jsonschema_rs.Draft202012Validator(whole, formats=is_guid, validate_formats=True)
        return [f"{'/'.join(map(str, fault.instance_path))} {fault.message[:200]}" for fault in self._validators[key].iter_errors(value)]


def _as_json_schema(schema: Any) -> Any:
    """OpenAPI 3.0 has `nullable`, which also opens an enum and what a $ref says."""
    if isinstance(schema, list):
        return [_as_json_schema(part) for part in schema]
    if not isinstance(schema, dict):
        return schema
    read = {name: _as_json_schema(part) for name, part in schema.items() if name not in ("nullable", "description", "default")}
    if "$ref" in read:
        read["$ref"] = read["$ref"].replace("#/components/schemas/", "#/$defs/")
    return {"anyOf": [read, {"type": "null"}]} if schema.get("nullable") is True else read


def _read(value: str, schema: Mapping[str, Any]) -> Any:
    """A text of the query as its type; what is none stays a text and is found out."""
    match schema.get("type"):
        case "array":
            return [_read(part, schema["items"]) for part in value.split(",")]
        case "boolean":
            return WORDS.get(value, value)
        case "integer" | "number":
            return json.loads(value) if re.fullmatch(r"-?\d+(\.\d+)?", value) else value
        case _:
            return value
