"""A real n8n, fetched with npm and run on a free port, with SQLite in a folder of its own."""

import json
import os
import sqlite3
import subprocess
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager, closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from countersign.free_ports import free_port
from devstack.processes import Part, Supervisor, prints
from tests.conftest import tool

_N8N: Final = "n8n@1.123.81"
"""The newest series that runs on the Node of Debian and Ubuntu (20)."""
_OVERRIDES: Final = {"xlsx": "0.18.5", "@langchain/langgraph-checkpoint": "1.0.0"}
"""The version of xlsx that n8n names is not on npm; a newer checkpoint does not fit the rest."""
_QUIET: Final = (
    "N8N_DIAGNOSTICS_ENABLED",
    "N8N_VERSION_NOTIFICATIONS_ENABLED",
    "N8N_TEMPLATES_ENABLED",
    "N8N_PERSONALIZATION_ENABLED",
    "N8N_HIRING_BANNER_ENABLED",
    "N8N_COMMUNITY_PACKAGES_ENABLED",
    "N8N_RUNNERS_ENABLED",
)
"""What would call n8n's own servers, or is not needed."""
_NODE_HEADERS: Final = Path("/usr/include/node/node.h")
_READY_SECONDS: Final = 300


def install_n8n(folder: Path) -> Path:
    """Install n8n into a folder, or find it there; returns its program."""
    program = folder / "node_modules/n8n/bin/n8n"
    if not (folder / "installed").exists():
        folder.mkdir(parents=True, exist_ok=True)
        (folder / "package.json").write_text(json.dumps({"private": True, "overrides": _OVERRIDES}))
        options = ("--no-audit", "--no-fund", "--no-package-lock", "--ignore-scripts", "--legacy-peer-deps")
        _npm(folder, "install", *options, _N8N)
        headers = [f"--nodedir={_NODE_HEADERS.parents[2]}"] if _NODE_HEADERS.exists() else []
        _npm(folder, "rebuild", "sqlite3", *headers)
        (folder / "installed").touch()
    return program


def _npm(folder: Path, *words: str) -> None:
    done = subprocess.run([tool("npm"), *words], cwd=folder, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout[-2000:] + done.stderr[-2000:]


@dataclass(frozen=True)
class N8n:
    """A running n8n.

    Args:
        url: Its address.
        database: Its SQLite file.
    """

    url: str
    database: Path

    def executions(self) -> dict[str, str]:
        """Return the status of every execution by its id."""
        with closing(sqlite3.connect(f"file:{self.database}?mode=ro", uri=True)) as database:
            return {
                str(id_): status
                for id_, status in database.execute("SELECT id, status FROM execution_entity")
            }

    def output(self, execution: str, node: str) -> Any:
        """Return the JSON that a node of an execution put out last."""
        with closing(sqlite3.connect(f"file:{self.database}?mode=ro", uri=True)) as database:
            query = 'SELECT data FROM execution_data WHERE "executionId" = ?'
            (data,) = database.execute(query, (execution,)).fetchone()
        run = _unflatten(json.loads(data))["resultData"]["runData"][node][-1]
        return run["data"]["main"][0][0]["json"]


def _unflatten(parts: list[Any], place: int = 0) -> Any:
    """Read the format of the npm package `flatted`: texts are places in the list."""

    def read(value: Any) -> Any:
        return _unflatten(parts, int(value)) if isinstance(value, str) else value

    value = parts[place]
    if isinstance(value, dict):
        return {name: read(part) for name, part in value.items()}
    return [read(part) for part in value] if isinstance(value, list) else value


@asynccontextmanager
async def running_n8n(
    program: Path, folder: Path, *, workflow: Mapping[str, Any], credentials: Mapping[str, Any]
) -> AsyncIterator[N8n]:
    """Import a workflow and its credentials, and run n8n until the block ends."""
    port = free_port()
    url = f"http://127.0.0.1:{port}"
    env = {
        "PATH": os.environ["PATH"],
        "HOME": str(folder),
        "N8N_USER_FOLDER": str(folder),
        "N8N_HOST": "127.0.0.1",
        "N8N_LISTEN_ADDRESS": "127.0.0.1",
        "N8N_PORT": str(port),
        "N8N_PROTOCOL": "http",
        "N8N_ENCRYPTION_KEY": "of-a-test",
        "DB_TYPE": "sqlite",
        "N8N_EXPRESSION_ENGINE": "legacy",  # the other one is compiled code for some Nodes only
        **dict.fromkeys(_QUIET, "false"),
    }
    for name, content in (("workflow", workflow), ("credentials", credentials)):
        file = folder / f"{name}.json"
        file.write_text(json.dumps([content]))
        _n8n(program, env, f"import:{name}", f"--input={file}")
    _n8n(program, env, "update:workflow", f"--id={workflow['id']}", "--active=true")
    command = [tool("node"), str(program), "start"]
    part = Part("n8n", command, prints("Activated workflow"), env, folder, _READY_SECONDS)
    async with Supervisor(folder) as supervisor:
        await supervisor.start(part)
        yield N8n(url, folder / ".n8n/database.sqlite")


def _n8n(program: Path, env: Mapping[str, str], *words: str) -> None:
    command = [tool("node"), str(program), *words]
    done = subprocess.run(command, env=env, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout[-2000:] + done.stderr[-2000:]
