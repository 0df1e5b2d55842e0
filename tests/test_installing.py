"""How Countersign and its extras are installed: as docs and error messages say, from locks with hashes."""

import re
import subprocess
import sys
import tomllib
import venv
import zipfile
from importlib.metadata import distribution
from pathlib import Path
from typing import Any

import pytest
from packaging.requirements import Requirement

import countersign
from countersign.extras import needs_extra
from tests.conftest import tool

ROOT = Path(__file__).parents[1]
PROJECT: dict[str, Any] = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
EXTRAS = sorted(set(PROJECT["optional-dependencies"]) - {"dev", "local"})
"""`dev` has its own lock, and `local` is in requirements.lock: it is what `make demo` shows."""
CHECKOUT_ONLY = {"cli/demo.py", "cli/stack.py", "cli/up.py"}
"""They start the sandbox and the worker of a checkout."""
PROMPT = re.compile(r"pip3? install\b.*?(?<![\w./-])countersign(?![\w./-])")
LOCK = re.compile(r"requirements[\w-]*\.lock")


def test_a_package_of_that_name_that_is_not_ours_is_reported() -> None:
    reported = ["pip install countersign", "pip install --user 'countersign[aws]'"]
    own = ["pip install -e ../countersign", "pip install ./countersign", "pip install -r countersign/a.lock"]
    assert [bool(PROMPT.search(line)) for line in reported + own] == [True, True, False, False, False]


def _files() -> list[Path]:
    git = [tool("git"), "ls-files"]
    listed = subprocess.run(git, cwd=ROOT, capture_output=True, text=True, check=True)
    return [ROOT / line for line in listed.stdout.splitlines() if Path(line).suffix not in {".png", ".lock"}]


def test_no_one_is_reported_to_install_a_package_of_that_name_that_is_not_ours() -> None:
    texts = {path: path.read_text(encoding="utf-8") for path in _files() if path != Path(__file__)}
    assert [path for path, text in texts.items() if PROMPT.search(text)] == []


def test_every_lock_that_is_named_exists() -> None:
    named = {item for path in _files() if path.suffix == ".md" for item in LOCK.findall(path.read_text())}
    assert named >= {f"requirements-{extra}.lock" for extra in EXTRAS}
    assert [name for name in named if not (ROOT / name).exists()] == []


@pytest.mark.parametrize("extra", EXTRAS)
def test_what_a_missing_extra_is_reported_to_install_is_the_extra(extra: str) -> None:
    (name,) = LOCK.findall(needs_extra(extra))
    base, lock, development = (_locked(item) for item in ("requirements.lock", name, "requirements-dev.lock"))
    assert set(lock.items()) <= set(development.items())
    assert not set(lock) & set(base)
    needed = _needed([Requirement(text) for text in PROJECT["optional-dependencies"][extra]])
    assert needed <= {*base, *lock}


def test_the_lock_holds_what_the_project_needs() -> None:
    needed = _needed([Requirement(dependency) for dependency in PROJECT["dependencies"]])
    assert needed <= set(_locked("requirements.lock"))


def _locked(name: str) -> dict[str, str]:
    """Read a lock: requirement package with its version, its marker and its hashes."""
    entry = r"^([a-z0-9-]+)==(.*(?:\n    --hash=sha256:[0-9a-f]{64}(?: \\)?)+)$"
    return dict(re.findall(entry, (ROOT / name).read_text(), re.MULTILINE))


def _needed(wanted: list[Requirement]) -> set[str]:
    """Name what requirements need, and what that needs in turn, as far as it is installed here."""
    found: set[str] = set()
    while wanted:
        requirement = wanted.pop()
        name = re.sub(r"[-_.]+", "-", requirement.name).lower()
        extras = requirement.extras or {""}
        marker = requirement.marker
        if name in found or (marker and not any(marker.evaluate({"extra": one}) for one in extras)):
            continue
        found.add(name)
        for text in distribution(name).requires or []:
            inner = Requirement(text)
            if not inner.marker or any(inner.marker.evaluate({"extra": one}) for one in extras):
                wanted.append(inner)
    return found


def _pip(*words: str) -> None:
    command = [sys.executable, "-m", "pip", "--disable-pip-version-check", *words]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=60)
    assert done.returncode == 0, done.stdout + done.stderr


def build_wheel(folder: Path) -> Path:
    """Build the wheel into a folder."""
    _pip("wheel", "--quiet", "--no-deps", "--no-build-isolation", "--no-index", f"-w{folder}", str(ROOT))
    (wheel,) = folder.iterdir()
    return wheel


def make_environment(folder: Path) -> Path:
    """Make an empty virtual environment; returns its Python."""
    venv.create(folder)
    return folder / "bin" / "python"


def install(python: Path, *what: str) -> None:
    """Install into a virtual environment without network; it then sees the libraries that tests run with."""
    (site,) = python.parents[1].glob("lib/python*/site-packages")
    (site / "libraries.pth").write_text(str(Path(pytest.__file__).parents[1]))
    offline = ("--quiet", "--no-deps", "--no-build-isolation", "--no-index", "--ignore-installed")
    _pip(f"--python={python}", "install", *offline, *what)


def test_the_wheel_holds_every_file_of_ours_and_no_other(tmp_path: Path) -> None:
    wheel = build_wheel(tmp_path)
    assert wheel.name == f"countersign_temporal-{countersign.__version__}-py3-none-any.whl"
    held = set(zipfile.ZipFile(wheel).namelist())
    information = f"countersign_temporal-{countersign.__version__}.dist-info"
    assert {name.split("/")[0] for name in held} == {"countersign", information}
    files = {str(path.relative_to(ROOT)) for path in _files()} - CHECKOUT_ONLY
    package = {name for name in files if name.startswith("countersign/")}
    commands = {f"countersign/{name}" for name in files if name.startswith("cli/")}
    assert {name for name in held if not name.startswith(information)} == package | commands
    assert "countersign/py.typed" in held


def test_a_service_with_the_clone_installed_can_import_starter(tmp_path: Path) -> None:
    python = make_environment(tmp_path / "venv")
    (tmp_path / "service.py").write_text(
        "from starter import start_agreement; import worker; print(worker.__file__)"
    )

    def run(*command: str | Path) -> tuple[str, str]:
        ran = subprocess.run(command, cwd=tmp_path, env={}, capture_output=True, text=True, check=False)
        return ran.stdout, ran.stderr

    assert "No module named 'starter'" in run(python, "service.py")[1]
    install(python, "-e", str(ROOT))
    assert run(python, "service.py") == (f"{ROOT / 'worker.py'}\n", "")
    script = python.with_name("countersign")
    assert run(script, "--version") == (f"countersign {countersign.__version__}\n", "")
    assert "Show one agreement from end to end" in run(script, "demo", "--help")[0]
