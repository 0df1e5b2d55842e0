"""Check Temporal: its response, namespace, search attributes, workers, watchers and stuck agreements."""

from collections.abc import AsyncIterator, Callable, Sequence
from datetime import UTC, datetime, timedelta
from typing import Final

from temporalio.api.enums.v1 import IndexedValueType
from temporalio.api.operatorservice.v1 import AddSearchAttributesRequest, ListSearchAttributesRequest
from temporalio.api.workflowservice.v1 import DescribeNamespaceRequest, GetSystemInfoRequest
from temporalio.client import Client
from temporalio.service import RPCError, RPCStatusCode

from countersign.agreements import search_attributes
from countersign.agreements.names import account_task_queue
from countersign.agreements.times import format_time
from countersign.client.errors import START_WORKER
from countersign.client.listing import STUCK
from countersign.configuration import SettingsError, load
from countersign.connection import ConnectionFailedError, connect
from countersign.settings import CountersignSettings
from countersign.task_queues import Kind, describe_task_queue, last_poll, polling_identities
from countersign.watchers import watcher_state

from .configured import loaded
from .finding import Finding, failed, ok, skipped, warning

_CHECK, _ATTRIBUTES, _WORKERS, _AGREEMENTS = "Temporal", "search attributes", "workers", "agreements"
_WATCHERS: Final = "watcher"
_PATIENCE: Final = timedelta(seconds=5)
_TYPES: Final = {
    "Keyword": IndexedValueType.INDEXED_VALUE_TYPE_KEYWORD,
    "Bool": IndexedValueType.INDEXED_VALUE_TYPE_BOOL,
    "Datetime": IndexedValueType.INDEXED_VALUE_TYPE_DATETIME,
}
_COMMAND: Final = "run `countersign doctor --register`, or register them in Temporal Cloud's UI"

_STOPPED_ADVICE: Final = (
    "see whether the worker runs, and its log: it polls no account whose provider fails or rejects the key"
)
_STUCK_ADVICE: Final = (
    "see them with `countersign list --stuck`, then docs/how-to/be-on-call.md#agreementsstuck"
)

Consent = Callable[[Sequence[str]], bool]
"""Decides whether a described change may be made."""


async def check_temporal(*, register: Consent) -> AsyncIterator[Finding]:
    """Check server, namespace, search attributes, workers, watchers and stuck agreements.

    Args:
        register: Decides whether to register missing search attributes.
    """
    try:
        client = await connect()
        yield await _server(client)
    except ConnectionFailedError as error:
        yield failed(_CHECK, str(error), "start it with `make up`, or set TEMPORAL_ADDRESS")
        return
    except SettingsError as error:
        yield failed(_CHECK, str(error), "put it right first")
        return
    except RPCError as error:
        yield _refused(_CHECK, client, error)
        return
    for name, look in (
        (_ATTRIBUTES, _attributes(client, register=register)),
        (_WORKERS, _workers(client)),
        (_WATCHERS, _watchers(client)),
    ):
        try:
            yield await look
        except RPCError as error:
            yield _refused(name, client, error)
    try:
        stuck = (await client.count_workflows(STUCK, rpc_timeout=_PATIENCE)).count
    except RPCError as error:
        yield _refused(_AGREEMENTS, client, error)
        return
    if stuck:
        yield warning(_AGREEMENTS, f"{stuck} stuck", _STUCK_ADVICE)


async def _server(client: Client) -> Finding:
    service = client.workflow_service
    info = await service.get_system_info(GetSystemInfoRequest(), timeout=_PATIENCE)
    await service.describe_namespace(DescribeNamespaceRequest(namespace=client.namespace), timeout=_PATIENCE)
    address = client.service_client.config.target_host
    return ok(_CHECK, f"{address}, namespace {client.namespace}, server {info.server_version or 'unknown'}")


