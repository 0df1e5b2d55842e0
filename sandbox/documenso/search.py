"""Search envelopes, with the service's traps.

The text is a substring of title, external id, or a recipient's name or e-mail, and `%` and `_` in it are
wildcards. Without a folder only the root folder is searched. Hidden envelopes are left out.
"""

from typing import Annotated, Literal

from pydantic import Field

from sandbox.core.store import Row
from sandbox.core.validation import Query
from sandbox.documenso.sandbox import Sandbox
from sandbox.documenso.values import STATUSES, WholeText

_SQL = """
FROM documents WHERE team_id = ?1 AND deleted_on IS NULL AND folder_id IS ?2
AND (?3 IS NULL OR type = ?3) AND (?4 IS NULL OR status = ?4) AND (?5 IS NULL OR source = ?5)
AND (?6 IS NULL OR template_id = ?6)
AND (?7 IS NULL OR name LIKE ?7 OR external_id LIKE ?7 OR EXISTS (
    SELECT 1 FROM recipients WHERE document_id = documents.id AND (name LIKE ?7 OR email LIKE ?7)))
AND (NOT ?8 OR status = 'PENDING' AND EXISTS (SELECT 1 FROM recipients WHERE document_id = documents.id
    AND status = 'NOT_SIGNED' AND expires_at <= ?9))
"""


class Search(Query):
    """The query of a search."""

    query: str = ""
    type: Literal["DOCUMENT", "TEMPLATE"] | None = None
    status: STATUSES | None = None
    source: Literal["DOCUMENT", "TEMPLATE", "TEMPLATE_DIRECT_LINK"] | None = None
    template_id: WholeText | None = None
    folder_id: str | None = None
    has_expired_recipients: Literal["true", "false"] = "false"
    page: Annotated[WholeText, Field(ge=1)] = 1
    per_page: Annotated[WholeText, Field(ge=1, le=100)] = 10
    order_by_column: Literal["createdAt"] = "createdAt"
    order_by_direction: Literal["asc", "desc"] = "desc"


def search(sandbox: Sandbox, asked: Search, team: int) -> tuple[list[Row], int]:
    """Return a page of envelopes, and the total count."""
    values = (
        team,
        asked.folder_id,
        asked.type,
        asked.status,
        asked.source,
        asked.template_id,
        f"%{asked.query}%" if asked.query else None,
        asked.has_expired_recipients == "true",
        sandbox.clock.stamp(),
    )
    total = sandbox.store.row(f"SELECT COUNT(*) AS n {_SQL}", *values)
    order = f"ORDER BY created_on {asked.order_by_direction}, seq {asked.order_by_direction}"
    rows = sandbox.store.rows(
        f"SELECT * {_SQL} {order} LIMIT ?10 OFFSET ?11",
        *values,
        asked.per_page,
        (asked.page - 1) * asked.per_page,
    )
    return rows, total["n"] if total else 0
