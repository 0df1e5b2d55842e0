"""Pages for the browser: inbox and signing."""

from typing import Final

from starlette.requests import Request
from starlette.responses import HTMLResponse, RedirectResponse, Response
from starlette.routing import Route

from sandbox.core import bodies, mail, pages, pdf, pdfium
from sandbox.core.errors import ApiError, typed
from sandbox.core.provider import Provider, Task
from sandbox.core.responses import MEDIA_TYPES

_LISTED: Final = 200


async def home(_request: Request) -> Response:
    """Redirect to the inbox."""
    return RedirectResponse("/_sandbox/inbox")


async def inbox(request: Request) -> Response:
    """Show the e-mails; `?to=` filters by address."""
    address = request.query_params.get("to")
    rows = mail.listing(_provider(request), str(request.base_url), address)[:_LISTED]
    return HTMLResponse(pages.inbox(rows, address))


async def style(_request: Request) -> Response:
    """Return the style sheet."""
    return Response(pages.style(), media_type="text/css", headers={"cache-control": "max-age=300"})


async def show(request: Request) -> Response:
    """Show the document to its signer, which counts as a view."""
    provider, token = _provider(request), request.path_params["token"]
    try:
        task = provider.people.open_link(token)
    except ApiError as error:
        return refusal_page(provider, error)
    return _done(request, token) if task is None else signing_page(token, task)


async def sign(request: Request) -> Response:
    """Sign with the entries of the form."""
    provider, token = _provider(request), request.path_params["token"]
    form, _ = await bodies.form(request)
    try:
        provider.people.sign_link(token, form)
    except ApiError as error:
        return refusal_page(provider, error)
    return RedirectResponse(f"/_sandbox/sign/{token}/done", status_code=303)


async def decline(request: Request) -> Response:
    """Decline with the reason of the form."""
    provider, token = _provider(request), request.path_params["token"]
    form, _ = await bodies.form(request)
    try:
        provider.people.decline_link(token, form.get("reason", ""))
    except ApiError as error:
        return refusal_page(provider, error)
    return RedirectResponse(f"/_sandbox/sign/{token}/done", status_code=303)


async def done(request: Request) -> Response:
    """Show the result of a signature."""
    return _done(request, request.path_params["token"])


async def document_pdf(request: Request) -> Response:
    """Serve the document with the signatures that it has so far."""
    content = _provider(request).people.current(request.path_params["token"])
    return Response(content, media_type=MEDIA_TYPES["pdf"])


async def document_page(request: Request) -> Response:
    """Serve a picture of one page of the document with the signatures that it has so far."""
    content = _provider(request).people.current(request.path_params["token"])
    return page_picture(content, request.path_params["page"])


async def signed_pdf(request: Request) -> Response:
    """Serve the signed PDF of a completed document."""
    content = _provider(request).people.signed_pdf(request.path_params["id"])
    return Response(content, media_type=MEDIA_TYPES["pdf"])


def signing_page(token: str, task: Task) -> Response:
    """Build a signing page."""
    link = f"/_sandbox/sign/{token}"
    page = pages.signing(task.page, sizes=page_sizes(task.content), links=page_links(link), action=link)
    return HTMLResponse(page)


def refusal_page(provider: Provider, error: ApiError) -> Response:
    """Build an error page with its code in a header.

    Raises:
        ApiError: The same, if the link does not exist.
    """
    if error.status == 404:  # noqa: PLR2004 - HTTP
        raise error
    headline, message, code = provider.people.refusal(error)
    page = pages.outcome(pages.Outcome(headline, message, good=False))
    return HTMLResponse(page, error.status, headers={"x-error-code": code})


def page_picture(content: bytes, page: int) -> Response:
    """Serve a picture of one page.

    Raises:
        ApiError: 404, there is no such page.
    """
    try:
        picture = pdfium.picture(content, page)
    except pdf.UnreadablePdfError:
        picture = None
    if picture is None:
        raise typed(404, "Page not found", "NotFound")
    return Response(picture, media_type="image/png", headers={"cache-control": "no-cache"})


def page_sizes(content: bytes) -> list[tuple[float, float]]:
    """Return the sizes of the pages; empty if the document cannot be read."""
    try:
        return pdf.page_sizes(content)
    except pdf.UnreadablePdfError:
        return []


def page_links(path: str) -> pages.Links:
    """Return the links of a page at `path`."""
    return pages.Links(pdf=f"{path}/document.pdf", picture=f"{path}/page-{{page}}.png")


def _done(request: Request, token: str) -> Response:
    outcome = _provider(request).people.result(token, str(request.base_url))
    if outcome is None:
        return RedirectResponse(f"/_sandbox/sign/{token}")
    return HTMLResponse(pages.outcome(outcome))


def _provider(request: Request) -> Provider:
    provider: Provider = request.app.state.provider
    return provider


ROUTES = [
    Route("/", home, methods=["GET"]),
    Route("/_sandbox/", home, methods=["GET"]),
    Route("/_sandbox/inbox", inbox, methods=["GET"]),
    Route("/_sandbox/style.css", style, methods=["GET"]),
    Route("/_sandbox/sign/{token}", show, methods=["GET"]),
    Route("/_sandbox/sign/{token}", sign, methods=["POST"]),
    Route("/_sandbox/sign/{token}/decline", decline, methods=["POST"]),
    Route("/_sandbox/sign/{token}/done", done, methods=["GET"]),
    Route("/_sandbox/sign/{token}/document.pdf", document_pdf, methods=["GET"]),
    Route("/_sandbox/sign/{token}/page-{page:int}.png", document_page, methods=["GET"]),
    Route("/_sandbox/documents/{id}/signed.pdf", signed_pdf, methods=["GET"]),
]
