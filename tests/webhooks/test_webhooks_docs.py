"""The examples in docs/reference/webhooks.md and in a provider's README work."""

import asyncio
import importlib
import re
import socket
import ssl
from collections.abc import Callable
from pathlib import Path

import pytest
import trustme
from temporalio.client import Client
from temporalio.worker import Worker

from countersign.agreements.events import EventKind
from countersign.free_ports import free_port
from countersign.webhooks import configured
from countersign.webhooks.configured.route_file import AgreementRoute, WorkflowRoute, read_routes
from countersign.webhooks.inbox import WebhookEvent
from devstack.processes import Part, Supervisor
from tests.conftest import tool
from tests.webhooks.webhook_deliveries import PATH, encode, envelope, sign
from tests.webhooks.webhook_receiver import Agreement, start_agreement
from tests.webhooks.webhook_receivers import RunningReceiver, running_receiver
from tests.webhooks.webhook_wire import open_connection, request, status

PAGE = (Path(__file__).parents[2] / "docs/reference/webhooks.md").read_text(encoding="utf-8")


async def _deliver_by_hand(url: str, **given: str) -> str:
    (script,) = re.findall(r"<!-- by hand -->\n```sh\n(.*?)^```$", PAGE, flags=re.MULTILINE | re.DOTALL)
    for name, value in given.items():
        script, count = re.subn(rf"^{name}=.*$", f"{name}='{value}'", script, flags=re.MULTILINE)
        assert count == 1
    process = await asyncio.create_subprocess_exec(
        *("/bin/sh", "-eu", "-c", script.replace("http://127.0.0.1:8081", url)),
        env={"PATH": "/usr/bin:/bin"},
        stdout=asyncio.subprocess.PIPE,
    )
    out, _ = await process.communicate()
    return out.decode()


async def test_the_delivery_by_hand_arrives(receiver: RunningReceiver, agreement: Agreement) -> None:
    for program in ("curl", "openssl"):
        tool(program)
    fields = {"title": agreement.title, "document": agreement.document_id}
    assert (await _deliver_by_hand(receiver.url)).startswith("HTTP/1.1 200 ")
    assert (await _deliver_by_hand(receiver.url, secret="whsec_other", **fields)).startswith("HTTP/1.1 401 ")
    assert await agreement.events() == []
    assert (await _deliver_by_hand(receiver.url, **fields)).startswith("HTTP/1.1 200 ")
    (event,) = await agreement.events()
    assert (event.kind, event.document_id) == (EventKind.VIEWED, agreement.document_id)


def test_the_examples_of_the_file_of_routes_work(tmp_path: Path) -> None:
    page = Path(configured.__file__).with_name("README.md").read_text(encoding="utf-8")
    examples = re.findall(r"^```toml\n(.*?)^```$", page, flags=re.MULTILINE | re.DOTALL)
    senders = re.findall(r"^\| (\w+) \| `({ scheme.*})` \|$", page, flags=re.MULTILINE)
    for name, verify in senders:
        examples.append(f"[{name.lower()}]\nworkflow = 'a-{{a}}'\nsignal = 'a'\nverify = {verify}\n")
    file = tmp_path / "routes.toml"
    file.write_text("\n".join(examples), encoding="utf-8")
    routes = read_routes(file)
    assert list(routes) == ["payments", "acme", "signups", "github", "shopify", "slack", "stripe"]
    acme, payments = routes["acme"], routes["payments"]
    assert isinstance(acme, AgreementRoute)
    assert acme.kinds["document.declined"] is EventKind.DECLINED
    assert isinstance(payments, WorkflowRoute)
    assert payments.data == {"amount": "data.amount", "invoice": "data.invoice.id"}


