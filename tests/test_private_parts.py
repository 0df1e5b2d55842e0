"""Private parts of libraries: the modules that use them, the names, and the bounds that protect them."""

import ast
import inspect
import re
import tomllib
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from typing import Any

import pytest
from packaging.requirements import Requirement

from tests.test_imports import OURS, imported, is_within, modules

PYPROJECT = (Path(__file__).parents[1] / "pyproject.toml").read_text()
UNDOCUMENTED = ("temporalio.bridge", "typer.core", "uvicorn")
"""What only a listed module may import, beside names that begin with an underscore."""
DOCUMENTED = {"os._exit"}


@dataclass(frozen=True)
class PrivateParts:
    """The private and undocumented names of one library that one module uses, as `module:Class.name`."""

    library: str
    module: str
    names: tuple[str, ...]


USES = (
    PrivateParts(
        "uvicorn",
        "countersign.http_server.server",
        (
            "uvicorn.config:Config.backlog",
            "uvicorn.config:Config.http_protocol_class",
            "uvicorn.protocols.http.h11_impl:H11Protocol._should_upgrade",
            "uvicorn.protocols.http.h11_impl:H11Protocol.conn",
            "uvicorn.protocols.http.h11_impl:H11Protocol.connection_lost",
            "uvicorn.protocols.http.h11_impl:H11Protocol.connection_made",
            "uvicorn.protocols.http.h11_impl:H11Protocol.connections",
            "uvicorn.protocols.http.h11_impl:H11Protocol.cycle",
            "uvicorn.protocols.http.h11_impl:H11Protocol.data_received",
            "uvicorn.protocols.http.h11_impl:H11Protocol.loop",
            "uvicorn.protocols.http.h11_impl:H11Protocol.on_response_complete",
            "uvicorn.protocols.http.h11_impl:H11Protocol.send_400_response",
            "uvicorn.protocols.http.h11_impl:H11Protocol.transport",
            "uvicorn.protocols.http.h11_impl:RequestResponseCycle.disconnected",
            "uvicorn.protocols.http.h11_impl:RequestResponseCycle.message_event",
            "uvicorn.protocols.http.h11_impl:RequestResponseCycle.response_started",
            "uvicorn.server:Server._serve",
            "uvicorn.server:Server.capture_signals",
            "uvicorn.server:Server.config",
            "uvicorn.server:Server.handle_exit",
            "uvicorn.server:Server.lifespan",
            "uvicorn.server:Server.server_state",
            "uvicorn.server:Server.servers",
            "uvicorn.server:Server.should_exit",
            "uvicorn.server:Server.shutdown",
            "uvicorn.server:Server.started",
            "uvicorn.server:Server.startup",
            "uvicorn.server:ServerState",
        ),
    ),
    PrivateParts(
        "uvicorn",
        "sandbox.core.server",
        (
            "uvicorn.protocols.http.h11_impl:H11Protocol.app_state",
            "uvicorn.protocols.http.h11_impl:H11Protocol.connection_made",
            "uvicorn.protocols.http.h11_impl:H11Protocol.transport",
            "uvicorn.server:Server.capture_signals",
            "uvicorn.server:Server.force_exit",
            "uvicorn.server:Server.server_state",
            "uvicorn.server:Server.should_exit",
            "uvicorn.server:Server.shutdown",
            "uvicorn.server:Server.startup",
            "uvicorn.server:ServerState.connections",
        ),
    ),
    PrivateParts("starlette", "sandbox.core.bodies", ("starlette.requests:Request._body",)),
    PrivateParts(
        "typer",
        "cli.main",
        (
            "typer.core:TyperCommand",
            "typer.core:TyperGroup.commands",
            "typer.core:TyperGroup.get_command",
            "typer.core:TyperGroup.list_commands",
            "typer.core:TyperGroup.resolve_command",
        ),
    ),
    PrivateParts(
        "temporalio",
        "countersign.eviction",
        (
            "temporalio.bridge.proto.workflow_activation:WorkflowActivation.history_length",
            "temporalio.bridge.proto.workflow_activation:WorkflowActivation.is_replaying",
            "temporalio.bridge.proto.workflow_activation:WorkflowActivation.jobs",
            "temporalio.bridge.proto.workflow_activation:WorkflowActivation.run_id",
            "temporalio.bridge.proto.workflow_activation:WorkflowActivationJob.query_workflow",
            "temporalio.bridge.proto.workflow_completion:WorkflowActivationCompletion",
            "temporalio.bridge.worker:Worker.request_workflow_eviction",
            "temporalio.worker._command_aware_visitor:CommandInfo",
            "temporalio.worker:Worker._bridge_worker",
            "temporalio.worker:WorkflowInstance.activate",
            "temporalio.worker:WorkflowInstance.get_external_store_context",
            "temporalio.worker:WorkflowInstance.get_info",
            "temporalio.worker:WorkflowInstance.get_serialization_context",
            "temporalio.worker:WorkflowInstance.get_thread_id",
            "temporalio.worker:WorkflowRunner.create_instance",
            "temporalio.worker:WorkflowRunner.prepare_workflow",
            "temporalio.worker:WorkflowRunner.set_worker_level_failure_exception_types",
            "temporalio.workflow:_Definition",
        ),
    ),
)
NAMES = {use.module: use.names for use in USES}


