"""The sandbox's state in one SQLite file, which survives SIGKILL.

All work on the store is synchronous and never spans an `await`, so transactions never overlap.
"""

import json
import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from sandbox.core.schema import SCHEMA

Row = dict[str, Any]

sqlite3.register_adapter(dict, json.dumps)
sqlite3.register_adapter(list, json.dumps)
sqlite3.register_converter("JSON", json.loads)
sqlite3.register_converter("BOOL", lambda value: value == b"1")


class Store:
    """The sandbox's database.

    Args:
        folder: The folder of the file; None keeps everything in memory.
        schema: The tables that a provider adds to the shared ones.
    """

    def __init__(self, folder: Path | None, schema: str = "") -> None:
        if folder is not None:
            folder.mkdir(parents=True, exist_ok=True)
        name = ":memory:" if folder is None else str(folder / "sandbox.sqlite3")
        self._db = sqlite3.connect(name, isolation_level=None, detect_types=sqlite3.PARSE_DECLTYPES)
        self._db.row_factory = _as_dict
        self._db.execute("PRAGMA journal_mode=WAL")
        self._db.execute("PRAGMA synchronous=NORMAL")
        self._db.executescript(SCHEMA + schema)

    @contextmanager
    def transaction(self) -> Iterator[None]:
        """Commit all changes or none; an inner transaction joins the outer one."""
        if self._db.in_transaction:
            yield
            return
        self._db.execute("BEGIN IMMEDIATE")
        try:
            yield
        except BaseException:
            self._db.execute("ROLLBACK")
            raise
        self._db.execute("COMMIT")

    def insert(self, table: str, row: Row) -> None:
        """Add a row."""
        names, marks = ", ".join(row), ", ".join("?" * len(row))
        self._db.execute(f"INSERT INTO {table} ({names}) VALUES ({marks})", tuple(row.values()))  # noqa: S608 - constant names, bound values

    def update(self, table: str, row_id: str, **changes: Any) -> None:
        """Change some columns of the row with this id."""
        names = ", ".join(f"{name} = ?" for name in changes)
        self._db.execute(f"UPDATE {table} SET {names} WHERE id = ?", (*changes.values(), row_id))  # noqa: S608 - constant names, bound values

    def find(self, table: str, row_id: str) -> Row | None:
        """Return the row with this id, or None."""
        return self.row(f"SELECT * FROM {table} WHERE id = ?", row_id)  # noqa: S608 - constant names, bound values

    def row(self, sql: str, *values: Any) -> Row | None:
        """Return the first row of a query, or None."""
        found: Row | None = self._db.execute(sql, values).fetchone()
        return found

    def rows(self, sql: str, *values: Any) -> list[Row]:
        """Return all rows of a query."""
        return self._db.execute(sql, values).fetchall()

    def execute(self, sql: str, *values: Any) -> None:
        """Run a statement."""
        self._db.execute(sql, values)

    def setting(self, name: str) -> Any:
        """Return a setting, or None."""
        found = self.row("SELECT value FROM settings WHERE id = ?", name)
        return None if found is None else found["value"]

    def set(self, name: str, value: Any) -> None:
        """Store a setting, any JSON value."""
        self._db.execute(
            "INSERT OR REPLACE INTO settings (id, value) VALUES (?, ?)",
            (name, json.dumps(value)),
        )

    def file(self, file_id: str) -> bytes | None:
        """Return a file's bytes, or None."""
        found = self.row("SELECT content FROM files WHERE id = ?", file_id)
        return None if found is None else bytes(found["content"])

    def keep_file(self, file_id: str, content: bytes) -> None:
        """Store a file's bytes."""
        self._db.execute("INSERT OR REPLACE INTO files (id, content) VALUES (?, ?)", (file_id, content))

    def clear(self) -> None:
        """Delete everything except the settings."""
        tables = self.rows("SELECT name FROM sqlite_master WHERE type = 'table' AND name NOT LIKE 'sqlite_%'")
        for table in tables:
            if table["name"] != "settings":
                self._db.execute(f"DELETE FROM {table['name']}")  # noqa: S608 - names of the schema

    def close(self) -> None:
        """Close the file."""
        self._db.close()


def _as_dict(cursor: sqlite3.Cursor, values: tuple[Any, ...]) -> Row:
    return {column[0]: value for column, value in zip(cursor.description, values, strict=True)}
