"""Filters and pages of lists."""

from typing import Annotated

from pydantic import Field
from starlette.requests import Request

from sandbox.core.store import Row
from sandbox.core.validation import Query
from sandbox.turbodocx import tags
from sandbox.turbodocx.sandbox import Sandbox


class Shown(Query):
    """The query of a single row."""

    show_tags: str = "false"

    @property
    def with_tags(self) -> bool:
        """Whether the response has tags. The Python SDK sends `True`."""
        return self.show_tags.lower() in {"true", "1"}


class Listing(Shown):
    """The query of a list."""

    limit: Annotated[int, Field(ge=1, le=100)] = 6
    offset: Annotated[int, Field(ge=0, le=2**53)] = 0
    query: str = ""


def page(sandbox: Sandbox, request: Request, asked: Listing, rows: list[Row]) -> tuple[list[Row], int]:
    """Filter rows by name and by the ids of all selected tags; return one page and the total count."""
    params = request.query_params
    selected = tags.labels_of(
        sandbox, {*params.getlist("selectedTags"), *params.getlist("selectedTags[]")} - {""}
    )
    found = [
        row for row in rows if asked.query.lower() in row["name"].lower() and selected <= set(row["tags"])
    ]
    return found[asked.offset : asked.offset + asked.limit], len(found)
