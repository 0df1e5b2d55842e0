"""Decrypt payloads for the Temporal UI and CLI.

    python -m countersign.codec_server --host 127.0.0.1 --port 8234 --ui http://localhost:8233

Enter the server's address in the UI's data encoder settings, or pass it to the CLI as `--codec-endpoint`.
Callers see plain text. The server therefore listens on the loopback address only, unless
`COUNTERSIGN_CODEC_TOKEN` is set; callers must then send it as a bearer token. Use a proxy for TLS.
"""

if __name__ == "__main__":
    from countersign.installation import require_installed

    require_installed("receiver")

import argparse
import hmac
import ipaddress
import sys
from collections.abc import Awaitable, Callable, Collection, Sequence
from http import HTTPStatus
from typing import Final
from urllib.parse import urlsplit

from google.protobuf import json_format
from pydantic import SecretStr
from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.middleware.cors import CORSMiddleware
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import Route
from temporalio.api.common.v1 import Payload, Payloads
from temporalio.converter import PayloadCodec

from countersign import entry
from countersign.configuration import SettingsError, load
from countersign.connection import encryption_codec
from countersign.http_server.limits import RejectedRequestError, read_body
from countersign.http_server.listening import CannotListenError
from countersign.http_server.server import Server
from countersign.loopback import LOOPBACK_HOSTS
from countersign.observability import logging
from countersign.settings import CodecServerSettings, CountersignSettings

BODY_LIMIT: Final = 8 * 1024 * 1024
"""Bytes: a page of a history, in JSON and base64."""
CONNECTION_LIMIT: Final = 100
_UI: Final = "http://localhost:8233"

Transform = Callable[[Sequence[Payload]], Awaitable[list[Payload]]]


def create_app(
    codec: PayloadCodec, *, token: SecretStr | None, ui: Sequence[str], hosts: Sequence[str] = ()
) -> Starlette:
    """Build the application.

    Args:
        codec: Encrypts and decrypts.
        token: The bearer token that callers must send; None admits every caller.
        ui: Origins of the Temporal UIs that may call the server from a browser.
        hosts: Host names that callers use, in addition to `localhost` and IP addresses.
    """
    names = {"localhost", *map(str.lower, hosts)}

    def route(path: str, transform: Transform) -> Route:
        async def respond(request: Request) -> Response:
            if not _is_known(request.headers.get("host", ""), names):
                return _error(HTTPStatus.MISDIRECTED_REQUEST)
            if not _is_authorized(request, token):
                return _error(HTTPStatus.UNAUTHORIZED)
            return await _respond(request, transform)

        return Route(path, respond, methods=["POST"])

    cors = Middleware(
        CORSMiddleware,
        allow_origins=list(ui),
        allow_methods=["POST"],
        allow_headers=["authorization", "content-type", "x-namespace"],
        allow_credentials=True,
    )
    return Starlette(
        routes=[route("/encode", codec.encode), route("/decode", codec.decode)], middleware=[cors]
    )


def _is_known(header: str, names: Collection[str]) -> bool:
    """Check the `Host` header: a web page can point its own name at this server (DNS rebinding)."""
    try:
        name = urlsplit(f"//{header}").hostname or ""
        if name not in names:
            ipaddress.ip_address(name)
    except ValueError:
        return False
    return True


def _is_authorized(request: Request, token: SecretStr | None) -> bool:
    sent = request.headers.get("authorization", "").removeprefix("Bearer ").encode()
    return token is None or hmac.compare_digest(sent, token.get_secret_value().encode())


async def _respond(request: Request, transform: Transform) -> Response:
    try:
        payloads = json_format.Parse(await read_body(request, BODY_LIMIT), Payloads())
    except RejectedRequestError as rejected:
        return _error(HTTPStatus(rejected.rejection.status))
    except (json_format.ParseError, UnicodeDecodeError, RecursionError):
        return _error(HTTPStatus.BAD_REQUEST)
    try:
        transformed = Payloads(payloads=await transform(payloads.payloads))
    except Exception as error:  # noqa: BLE001  # the UI shows the message of any failure
        return PlainTextResponse(f"{error}\n", HTTPStatus.UNPROCESSABLE_ENTITY)
    return Response(json_format.MessageToJson(transformed), media_type="application/json")


def _error(status: HTTPStatus) -> Response:
    return PlainTextResponse(f"{status.phrase}\n", status)


async def serve(host: str, port: int, ui: Sequence[str], hosts: Sequence[str] = ()) -> int:
    """Serve until a signal; return the exit code. See `create_app` for `ui` and `hosts`.

    Raises:
        SettingsError: A setting is invalid, there are no keys, or a public address needs a token.
        CannotListenError: The address cannot be used.
    """
    general, settings = load(CountersignSettings, CodecServerSettings)
    logging.configure(level=general.log_level, service="codec")
    codec = encryption_codec()
    if codec is None:
        raise SettingsError(
            "COUNTERSIGN_ENCRYPTION_KEYS is not set; the codec server needs the keys to decrypt"
        )
    if settings.token is None and host not in LOOPBACK_HOSTS:
        raise SettingsError("COUNTERSIGN_CODEC_TOKEN is not set; set it, or listen on 127.0.0.1")
    app = create_app(codec, token=settings.token, ui=ui, hosts=hosts)
    await Server(app, host=host, port=port, connection_limit=CONNECTION_LIMIT, on_start=_announce).serve()
    return 0


def main(arguments: Sequence[str] | None = None) -> int:
    """Serve until SIGINT or SIGTERM; return the exit code."""
    parser = argparse.ArgumentParser(
        prog="python -m countersign.codec_server", description="Decrypt payloads for the Temporal UI and CLI."
    )
    parser.add_argument("--host", default="127.0.0.1", help="address to listen on (default: %(default)s)")
    parser.add_argument(
        "--port", type=int, default=8234, help="port; 0 selects a free one (default: %(default)s)"
    )
    parser.add_argument(
        "--ui",
        action="append",
        help="origin of a Temporal UI; repeat it for several (default: http://localhost:8233)",
    )
    parser.add_argument(
        "--allow-host",
        action="append",
        default=[],
        metavar="NAME",
        help="host name that callers use, in addition to localhost and IP addresses; repeat it for several",
    )
    options = parser.parse_args(arguments)
    logging.configure(service="codec")
    try:
        return entry.run(serve(options.host, options.port, options.ui or [_UI], options.allow_host))
    except (CannotListenError, SettingsError) as error:
        print(f"codec server: {error}", file=sys.stderr)  # noqa: T201  # for the user who started it
        return 2


def _announce(url: str) -> None:
    print(f"codec server: listening on {url}", flush=True)  # noqa: T201  # the only line on stdout


if __name__ == "__main__":
    entry.leave(main())
