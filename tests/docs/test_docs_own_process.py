"""The tutorial of a user's own process holds every file of the example, which uses public parts alone."""

import ast
import os
import re
import shutil
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from pathlib import Path

import pytest

from countersign.webhooks.configured.route_file import read_routes
from tests.packages import borrow_all, build_wheel, install, make_environment
from tests.test_imports import OURS

pytestmark = pytest.mark.thorough

ROOT = Path(__file__).parents[2]
EXAMPLE = ROOT / "examples/order_to_cash"
TUTORIAL = ROOT / "docs/tutorial/your-own-process.md"
NOT_SHOWN = {"README.md", "stand_in.py", "activities/__init__.py", "workflows/__init__.py"}
ITS_OWN = {"activities", "workflows"}
MODULES = sorted(path for path in EXAMPLE.rglob("*.py") if path.name != "__init__.py")


def files() -> set[str]:
    """Name the example's files, without recordings and what running it leaves behind."""
    found = (path for path in EXAMPLE.rglob("*") if path.is_file() and path.suffix not in {".json", ".pyc"})
    names = {str(path.relative_to(EXAMPLE)) for path in found}
    return {name for name in names if not any(part.startswith(".") for part in Path(name).parts)}


def imports(path: Path) -> Iterator[tuple[str, str]]:
    """Find the modules that a file imports, and the names it takes from them."""
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.ImportFrom) and node.module:
            yield from ((node.module, alias.name) for alias in node.names)
        elif isinstance(node, ast.Import):
            yield from ((alias.name, "") for alias in node.names)


def shown() -> set[str]:
    """Name the example's files that the tutorial shows."""
    return set(re.findall(r'^--8<-- "examples/order_to_cash/(.*)"$', TUTORIAL.read_text(), re.MULTILINE))


def test_the_tutorial_shows_every_file_of_the_example() -> None:
    assert shown() == files() - NOT_SHOWN


def test_what_the_tutorial_shows_passes_its_tests_with_the_wheel_alone(
    tmp_path_factory: pytest.TempPathFactory,
) -> None:
    project, python = tmp_path_factory.mktemp("project"), make_environment(tmp_path_factory.mktemp("venv"))
    borrow_all(python)
    install(python, str(build_wheel(tmp_path_factory.mktemp("wheel"))))
    for name in (*shown(), "activities/__init__.py", "workflows/__init__.py"):
        (project / name).parent.mkdir(exist_ok=True)
        (project / name).write_text((EXAMPLE / name).read_text())
    shutil.copytree(EXAMPLE / "tests/histories", project / "tests/histories")
    command = [str(python), "-m", "pytest", "-q", "-p", "no:cacheprovider"]
    env = {"PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}", "HOME": str(project)}
    done = subprocess.run(command, cwd=project, env=env, capture_output=True, text=True, check=False)
    assert (done.returncode, "5 passed" in done.stdout) == (0, True), done.stdout + done.stderr


def test_the_example_is_short() -> None:
    lines = sum(len((EXAMPLE / name).read_text().splitlines()) for name in files() - {"README.md"})
    assert lines < 400


@pytest.mark.parametrize("path", MODULES, ids=lambda path: path.name)
def test_the_example_imports_public_names_of_the_wheel_alone(path: Path) -> None:
    for module, name in imports(path):
        parts = module.split(".")
        assert parts[0] not in {*OURS} - {"countersign"} - ITS_OWN, module
        assert parts[0] not in ITS_OWN or (EXAMPLE / f"{'/'.join(parts)}.py").exists(), module
        assert not any(part.startswith("_") for part in (*parts, name) if part != "__future__"), (
            module,
            name,
        )


def test_the_example_depends_on_the_wheel_alone() -> None:
    project = tomllib.loads((EXAMPLE / "pyproject.toml").read_text())["project"]
    assert project["dependencies"] == ["countersign-temporal"]
    assert set(read_routes(EXAMPLE / "routes.toml")) == {"billing"}
