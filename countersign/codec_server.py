"""Shows encrypted payloads in the Temporal UI and CLI to those who may see them.

    python -m countersign.codec_server --host 127.0.0.1 --port 8234 --ui http://localhost:8233

Enter its address in the UI's data encoder settings, or pass it to the CLI as `--codec-endpoint`. Whoever
reaches it sees plain text: it listens on this machine only, unless `COUNTERSIGN_CODEC_TOKEN` is set, which
callers must then show as a bearer token. Speak TLS in front of it.
"""

if __name__ == "__main__":
    from countersign.installation import require_installed

    require_installed("receiver")

import argparse
import hmac
import sys
from collections.abc import Awaitable, Callable, Sequence
from http import HTTPStatus

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
from countersign.listening import CannotListenError
from countersign.loopback import LOOPBACK_HOSTS
from countersign.observability import logging
from countersign.settings import CodecServerSettings, CountersignSettings
from countersign.webhooks.body import read_body
from countersign.webhooks.refusal import RefusedError
from countersign.webhooks.server import Server

_LIMIT = 8 * 1024 * 1024
"""Bytes of a request: a page of history, in JSON and base64."""
_CONNECTIONS = 100
_UI = "http://localhost:8233"


def create_app(codec: PayloadCodec, *, token: SecretStr | None, ui: Sequence[str]) -> Starlette:
    """Build the application.

    Args:
        codec: Encrypts and decrypts.
        token: What callers must show; None lets everybody in.
        ui: Origins of Temporal UIs that browsers may call it from.
    """

    def route(path: str, work: Callable[[Sequence[Payload]], Awaitable[list[Payload]]]) -> Route:
        async def answer(request: Request) -> Response:
            return await _answer(request, work) if _may(request, token) else _refuse(HTTPStatus.UNAUTHORIZED)

        return Route(path, answer, methods=["POST"])

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


def _may(request: Request, token: SecretStr | None) -> bool:
    shown = request.headers.get("authorization", "").removeprefix("Bearer ").encode()
    return token is None or hmac.compare_digest(shown, token.get_secret_value().encode())


async def _answer(
    request: Request, work: Callable[[Sequence[Payload]], Awaitable[list[Payload]]]
) -> Response:
    try:
        payloads = json_format.Parse(await read_body(request, _LIMIT), Payloads())
    except RefusedError:
        return _refuse(HTTPStatus.REQUEST_ENTITY_TOO_LARGE)
    except (json_format.ParseError, UnicodeDecodeError, RecursionError):
        return _refuse(HTTPStatus.BAD_REQUEST)
    try:
        done = Payloads(payloads=await work(payloads.payloads))
    except Exception as error:  # noqa: BLE001 - whatever a codec says, the UI shows
        return PlainTextResponse(f"{error}\n", HTTPStatus.UNPROCESSABLE_ENTITY)
    return Response(json_format.MessageToJson(done), media_type="application/json")


def _refuse(status: HTTPStatus) -> Response:
    return PlainTextResponse(f"{status.phrase}\n", status)


async def serve(host: str, port: int, ui: Sequence[str]) -> int:
    """Serve until a signal; return the exit code.

    Raises:
        SettingsError: A setting cannot work, there are no keys, or it would listen to others without a token.
        CannotListenError: The address cannot be used.
    """
    general, settings = load(CountersignSettings, CodecServerSettings)
    logging.configure(level=general.log_level, service="codec")
    codec = encryption_codec()
    if codec is None:
        raise SettingsError("COUNTERSIGN_ENCRYPTION_KEYS is not set: there is nothing to decrypt")
    if settings.token is None and host not in LOOPBACK_HOSTS:
        raise SettingsError("COUNTERSIGN_CODEC_TOKEN is not set: without it, listen on 127.0.0.1 only")
    app = create_app(codec, token=settings.token, ui=ui)
    await Server(app, host=host, port=port, connection_limit=_CONNECTIONS, on_start=_announce).serve()
    return 0


def main(arguments: Sequence[str] | None = None) -> int:
    """Serve until SIGINT or SIGTERM; return the exit code."""
    parser = argparse.ArgumentParser(
        prog="python -m countersign.codec_server", description="Decrypt payloads for the Temporal UI and CLI."
    )
    parser.add_argument("--host", default="127.0.0.1", help="address to listen on (default: %(default)s)")
    parser.add_argument(
        "--port", type=int, default=8234, help="port; 0 picks a free one (default: %(default)s)"
    )
    parser.add_argument(
        "--ui",
        action="append",
        help="origin of a Temporal UI, as often as needed (default: http://localhost:8233)",
    )
    options = parser.parse_args(arguments)
    logging.configure(service="codec")
    try:
        return entry.run(serve(options.host, options.port, options.ui or [_UI]))
    except (CannotListenError, SettingsError) as error:
        print(f"codec server: {error}", file=sys.stderr)  # noqa: T201 - the answer to whoever started it
        return 2


def _announce(url: str) -> None:
    print(f"codec server: listening on {url}", flush=True)  # noqa: T201 - the one line on stdout


if __name__ == "__main__":
    entry.leave(main())
