"""Query and path parameters that more than one endpoint takes."""

from typing import Annotated

from fastapi import Path, Query
from pydantic import AfterValidator

from app.connect.bodies import PlainText

MAX_LISTED = 200


def comma_list(value: str | None) -> list[str] | None:
    """The entries of a comma list, without blanks; None for none."""
    parts = [part.strip() for part in (value or "").split(",") if part.strip()]
    if len(parts) > MAX_LISTED:
        raise ValueError(f"takes at most {MAX_LISTED} entries")
    return parts or None


def _checked(value: str | None) -> str | None:
    comma_list(value)
    if value is not None and "\x00" in value:
        raise ValueError("must not contain a NUL character")
    return value


ServerId = Annotated[str, Query(min_length=1, max_length=256, description="Id of the media server."), PlainText]
UserId = Annotated[str, Query(min_length=1, max_length=256, description="Id of the user on the media server."), PlainText]
ServerPath = Annotated[str, Path(min_length=1, max_length=256, description="Id of the media server."), PlainText]
LibraryId = Annotated[str | None, Query(min_length=1, max_length=256, description="Only this library."), AfterValidator(_checked)]
CommaList = Annotated[str | None, Query(max_length=8000, description="A comma list."), AfterValidator(_checked)]
