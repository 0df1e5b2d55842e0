"""How Countersign and its extras are installed: as docs and error messages say, from locks with hashes."""

import re
import subprocess
import zipfile
from pathlib import Path

import pytest
from packaging.requirements import Requirement

import countersign
from countersign import extras
from countersign.extras import needs_extra
from hatch_build import urls
from tests.conftest import tool
from tests.packages import OPTIONAL, PROJECT, ROOT, borrow_all, build_wheel, install, make_environment, needed

pytestmark = pytest.mark.thorough

EXTRAS = sorted(set(OPTIONAL) - {"api", "bulk", "dev", "docs", "local", "receiver", "testing", "worker"})
"""Developers need `dev` and `docs`; requirements.lock holds the others that are left out."""
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
    return [
        ROOT / line
        for line in listed.stdout.splitlines()
        if Path(line).suffix not in {".lock", ".pdf", ".png"}
    ]


def test_no_one_is_reported_to_install_a_package_of_that_name_that_is_not_ours() -> None:
    texts = {path: path.read_text(encoding="utf-8") for path in _files() if path != Path(__file__)}
    assert [path for path, text in texts.items() if PROMPT.search(text)] == []


def test_every_lock_that_is_named_exists() -> None:
    named = {item for path in _files() if path.suffix == ".md" for item in LOCK.findall(path.read_text())}
    assert named >= {f"requirements-{extra}.lock" for extra in EXTRAS}
    assert [name for name in named if not (ROOT / name).exists()] == []


@pytest.mark.parametrize(
    "origin",
    [
        "https://code.example.com/team/countersign.git",
        "https://somebody:secret@code.example.com/team/countersign/",
        "git@code.example.com:team/countersign.git",
        "ssh://git@code.example.com:2222/team/countersign",
    ],
)
def test_a_package_links_to_the_repository_that_it_is_built_from(tmp_path: Path, origin: str) -> None:
    for name in ("pyproject.toml", "hatch_build.py", "README.md", "LICENSE", "countersign/__init__.py"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text((ROOT / name).read_text())
    (tmp_path / "cli").mkdir()
    for command in (["init", "--quiet"], ["remote", "add", "origin", origin]):
        subprocess.run([tool("git"), *command], cwd=tmp_path, check=True)
    with zipfile.ZipFile(build_wheel(tmp_path / "wheel", of=tmp_path)) as wheel:
        (metadata,) = (name for name in wheel.namelist() if name.endswith("/METADATA"))
        text = wheel.read(metadata).decode()
    links = re.findall(r"^Project-URL: (.+), (.+)$", text, re.MULTILINE)
    repository = "https://code.example.com/team/countersign"
    assert dict(links)["Repository"] == repository
    assert {link for _, link in links if not link.startswith(repository)} == set()


@pytest.mark.parametrize(
    "origin", ["", "/srv/git/countersign", "../countersign", "file:///srv/git/countersign"]
)
def test_a_checkout_of_a_folder_has_no_links(origin: str) -> None:
    assert urls(origin) == {}


def test_the_first_installation_shows_its_progress(tmp_path: Path) -> None:
    for name in ("Makefile", *(path.name for path in ROOT.glob("requirements*.lock"))):
        (tmp_path / name).write_text((ROOT / name).read_text())
    command = [tool("make"), "--dry-run", "demo"]
    printed = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=True).stdout
    assert re.search(r'^echo "Installing what Countersign needs: .* packages"$', printed, re.MULTILINE)
    (install,) = re.findall(r"^.* pip install .*-r requirements\.lock$", printed, re.MULTILINE)
    assert not re.search(r" (-q|--quiet)\b", install)


@pytest.mark.parametrize("extra", EXTRAS)
def test_what_a_missing_extra_is_reported_to_install_is_the_extra(extra: str) -> None:
    (name,) = LOCK.findall(needs_extra(extra))
    base, lock, development = (_locked(item) for item in ("requirements.lock", name, "requirements-dev.lock"))
    assert set(lock.items()) <= set(development.items())
    assert not set(lock) & set(base)
    wanted = needed([Requirement(text) for text in OPTIONAL[extra]])
    assert wanted <= {*base, *lock}


def test_the_lock_holds_what_the_project_needs() -> None:
    wanted = needed([Requirement(text) for text in [*PROJECT["dependencies"], *OPTIONAL["local"]]])
    assert wanted == set(_locked("requirements.lock")) - {"colorama"}, "that one is for Windows"


def test_the_docs_lock_agrees_with_the_development_lock() -> None:
    docs, development = _locked("requirements-docs.lock"), _locked("requirements-dev.lock")
    shared = docs.keys() & development.keys()
    assert {docs[name].split()[0] for name in shared} == {development[name].split()[0] for name in shared}
    here = {name for name, entry in _locked("requirements.lock").items() if "sys_platform" not in entry}
    assert needed([Requirement(text) for text in OPTIONAL["docs"]]) <= {*docs, *here}


def test_modules_are_in_the_extra_that_names_them() -> None:
    for extra, modules in extras.MODULES.items():
        assert set(modules) <= {Requirement(text).name for text in OPTIONAL[extra]}


def _locked(name: str) -> dict[str, str]:
    """Read a lock: requirement package with its version, its marker and its hashes."""
    entry = r"^([a-z0-9-]+)==(.*(?:\n    --hash=sha256:[0-9a-f]{64}(?: \\)?)+)$"
    return dict(re.findall(entry, (ROOT / name).read_text(), re.MULTILINE))


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
    borrow_all(python)
    install(python, "-e", str(ROOT))
    assert run(python, "service.py") == (f"{ROOT / 'worker.py'}\n", "")
    script = python.with_name("countersign")
    assert run(script, "--version") == (f"countersign {countersign.__version__}\n", "")
    assert "Run one agreement from end to end" in run(script, "demo", "--help")[0]