@pytest.mark.parametrize("name", sorted({name for use in USES for name in use.names}))
def test_a_private_name_exists(name: str) -> None:
    module, _, path = name.partition(":")
    owner_name, _, attribute = path.partition(".")
    owner: Any = getattr(import_module(module), owner_name)
    assert not attribute or hasattr(owner, attribute) or sets_attribute(owner, attribute)


def sets_attribute(owner: Any, attribute: str) -> bool:
    """Return whether the class is a protobuf message with this field, or sets the attribute in a method."""
    if descriptor := getattr(owner, "DESCRIPTOR", None):
        return attribute in descriptor.fields_by_name
    pattern = re.compile(rf"\bself\.{attribute}\b[^=\n]*= ")
    return any(pattern.search(inspect.getsource(base)) for base in owner.__mro__ if base is not object)


def test_a_module_uses_the_listed_private_parts_only() -> None:
    for module, tree in modules():
        names = {name for entry in NAMES.get(module, ()) for name in re.split("[:.]", entry)}
        unlisted = {use for use in private_uses(tree) if not set(re.split("[.]", use)) <= names}
        assert unlisted == set(), module


def private_uses(tree: ast.Module) -> set[str]:
    """Name the undocumented modules and the private names of other classes that a module uses."""
    foreign = {name for name in imported(tree) if not is_within(name, (*OURS, "__future__"))}
    undocumented = {name for name in foreign if is_within(name, UNDOCUMENTED)}
    private = {name for name in foreign if any(part.startswith("_") for part in name.split("."))}
    attributes = {
        ast.unparse(node)
        for node in ast.walk(tree)
        if isinstance(node, ast.Attribute)
        and node.attr.startswith("_")
        and not node.attr.startswith("__")
        and ast.unparse(node.value) not in {"self", "cls", "super()"}
    }
    return undocumented | private | {name.rpartition(".")[2] for name in attributes - DOCUMENTED}


@pytest.mark.parametrize(
    ("source", "name"),
    [
        ("import uvicorn", "uvicorn"),
        ("from uvicorn.server import Server", "uvicorn.server.Server"),
        ("from temporalio.workflow import _Definition", "temporalio.workflow._Definition"),
        (
            "from temporalio.worker._command_aware_visitor import X",
            "temporalio.worker._command_aware_visitor.X",
        ),
        ("request._body = b''", "_body"),
        ("self.worker._bridge_worker.stop()", "_bridge_worker"),
    ],
)
def test_a_private_part_is_found(source: str, name: str) -> None:
    assert private_uses(ast.parse(source)) == {name}


@pytest.mark.parametrize("use", USES, ids=lambda use: f"{use.library} in {use.module}")
def test_the_library_has_an_upper_bound_that_names_the_module(use: PrivateParts) -> None:
    project = tomllib.loads(PYPROJECT)["project"]
    groups = [project["dependencies"], *project["optional-dependencies"].values()]
    requirements = [Requirement(text) for group in groups for text in group]
    bounds = [requirement.specifier for requirement in requirements if requirement.name == use.library]
    assert bounds
    assert all(any(part.operator == "<" for part in bound) for bound in bounds)

    path = f"{use.module.replace('.', '/')}.py"
    assert [line for line in PYPROJECT.splitlines() if f'"{use.library}' in line and path in line]
