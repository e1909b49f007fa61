"""Parameters and bodies that more than one endpoint takes."""

from typing import Annotated, Any, TypeVar

from fastapi import Depends, Path, Query, Request
from fastapi.exceptions import RequestValidationError
from pydantic import AfterValidator, BaseModel, ValidationError

from app.api.auth import GoodKey
from app.connect.bodies import PlainText

MAX_LISTED = 200


async def read_body(request: Request, _checked: Annotated[None, GoodKey]) -> bytes:
    """The whole body, from those who have a key. Raises BodyTooLarge as soon as it is, and BodyTooSlow."""
    return await request.body()


Payload = Annotated[bytes, Depends(read_body)]
Body = TypeVar("Body", bound=BaseModel)


def parse_body(kind: type[Body], payload: bytes) -> Body:
    """Raises RequestValidationError, without what was sent in it."""
    try:
        return kind.model_validate_json(payload)
    except ValidationError as error:
        faults = error.errors(include_url=False, include_context=False, include_input=False)
        raise RequestValidationError([{**fault, "loc": ("body", *fault["loc"])} for fault in faults]) from None


def described_body(schema: dict[str, Any], **others: dict[str, Any]) -> dict[str, Any]:
    """The OpenAPI description of a body that an endpoint reads by itself; `others` by content type."""
    definitions = schema.pop("$defs", {})
    content = {"application/json": {"schema": _inlined(schema, definitions)}} | {name: {"schema": other} for name, other in others.items()}
    return {"requestBody": {"required": True, "content": content}}


def described_optional_body(schema: dict[str, Any]) -> dict[str, Any]:
    """The same of a body that may be left out."""
    described = described_body(schema)
    described["requestBody"]["required"] = False
    return described


def _inlined(schema: Any, definitions: dict[str, Any]) -> Any:
    if isinstance(schema, list):
        return [_inlined(part, definitions) for part in schema]
    if not isinstance(schema, dict):
        return schema
    if "$ref" in schema:
        return _inlined(definitions[schema["$ref"].rpartition("/")[2]], definitions)
    return {name: _inlined(part, definitions) for name, part in schema.items()}


def comma_list(value: str | None) -> list[str] | None:
    """The entries of a comma list, without blanks; None for none."""
    parts = [part.strip() for part in (value or "").split(",") if part.strip()]
    if len(parts) > MAX_LISTED:
        raise ValueError(f"takes at most {MAX_LISTED} entries")
    return parts or None


def _checked(value: str) -> str:
    comma_list(value)
    return value


# Told in the description only: the validators say more plainly what is wrong.
NO_NUL = {"pattern": r"^[^\x00]*$"}
FEW_COMMAS = {"pattern": rf"^([^,\x00]*,){{0,{MAX_LISTED - 1}}}[^,\x00]*$"}

ServerId = Annotated[str, Query(min_length=1, max_length=256, description="Id of the media server.", json_schema_extra=NO_NUL), PlainText]
UserId = Annotated[
    str, Query(min_length=1, max_length=256, description="Id of the user on the media server.", json_schema_extra=NO_NUL), PlainText
]
ServerPath = Annotated[str, Path(min_length=1, max_length=256, description="Id of the media server.", json_schema_extra=NO_NUL), PlainText]
UserPath = Annotated[
    str, Path(min_length=1, max_length=256, description="Id of the user on the media server.", json_schema_extra=NO_NUL), PlainText
]
ItemPath = Annotated[
    str,
    Path(min_length=1, max_length=256, description="Id of an item, season or episode on the media server.", json_schema_extra=NO_NUL),
    PlainText,
]
LibraryId = Annotated[
    Annotated[str, PlainText] | None, Query(min_length=1, max_length=256, description="Only this library.", json_schema_extra=NO_NUL)
]
CommaList = Annotated[
    Annotated[str, PlainText, AfterValidator(_checked)] | None,
    Query(max_length=8000, description="A comma list.", json_schema_extra=FEW_COMMAS),
]