def _refused(check: str, client: Client, error: RPCError) -> Finding:
    if error.status is RPCStatusCode.NOT_FOUND:
        return failed(
            check,
            f"the namespace {client.namespace} does not exist",
            f"`temporal operator namespace create -n {client.namespace}`, or set TEMPORAL_NAMESPACE",
        )
    if error.status in (RPCStatusCode.PERMISSION_DENIED, RPCStatusCode.UNAUTHENTICATED):
        return failed(check, "it rejects the credentials", "check TEMPORAL_API_KEY or TEMPORAL_TLS_...")
    if error.status is RPCStatusCode.UNIMPLEMENTED:
        return skipped(check, "this server does not list them; see its UI")
    return failed(check, f"it did not respond ({error.status.name})", "try again; see the server's log")


async def _attributes(client: Client, *, register: Consent) -> Finding:
    listed = await client.operator_service.list_search_attributes(
        ListSearchAttributesRequest(namespace=client.namespace), timeout=_PATIENCE
    )
    there = dict(listed.custom_attributes)
    wanted = {name: _TYPES[kind] for name, kind in search_attributes.TYPES.items()}
    wrong = [name for name, kind in wanted.items() if there.get(name, kind) != kind]
    missing = [name for name in wanted if name not in there]
    if wrong:
        return failed(_ATTRIBUTES, f"of another type: {', '.join(wrong)}", "use another namespace")
    if not missing:
        return ok(_ATTRIBUTES, f"all {len(wanted)} registered")
    if not register(missing):
        return failed(_ATTRIBUTES, f"not registered: {', '.join(missing)}", _COMMAND)
    await client.operator_service.add_search_attributes(
        AddSearchAttributesRequest(
            namespace=client.namespace, search_attributes={name: wanted[name] for name in missing}
        ),
        timeout=_PATIENCE,
    )
    return ok(_ATTRIBUTES, f"registered now: {', '.join(missing)}")


async def _workers(client: Client) -> Finding:
    if not loaded(CountersignSettings):
        return skipped(_WORKERS, "the settings cannot work")
    (settings,) = load(CountersignSettings)
    queue = settings.task_queue
    kinds: dict[str, Kind] = {queue: "workflow"}
    kinds |= {account_task_queue(queue, account): "activity" for account, _ in settings.accounts}
    queues = {
        name: await describe_task_queue(client, name, kind, rpc_timeout=_PATIENCE)
        for name, kind in kinds.items()
    }
    polling = {name: len(polling_identities(described)) for name, described in queues.items()}
    alone = [name for name, count in polling.items() if not count]
    never = [name for name in alone if last_poll(queues[name]) is None]
    if never:
        return warning(_WORKERS, f"no worker polls {', '.join(never)}", START_WORKER)
    if alone:
        found = (
            f"no worker polls {name}: the last poll was {_age(last_poll(queues[name]))}" for name in alone
        )
        return warning(_WORKERS, "; ".join(found), _STOPPED_ADVICE)
    return ok(_WORKERS, f"{max(polling.values())} polling {', '.join(polling)}")


def _age(moment: datetime | None) -> str:
    return f"{(datetime.now(UTC) - moment).total_seconds():.0f} s ago" if moment else "never"


async def _watchers(client: Client) -> Finding:
    """Report whether the accounts' watchers read what changes; one that never could is no failure."""
    if not loaded(CountersignSettings):
        return skipped(_WATCHERS, "the settings cannot work")
    (settings,) = load(CountersignSettings)
    names = [account for account, _ in settings.accounts]
    try:
        states = {name: await watcher_state(client, settings.task_queue, name) for name in names}
    except SettingsError as error:
        return failed(_WATCHERS, *str(error).split(": ", 1))
    lacking = [f"{name}: {state.lack}" for name, state in states.items() if state.lack]
    lost = [
        f"{name}: {state.lack}, since {format_time(state.since)}"
        for name, state in states.items()
        if state.is_lost
    ]
    if lost:
        return warning(_WATCHERS, "; ".join(lost), "see docs/how-to/be-on-call.md#watchersilent")
    if lacking:
        return skipped(_WATCHERS, f"agreements check by themselves: {'; '.join(lacking)}")
    return ok(_WATCHERS, f"reads what changes at {', '.join(names)}")
