"""docs/how-to/back-up-and-restore.md: its commands copy PostgreSQL and the store, and bring them back."""

import os
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from countersign.free_ports import free_port
from tests.conftest import tool

PAGE = (Path(__file__).parents[2] / "docs/how-to/back-up-and-restore.md").read_text()
DATABASES = ("temporal", "temporal_visibility")


def block(mark: str) -> str:
    return PAGE.split(f"<!-- {mark} -->\n```sh\n")[1].split("```")[0]


@pytest.fixture
def server() -> Iterator[dict[str, str]]:
    """PostgreSQL with a superuser `temporal`; yields the environment of its clients."""
    tool("pg_ctlcluster", "postgresql")
    bins, port = max(Path("/usr/lib/postgresql").glob("*/bin")), str(free_port())
    with tempfile.TemporaryDirectory(prefix="countersign-") as folder:
        stranger: list[str] = []
        if os.geteuid() == 0:
            stranger = [tool("setpriv"), "--reuid=postgres", "--regid=postgres", "--clear-groups"]
            shutil.chown(folder, "postgres")
        data = f"--pgdata={folder}/data"
        init = [f"{bins}/initdb", data, "--username=temporal", "--auth=trust", "--no-sync"]
        control = [*stranger, f"{bins}/pg_ctl", data, "--wait"]
        subprocess.run([*stranger, *init], check=True, capture_output=True, cwd="/")
        options = f"-p {port} -k {folder} -F -c listen_addresses=127.0.0.1"
        start = [*control, f"--options={options}", f"--log={folder}/log", "start"]
        subprocess.run(start, check=True, capture_output=True, cwd="/")
        try:
            path = f"{bins}:{os.environ['PATH']}"
            yield {"PATH": path, "PGHOST": "127.0.0.1", "PGPORT": port, "PGUSER": "temporal"}
        finally:
            stop = [*control, "--mode=immediate", "stop"]
            subprocess.run(stop, check=True, capture_output=True, cwd="/")


@pytest.mark.heavy
@pytest.mark.parametrize("is_lost", [True, False], ids=["lost", "damaged"])
def test_the_pages_commands_bring_both_databases_and_the_store_back(
    server: dict[str, str], tmp_path: Path, *, is_lost: bool
) -> None:
    (tmp_path / "store/order-1").mkdir(parents=True)
    (tmp_path / "store/order-1/claim.json").write_text("{}")
    (tmp_path / "backup").mkdir()

    def here(script: str) -> None:
        for theirs, ours in {"/var/lib/countersign/store": "store", "/backup": "backup"}.items():
            script = script.replace(theirs, str(tmp_path / ours))
        command = [tool("sh"), "-euc", script]
        done = subprocess.run(command, env=server, cwd=tmp_path, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr

    def ask(database: str, sql: str) -> str:
        command = ["psql", "--no-psqlrc", "--tuples-only", "--no-align", "--command", sql, database]
        return subprocess.run(command, env=server, capture_output=True, text=True, check=True).stdout.strip()

    for name in DATABASES:
        ask("postgres", f"CREATE DATABASE {name}")
        ask(name, f"CREATE TABLE executions AS SELECT '{name}' AS run")  # a name of this test
    here(block("back up"))
    for name in DATABASES:
        ask(name, "DELETE FROM executions")
        if is_lost:
            ask("postgres", f"DROP DATABASE {name}")
    shutil.rmtree(tmp_path / "store")
    here(block("restore"))
    assert [ask(name, "SELECT run FROM executions") for name in DATABASES] == list(DATABASES)
    assert (tmp_path / "store/order-1/claim.json").read_text() == "{}"