async def test_the_example_of_a_workflow_takes_an_event(
    receiving: Client, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    page = Path(configured.__file__).with_name("README.md").read_text(encoding="utf-8")
    (example,) = re.findall(r"^```python\n(.*?)^```$", page, flags=re.MULTILINE | re.DOTALL)
    (tmp_path / "documented_order.py").write_text(example, encoding="utf-8")
    monkeypatch.syspath_prepend(tmp_path)
    order = importlib.import_module("documented_order").Order
    async with Worker(receiving, task_queue="documented", workflows=[order]):
        handle = await receiving.start_workflow("Order", "1042", id="documented", task_queue="documented")
        event = WebhookEvent(id="evt_1", kind="invoice.paid", data={"amount": 3.5})
        await handle.signal("payment", event)
        assert await handle.result() == "1042: 3.5"


def _config(language: str) -> str:
    (found,) = re.findall(rf"^```{language}\n(.*?)^```$", PAGE, flags=re.MULTILINE | re.DOTALL)
    return str(found)


def _nginx(port: int, folder: Path) -> tuple[list[str], str]:
    config = _config("nginx").replace("listen 443", f"listen 127.0.0.1:{port}")
    config = config.replace("/etc/ssl/webhooks.pem", str(folder / "chain.pem"))
    config = config.replace("/etc/ssl/webhooks.key", str(folder / "key.pem"))
    paths = "".join(
        f"{item}_temp_path {folder / item};\n"
        for item in ("client_body", "proxy", "fastcgi", "uwsgi", "scgi")
    )
    whole = f"daemon off;\npid {folder / 'pid'};\nevents {{}}\nhttp {{\naccess_log off;\n{paths}{config}\n}}"
    return ["nginx", "-p", str(folder), "-e", "stderr", "-c", str(folder / "config")], whole


def _caddy(port: int, folder: Path) -> tuple[list[str], str]:
    tls = f"tls {folder / 'chain.pem'} {folder / 'key.pem'}"
    config = _config("caddyfile").replace(
        "webhooks.example.com {", f"https://webhooks.example.com:{port} {{\n\t{tls}"
    )
    whole = "{\n\tadmin off\n\tauto_https disable_redirects\n}\n" + config
    return ["caddy", "run", "--adapter", "caddyfile", "--config", str(folder / "config")], whole


@pytest.mark.heavy
@pytest.mark.parametrize("proxy", [_nginx, _caddy], ids=["nginx", "caddy"])
async def test_a_delivery_comes_through_a_proxy_set_up_as_the_page_says(
    receiving: Client, tmp_path: Path, proxy: Callable[[int, Path], tuple[list[str], str]]
) -> None:
    port = free_port()
    command, config = proxy(port, tmp_path)
    executable = tool(command[0])
    authority = trustme.CA()
    issued = authority.issue_cert("webhooks.example.com")
    (tmp_path / "chain.pem").write_bytes(b"".join(pem.bytes() for pem in issued.cert_chain_pems))
    issued.private_key_pem.write_to_path(tmp_path / "key.pem")
    trusting = ssl.create_default_context()
    authority.configure_trust(trusting)
    agreement = await start_agreement(receiving)
    body = encode(envelope(agreement.title))

    async def deliver(
        path: str = PATH, method: str = "POST", content: bytes = body, claims: str = ""
    ) -> int | None:
        headers = {**sign(content), "Content-Length": str(len(content)), "X-Forwarded-For": claims}
        whole = request(headers, content, path=path, method=method)
        async with open_connection(f"https://127.0.0.1:{port}", trusting, "webhooks.example.com") as (
            reader,
            writer,
        ):
            writer.write(whole.replace(b"Host: receiver", b"Host: webhooks.example.com"))
            return status(await reader.read())

    limited = {
        "COUNTERSIGN_WEBHOOKS_ALLOWED_CALLERS": "203.0.113.0/24",
        "COUNTERSIGN_WEBHOOKS_TRUSTED_PROXIES": "127.0.0.1",
    }
    receiver_port = free_port()
    (tmp_path / "config").write_text(config.replace("127.0.0.1:8080", f"127.0.0.1:{receiver_port}"))
    env = {"PATH": "/usr/bin:/usr/sbin", "HOME": str(tmp_path)}
    async with Supervisor(tmp_path) as supervisor:
        await supervisor.start(Part("proxy", [executable, *command[1:]], _listens(port), env, tmp_path))
        async with running_receiver(receiving, f"--port={receiver_port}"):
            assert await deliver() == 200
            assert await deliver(path="/healthz", method="GET") == 404
            assert await deliver(method="GET") in {403, 404}
            assert await deliver(content=b"x" * 70_000) in {413, 502}  # older Caddys say 502
        async with running_receiver(receiving, f"--port={receiver_port}", **limited):
            assert await deliver(claims="203.0.113.7") == 403

    assert len(await agreement.events()) == 1
    await agreement.handle.terminate()


def _listens(port: int) -> Callable[[str], bool]:
    def ready(_output: str) -> bool:
        with socket.socket() as probe:
            return probe.connect_ex(("127.0.0.1", port)) == 0

    return ready
