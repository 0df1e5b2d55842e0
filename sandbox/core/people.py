"""Pages for the browser: inbox and signing."""

from typing import Final

from starlette.requests import Request
from starlette.responses import HTMLResponse, RedirectResponse, Response
from starlette.routing import Route

from sandbox.core import bodies, mail, pages, pdf, pdfium
from sandbox.core.errors import ApiError, typed
from sandbox.core.provider import Provider, Task, Way
from sandbox.core.responses import MEDIA_TYPES

_LISTED: Final = 200


async def home(_request: Request) -> Response:
    """Redirect to the inbox."""
    return RedirectResponse("/_sandbox/inbox")


async def inbox(request: Request) -> Response:
    """Show the e-mails; `?to=` filters by address."""
    address = request.query_params.get("to")
    rows = mail.listing(_provider(request), str(request.base_url), address)[:_LISTED]
    return page(pages.inbox(rows, address))


async def style(_request: Request) -> Response:
    """Return the style sheet."""
    return Response(pages.style(), media_type="text/css", headers={"cache-control": "max-age=300"})


async def show(request: Request) -> Response:
    """Show the document to its signer, which counts as a view."""
    provider, (way, token) = _provider(request), _link(request)
    try:
        task = provider.people.open_link(token)
    except ApiError as error:
        return refusal_page(provider, error, way)
    return _done(request, again=True) if task is None else signing_page(provider, token, task, way)


async def sign(request: Request) -> Response:
    """Sign with the entries of the form."""
    provider, (way, token) = _provider(request), _link(request)
    form, _ = await bodies.form(request)
    try:
        provider.people.sign_link(token, form)
    except ApiError as error:
        return refusal_page(provider, error, way)
    return RedirectResponse(f"/_sandbox/{way}/{token}/done", status_code=303)


async def decline(request: Request) -> Response:
    """Decline with the reason of the form."""
    provider, (way, token) = _provider(request), _link(request)
    form, _ = await bodies.form(request)
    try:
        provider.people.decline_link(token, form.get("reason", ""))
    except ApiError as error:
        return refusal_page(provider, error, way)
    return RedirectResponse(f"/_sandbox/{way}/{token}/done", status_code=303)


async def done(request: Request) -> Response:
    """Show the result of a signature."""
    return _done(request)


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


def page(content: str, status: int = 200, *, ancestors: str = "'none'") -> Response:
    """Serve a page that only these ancestors may show in a frame."""
    return HTMLResponse(content, status, {"content-security-policy": f"frame-ancestors {ancestors}"})


def signing_page(provider: Provider, token: str, task: Task, way: Way = "sign") -> Response:
    """Build a signing page."""
    link = f"/_sandbox/{way}/{token}"
    shown = pages.signing(task.page, sizes=page_sizes(task.content), links=page_links(link), action=link)
    return page(shown, ancestors=provider.people.frame_ancestors(way))


def refusal_page(provider: Provider, error: ApiError, way: Way = "sign") -> Response:
    """Build an error page with its code in a header.

    Raises:
        ApiError: The same, if the link does not exist.
    """
    if error.status == 404:  # noqa: PLR2004 - HTTP
        raise error
    headline, message, code = provider.people.refusal(error)
    shown = pages.outcome(pages.Outcome(headline, message, good=False))
    response = page(shown, error.status, ancestors=provider.people.frame_ancestors(way))
    response.headers["x-error-code"] = code
    return response


def page_picture(content: bytes, number: int) -> Response:
    """Serve a picture of one page.

    Raises:
        ApiError: 404, there is no such page.
    """
    try:
        picture = pdfium.picture(content, number)
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


def _done(request: Request, *, again: bool = False) -> Response:
    people, (way, token) = _provider(request).people, _link(request)
    outcome = people.result(token, str(request.base_url))
    if outcome is None:
        return RedirectResponse(f"/_sandbox/{way}/{token}")
    departure = people.departure(token, way, again=again)
    return page(pages.outcome(outcome, departure), ancestors=people.frame_ancestors(way))


def _link(request: Request) -> tuple[Way, str]:
    """Return how a signing page was opened, and its link's token."""
    way: Way = "embed" if request.url.path.startswith("/_sandbox/embed/") else "sign"
    return way, request.path_params["token"]


def _provider(request: Request) -> Provider:
    provider: Provider = request.app.state.provider
    return provider


ROUTES = [
    Route("/", home, methods=["GET"]),
    Route("/_sandbox/", home, methods=["GET"]),
    Route("/_sandbox/inbox", inbox, methods=["GET"]),
    Route("/_sandbox/style.css", style, methods=["GET"]),
    *(
        Route(f"/_sandbox/{way}/{{token}}{path}", endpoint, methods=[method])
        for way in ("sign", "embed")
        for method, path, endpoint in (
            ("GET", "", show),
            ("POST", "", sign),
            ("POST", "/decline", decline),
            ("GET", "/done", done),
            ("GET", "/document.pdf", document_pdf),
            ("GET", "/page-{page:int}.png", document_page),
        )
    ),
    Route("/_sandbox/documents/{id}/signed.pdf", signed_pdf, methods=["GET"]),
]
