"""Small servers that speak the documented APIs of the secret managers, over HTTP."""

import base64
import json
import ssl
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, urlsplit

Answer = tuple[int, Any]


@dataclass
class Asked:
    """One request."""

    method: str
    path: str
    query: dict[str, str]
    headers: dict[str, str]
    body: bytes


@dataclass
class Service:
    """A server's address, what it was asked, and the switches that a test turns."""

    port: int = 0
    values: dict[str, str] = field(default_factory=dict)
    asked: list[Asked] = field(default_factory=list)
    status: int | None = None
    hang: bool = False
    released: threading.Event = field(default_factory=threading.Event)


@contextmanager
def serving(
    answer: Callable[[Service, Asked], Answer], tls: ssl.SSLContext | None = None
) -> Iterator[Service]:
    """Serve on a free port of this machine until the block ends."""
    service = Service()

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def _serve(self) -> None:
            url = urlsplit(self.path)
            body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
            query = {key: item[0] for key, item in parse_qs(url.query).items()}
            asked = Asked(
                self.command, url.path, query, {k.lower(): v for k, v in self.headers.items()}, body
            )
            service.asked.append(asked)
            if service.hang:
                service.released.wait(30)
            status, content = answer(service, asked)
            text = json.dumps(content).encode()
            self.send_response(status)
            if status == 401:
                self.send_header("WWW-Authenticate", content["challenge"])
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(text)))
            self.end_headers()
            self.wfile.write(text)

        do_GET = do_POST = do_PUT = _serve  # noqa: N815 - the standard library's names

        def log_message(self, *_: object) -> None:
            """Keep quiet."""

    class Server(ThreadingHTTPServer):
        daemon_threads = True

        def handle_error(self, *_: object) -> None:
            """A client that gave up is no error of ours."""

    server = Server(("127.0.0.1", 0), Handler)
    if tls is not None:
        server.socket = tls.wrap_socket(server.socket, server_side=True)
    service.port = server.server_port
    threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True).start()
    try:
        yield service
    finally:
        service.released.set()
        server.shutdown()
        server.server_close()


def aws(service: Service, asked: Asked) -> Answer:
    """Refuse as AWS does; what it gives is moto's to answer."""
    assert asked.headers["x-amz-target"] == "secretsmanager.GetSecretValue"
    code = {400: "AccessDeniedException", 500: "InternalServiceError"}[service.status or 500]
    return service.status or 500, {"__type": code, "Message": "refused for arn:aws:iam::1:user/jane"}


def azure(service: Service, asked: Asked) -> Answer:
    """Key Vault (https) and App Service's identity endpoint (http), by their path."""
    if asked.path == "/msi/token":
        assert asked.headers["x-identity-header"] == "header-secret"
        assert asked.query["resource"]
        return 200, {"access_token": "entra-token", "expires_on": "4102444800", "token_type": "Bearer"}
    if asked.headers.get("authorization") != "Bearer entra-token":
        # the resource must be a parent of the vault's host; of 127.0.0.1 this is the only one
        challenge = f'Bearer authorization="https://login.example/t", resource="https://0.0.1:{service.port}"'
        return 401, {"challenge": challenge}
    if service.status:
        return service.status, {"error": {"code": "Forbidden", "message": "jane may not"}}
    name = asked.path.split("/")[2]
    if name not in service.values:
        return 404, {"error": {"code": "SecretNotFound", "message": f"no {name}"}}
    return 200, {"value": service.values[name], "id": f"https://127.0.0.1:{service.port}/secrets/{name}/1"}


def gcp(service: Service, asked: Asked) -> Answer:
    """Secret Manager's REST API."""
    assert asked.headers["authorization"].startswith("Bearer ")
    _, _, _, project, _, name, _, version = asked.path.split("/")
    assert (project, version) == ("our-project", "latest:access")
    if service.status:
        status = {403: "PERMISSION_DENIED", 500: "INTERNAL"}[service.status]
        return service.status, {
            "error": {"code": service.status, "message": "jane may not", "status": status}
        }
    if name not in service.values:
        return 404, {"error": {"code": 404, "message": f"no {name}", "status": "NOT_FOUND"}}
    data = base64.b64encode(service.values[name].encode()).decode()
    return 200, {"name": asked.path, "payload": {"data": data}}


def vault(service: Service, asked: Asked) -> Answer:
    """Vault: KV version 2 under `secret/`, AppRole and Kubernetes sign-in."""
    if asked.path == "/v1/auth/approle/login":
        good = json.loads(asked.body) == {"role_id": "our-role", "secret_id": "our-secret-id"}
        return (200, {"auth": {"client_token": "hvs.good"}}) if good else (400, {"errors": ["invalid role"]})
    if asked.path == "/v1/auth/kubernetes/login":
        good = json.loads(asked.body) == {"role": "countersign", "jwt": "service-account-jwt"}
        return (200, {"auth": {"client_token": "hvs.good"}}) if good else (403, {"errors": ["denied"]})
    if service.status:
        return service.status, {"errors": ["Vault is sealed"]}
    if asked.headers.get("x-vault-token") != "hvs.good":
        return 403, {"errors": ["permission denied"]}
    if asked.path != "/v1/secret/data/apps/countersign":
        return 404, {"errors": []}
    return 200, {"data": {"data": dict(service.values), "metadata": {"version": 3}}}
