"""The generated pages of the reference are current, and providers' packages are alike."""

from pathlib import Path

import pytest

from cli.reference import PAGE, reference
from countersign import provider_reference
from countersign.providers.registry import plugins

ROOT = Path(__file__).parents[2]
FILES = {
    "README.md",
    "__init__.py",
    "adapter.py",
    "capabilities.py",
    "client.py",
    "error_bodies.py",
    "models.py",
    "requests.py",
    "settings.py",
    "webhook.py",
}
SECTIONS = ["Headers", "Signature", "Secrets", "Event id", "Events", "Quirks"]


def test_the_reference_of_the_command_line_is_current() -> None:
    assert (ROOT / PAGE).read_text() == reference(), "run: make reference"


def test_the_capability_matrix_is_current() -> None:
    assert (ROOT / provider_reference.DOCS).read_text() == provider_reference.docs(), "run: make reference"


@pytest.mark.parametrize("kind", sorted(plugins()))
def test_packages_of_providers_have_the_same_files(kind: str) -> None:
    package = ROOT / "countersign/providers" / kind
    assert {path.name for path in package.iterdir()} >= FILES
    lines = (package / "README.md").read_text().splitlines()
    sections = [line.removeprefix("## ") for line in lines if line.startswith("## ")]
    assert [section for section in sections if section in SECTIONS] == SECTIONS


def test_nothing_outside_its_package_knows_a_provider() -> None:
    """Only the default account's name stands elsewhere, and examples that use it."""
    outside = [
        *(ROOT / "activities").rglob("*.py"),
        *(ROOT / "workflows").rglob("*.py"),
        *(path for path in (ROOT / "countersign").rglob("*.py") if "providers/" not in str(path)),
        *(ROOT / "cli").rglob("*.py"),
        *(ROOT / name for name in ("worker.py", "receiver.py", "starter.py")),
    ]
    names = tuple(f"countersign.providers.{kind}" for kind in plugins())
    found = {
        str(path.relative_to(ROOT)): line
        for path in outside
        for line in path.read_text().splitlines()
        if any(name in line for name in names) or "TurboDocxClient" in line
    }
    assert found == {}
