# ruff: noqa: INP001  # a script, no package
"""A shop whose customers sign in its own page: `python examples/embedded_signing/server.py`.

It starts agreements that send no e-mails, and makes a signing link when its page asks for one. It has the
settings of a worker, the provider's key included, because links are made with that key.
"""

import os
import secrets
from pathlib import Path
from typing import Any, Final

import uvicorn
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import FileResponse, HTMLResponse, JSONResponse, Response
from starlette.routing import Route

from countersign.agreements.reference import new_reference
from countersign.client import (
    BadInputError,
    CommandError,
    RefusedError,
    agreement_status,
    signing_link,
    start_agreement,
)

HERE: Final = Path(__file__).parent
CONTRACT: Final = HERE.parents[1] / "docs" / "examples" / "contract.pdf"
PORT: Final = int(os.environ.get("SHOP_PORT", "8400"))
ORIGIN: Final = os.environ.get("SHOP_ORIGIN", f"http://127.0.0.1:{PORT}")
ACCOUNT: Final = os.environ.get("SHOP_ACCOUNT", "turbodocx")
RETURNS: Final = ACCOUNT == "turbodocx"
"""Whether the provider leads signers back to our page; the matrix of providers shows which one does."""
STATUS: Final = {BadInputError: 400, RefusedError: 409}
"""The HTTP status of an error; 503 for others, which another try may heal."""

ORDERS: Final[dict[str, str]] = {}
"""The reference of every session. It stands for your sign-in: only who started an order may sign it."""

RETURNED: Final = """<!doctype html><title>Thank you</title><p>Thank you.</p>
<script>parent.postMessage("returned", location.origin)</script>"""


async def page(_request: Request) -> Response:
    """Serve the page of the shop."""
    return FileResponse(HERE / "page.html")


async def start(request: Request) -> Response:
    """Start an agreement with one signer, the customer, who is asked by no e-mail."""
    customer = await request.json()
    reference = new_reference()
    await start_agreement(
        {
            "reference": reference,
            "title": "Services Agreement",
            "source": {"kind": "file", "path": str(CONTRACT)},
            "signers": [{"name": customer["name"], "email": customer["email"]}],
            "account": ACCOUNT,
            "send_emails": False,
        }
    )
    session = secrets.token_urlsafe()
    ORDERS[session] = reference
    response = JSONResponse({"reference": reference}, 202)
    response.set_cookie("session", session, httponly=True, samesite="strict")
    return response


async def order(request: Request) -> Response:
    """Return where the customer's order is."""
    status = await agreement_status(_reference(request))
    archive = status.result and status.result.archive
    return JSONResponse({"stage": status.stage, "archived": archive and archive.document.key})


async def link(request: Request) -> Response:
    """Make a link for the customer, when the page is ready to show it. Keep it nowhere."""
    made = await signing_link(_reference(request), 1, return_url=f"{ORIGIN}/returned" if RETURNS else None)
    content = {"url": made.embed_url, "returns": RETURNS}
    return JSONResponse(content, headers={"cache-control": "no-store"})


def _reference(request: Request) -> str:
    return ORDERS[request.cookies["session"]]


async def returned(_request: Request) -> Response:
    """Tell the page around the frame that the signer has come back."""
    return HTMLResponse(RETURNED)


async def failed(_request: Request, error: Exception) -> Response:
    """Return an error of Countersign: its message is one sentence for people."""
    status = next((code for kind, code in STATUS.items() if isinstance(error, kind)), 503)
    return JSONResponse({"error": str(error)}, status)


HANDLERS: Final[dict[Any, Any]] = {
    CommandError: failed,
    KeyError: lambda *_: JSONResponse({"error": "start an order first"}, 400),
}
app = Starlette(
    routes=[
        Route("/", page),
        Route("/order", start, methods=["POST"]),
        Route("/order", order),
        Route("/order/link", link, methods=["POST"]),
        Route("/returned", returned),
    ],
    exception_handlers=HANDLERS,
)

if __name__ == "__main__":
    uvicorn.run(app, host="127.0.0.1", port=PORT, log_level="warning")
