"""Build the wheel, and install it into environments of its own, without network."""

import re
import subprocess
import sys
import tomllib
import venv
from importlib.metadata import distribution
from pathlib import Path
from typing import Any

import pytest
from packaging.requirements import Requirement

ROOT = Path(__file__).parents[1]
PROJECT: dict[str, Any] = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
OPTIONAL: dict[str, list[str]] = PROJECT["optional-dependencies"]


def needed(wanted: list[Requirement]) -> set[str]:
    """Name what requirements need, and what that needs in turn, as far as it is installed here."""
    found: set[str] = set()
    while wanted:
        requirement = wanted.pop()
        name = re.sub(r"[-_.]+", "-", requirement.name).lower()
        extras = requirement.extras or {""}
        marker = requirement.marker
        if name == PROJECT["name"]:  # an extra may be made of others
            wanted.extend(Requirement(text) for extra in extras for text in OPTIONAL[extra])
            continue
        if name in found or (marker and not any(marker.evaluate({"extra": extra}) for extra in extras)):
            continue
        found.add(name)
        for text in distribution(name).requires or []:
            inner = Requirement(text)
            if not inner.marker or any(inner.marker.evaluate({"extra": extra}) for extra in extras):
                wanted.append(inner)
    return found


def _pip(*words: str) -> None:
    command = [sys.executable, "-m", "pip", "--disable-pip-version-check", *words]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=60)
    assert done.returncode == 0, done.stdout + done.stderr


def build_wheel(folder: Path, *, of: Path = ROOT) -> Path:
    """Build the wheel into a folder; of a copy of the checkout, or of this one."""
    _pip("wheel", "--quiet", "--no-deps", "--no-build-isolation", "--no-index", f"-w{folder}", str(of))
    (wheel,) = folder.iterdir()
    return wheel


def make_environment(folder: Path) -> Path:
    """Make an empty virtual environment; returns its Python."""
    venv.create(folder)
    return folder / "bin" / "python"


def install(python: Path, *what: str) -> None:
    """Install into a virtual environment without network."""
    offline = ("--quiet", "--no-deps", "--no-build-isolation", "--no-index", "--ignore-installed")
    _pip(f"--python={python}", "install", *offline, *what)


def site_packages(python: Path) -> Path:
    """Find the folder of a virtual environment that holds its libraries."""
    (site,) = python.parents[1].glob("lib/python*/site-packages")
    return site


def borrow_all(python: Path) -> None:
    """Let a virtual environment import every library that tests run with."""
    (site_packages(python) / "libraries.pth").write_text(str(Path(pytest.__file__).parents[1]))


def borrow(python: Path, wanted: list[str]) -> None:
    """Let a virtual environment import what requirements need, and nothing else."""
    site = site_packages(python)
    for name in needed([Requirement(text) for text in wanted]):
        for top in {file.parts[0] for file in distribution(name).files or [] if file.parts[0] != ".."}:
            if not (site / top).exists():
                (site / top).symlink_to(Path(str(distribution(name).locate_file(top))))
