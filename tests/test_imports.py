"""Imports go one way: what a user changes stands above the machinery, and nothing goes round in circles."""

import ast
from collections.abc import Iterator
from functools import cache
from graphlib import TopologicalSorter
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
OURS = (
    "activities",
    "api",
    "cli",
    "countersign",
    "devstack",
    "receiver",
    "sandbox",
    "starter",
    "worker",
    "workflows",
)
ALLOWED = {
    "countersign": ("countersign",),
    "workflows": ("workflows", "activities", "countersign.agreements", "countersign.workflow"),
    "activities": ("activities", "countersign"),
    "cli": ("cli", "countersign", "devstack", "workflows", "activities"),
    "devstack": ("devstack", "countersign"),
    "sandbox": ("sandbox",),
    "api": ("countersign",),
    "receiver": ("countersign",),
    "starter": ("cli", "countersign"),
    "worker": ("activities", "countersign", "workflows"),
}
ONLY_IN = {
    "httpx": ("countersign.callbacks.sender", "countersign.providers.transport", "sandbox"),
    "fastapi": ("countersign.api",),
    "boto3": ("countersign.secrets",),
    "obstore": ("countersign.storage",),
    "opentelemetry": ("countersign.observability",),
    "uvicorn": ("countersign.http_server", "sandbox"),
}


def sources() -> Iterator[tuple[str, Path]]:
    for top in OURS:
        paths = [ROOT / f"{top}.py"] if (ROOT / f"{top}.py").exists() else (ROOT / top).rglob("*.py")
        for path in paths:
            name = ".".join(path.relative_to(ROOT).with_suffix("").parts)
            yield name.removesuffix(".__init__"), path


SOURCES = dict(sources())


@cache
def parsed(name: str) -> ast.Module:
    path = SOURCES[name]
    tree = ast.parse(path.read_text())
    resolve_relative_imports(tree, ".".join(path.relative_to(ROOT).with_suffix("").parts))
    return tree


def modules() -> Iterator[tuple[str, ast.Module]]:
    return ((name, parsed(name)) for name in SOURCES)


def resolve_relative_imports(tree: ast.Module, name: str) -> None:
    """Write `from .x import y` in a module as `from package.x import y`."""
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom) and node.level:
            package = name.split(".")[: -node.level]
            node.module, node.level = ".".join([*package, *filter(None, [node.module])]), 0


def imported(tree: ast.AST) -> Iterator[str]:
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module:
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


def is_within(name: str, packages: tuple[str, ...]) -> bool:
    return any(name == package or name.startswith(f"{package}.") for package in packages)


@cache
def imports() -> dict[str, list[str]]:
    return {name: sorted(set(imported(tree))) for name, tree in modules()}


def test_imports_go_one_way() -> None:
    wrong = {
        (name, module)
        for name, used in imports().items()
        for module in used
        if is_within(module, OURS) and not is_within(module, ALLOWED[name.split(".", maxsplit=1)[0]])
    }
    assert wrong == set()


@pytest.mark.parametrize("library", ONLY_IN)
def test_a_library_has_one_home(library: str) -> None:
    homes = [name for name, used in imports().items() if any(is_within(one, (library,)) for one in used)]
    assert [name for name in homes if not is_within(name, ONLY_IN[library])] == []


def test_workflows_know_no_transport_and_no_settings() -> None:
    banned = ("httpx", "pydantic_settings", "countersign.settings", "countersign.configuration")
    found = {
        name: [module for module in used if is_within(module, banned)]
        for name, used in imports().items()
        if is_within(name, ("workflows",))
    }
    assert {name: item for name, item in found.items() if item} == {}


def test_workflows_use_nothing_that_differs_when_they_are_replayed() -> None:
    """Most of their modules are passed through the sandbox, which would have said so."""
    chance = ("os", "pathlib", "random", "secrets", "socket", "subprocess", "threading", "time", "uuid")
    clocks = {"now", "utcnow", "today", "time"}
    for name, tree in modules():
        if not is_within(name, ("workflows",)):
            continue
        assert [module for module in imports()[name] if is_within(module, chance)] == [], name
        attributes = [node for node in ast.walk(tree) if isinstance(node, ast.Attribute)]
        read = [ast.unparse(attribute) for attribute in attributes if attribute.attr in clocks]
        assert set(read) <= {"workflow.now", "workflow.time"}, name


def test_workflows_import_activities_only_past_the_sandbox() -> None:
    for name, tree in modules():
        if is_within(name, ("workflows",)):
            plain = ast.Module([node for node in tree.body if not isinstance(node, ast.With)], [])
            found = [module for module in imported(plain) if is_within(module, ("activities",))]
            assert [item for item in found if not is_within(item, ("activities.requests",))] == [], name


def test_the_sandbox_shares_no_code_with_what_it_tests() -> None:
    for name, used in imports().items():
        own = [module for module in used if is_within(module, OURS)]
        if is_within(name, ("sandbox",)):
            assert [our for our in own if not is_within(our, ("sandbox",))] == [], name
        else:
            assert [our for our in own if is_within(our, ("sandbox",))] == [], name


def test_no_module_imports_itself_by_detours() -> None:
    graph = {
        name: {known for module in used if (known := _module(module)) and known != name}
        for name, used in imports().items()
    }
    assert list(TopologicalSorter(graph).static_order())


def _module(name: str) -> str | None:
    """Find the module that an imported name is, or is defined in."""
    if name in SOURCES:
        return name
    parent = name.rpartition(".")[0]
    return parent if parent in SOURCES else None
