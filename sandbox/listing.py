"""Lists of deliverables and of templates: one way to filter and to page."""

from typing import Annotated

from pydantic import Field
from starlette.requests import Request

from sandbox.store import Row
from sandbox.validation import Query


class Listing(Query):
    """The query of a list."""

    limit: Annotated[int, Field(ge=1, le=100)] = 6
    offset: Annotated[int, Field(ge=0, le=2**53)] = 0
    query: str = ""
    show_tags: str = "false"

    @property
    def with_tags(self) -> bool:
        """Whether tags are shown; one client writes `True`."""
        return self.show_tags.lower() in {"true", "1"}


def page(request: Request, asked: Listing, rows: list[Row]) -> tuple[list[Row], int]:
    """Take those whose name holds the query and that bear all selected tags; return a page, and how many."""
    params = request.query_params
    tags = {*params.getlist("selectedTags"), *params.getlist("selectedTags[]")}
    found = [row for row in rows if asked.query.lower() in row["name"].lower() and tags <= set(row["tags"])]
    return found[asked.offset : asked.offset + asked.limit], len(found)
