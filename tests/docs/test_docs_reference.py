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


def test_copied_pages_are_current_and_readable_on_a_code_host(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(ROOT)
    copies = provider_reference.copies()
    assert {f"{kind}.md" for kind in plugins()} < {page.name for page in copies}
    for page, text in copies.items():
        assert (ROOT / page).read_text() == text, "run: make reference"
    including = [page.name for page in (ROOT / "docs/reference").glob("*.md") if "--8<--" in page.read_text()]
    assert including == []


@pytest.mark.parametrize("kind", sorted(plugins()))
def test_packages_of_providers_have_the_same_files(kind: str) -> None:
    package = ROOT / "countersign/providers" / kind
    assert {path.name for path in package.iterdir()} >= FILES
    lines = (package / "README.md").read_text().splitlines()
    sections = [line.removeprefix("## ") for line in lines if line.startswith("## ")]
    assert [section for section in sections if section in SECTIONS] == SECTIONS


def test_nothing_outside_its_package_knows_a_provider() -> None:
    """Only the default account's name stands elsewhere, once."""
    outside = [
        *(
            path
            for top in ("activities", "cli", "countersign", "workflows")
            for path in (ROOT / top).rglob("*")
        ),
        *(ROOT / name for name in ("api.py", "worker.py", "receiver.py", "starter.py")),
    ]
    packages = {ROOT / "countersign/providers" / kind for kind in plugins()}
    names = ("turbodocx", *(f"countersign.providers.{kind}" for kind in plugins()))
    found = [
        f"{path.relative_to(ROOT)}: {line}"
        for path in outside
        if path.is_file() and "__pycache__" not in path.parts and packages.isdisjoint(path.parents)
        for line in path.read_text().splitlines()
        if any(name in line.lower() for name in names)
    ]
    assert found == ['countersign/agreements/names.py: DEFAULT_ACCOUNT: Final = "turbodocx"']
