"""Pages for the browser: inbox, signing and review."""

import contextlib
from functools import lru_cache
from typing import Any, Final

from starlette.requests import Request
from starlette.responses import HTMLResponse, RedirectResponse, Response
from starlette.routing import Route

from sandbox import documents, errors, mail, marks, pages, pdf, pdfium, presigned, signing, signing_links
from sandbox import sandbox as sandboxes
from sandbox.bodies import fields_and_file
from sandbox.responses import MEDIA_TYPES
from sandbox.sandbox import Sandbox
from sandbox.store import Row

_ERROR_PAGES: Final = {
    "DocumentExpired": ("Expired", "The time to sign this document is over."),
    "DocumentNotSignable": ("Withdrawn", "The sender has withdrawn this document."),
    "NotSignersTurn": ("Not yet", "Another signer is first. You get an e-mail when it is your turn."),
    "SigningLinkExpired": ("This link is used up", "Ask the sender for a new one."),
    "SingleUseLinkNeeded": ("Not through this link", "Ask the sender for a single-use link."),
}


async def home(_request: Request) -> Response:
    """Redirect to the inbox."""
    return RedirectResponse("/_sandbox/inbox")


async def inbox(request: Request) -> Response:
    """Show the e-mails; `?to=` filters by address."""
    address = request.query_params.get("to")
    rows = mail.listing(sandboxes.of(request), address)[:200]
    return HTMLResponse(pages.inbox([mail.shown(row, str(request.base_url)) for row in rows], address))


async def style(_request: Request) -> Response:
    """Return the style sheet."""
    return Response(pages.style(), media_type="text/css", headers={"cache-control": "max-age=300"})


async def show(request: Request) -> Response:
    """Show the document to its signer, which counts as a view."""
    sandbox, person = sandboxes.of(request), _signer(request)
    if mail.needs_single_use_link(person):
        return _error_page("SingleUseLinkNeeded", 403)
    return _signing_page(request, sandbox, person)


async def show_once(request: Request) -> Response:
    """Show the document and use up the single-use link."""
    sandbox = sandboxes.of(request)
    try:
        person = signing_links.use(sandbox, request.path_params["link"])
    except errors.ApiError as error:
        return _error_page(_code(error), error.status)
    return _signing_page(request, sandbox, person)


async def sign(request: Request) -> Response:
    """Sign with the entries of the form."""
    sandbox, person = sandboxes.of(request), _signer(request)
    form, _ = await fields_and_file(request, "none")
    document = documents.find(sandbox, person["document_id"])
    if person["status"] != "completed":
        try:
            signing.sign(sandbox, document["id"], person["id"], entries=_entries(document, person, form))
        except errors.ApiError as error:
            return _error_page(_code(error), error.status)
    return RedirectResponse(f"/_sandbox/sign/{person['token']}/done", status_code=303)


async def done(request: Request) -> Response:
    """Show the result of a signature."""
    return _thanks(request, sandboxes.of(request), _signer(request))


async def document_pdf(request: Request) -> Response:
    """Serve the document with the signatures that it has so far."""
    content = _current(sandboxes.of(request), _signer(request)["document_id"])
    return Response(content, media_type=MEDIA_TYPES["pdf"])


async def document_page(request: Request) -> Response:
    """Serve a picture of one page of the document with the signatures that it has so far."""
    content = _current(sandboxes.of(request), _signer(request)["document_id"])
    return _picture(content, request.path_params["page"])


async def review(request: Request) -> Response:
    """Show a document that was prepared for review."""
    sandbox, document = sandboxes.of(request), _reviewed(request)
    content = sandbox.store.file(document["id"]) or b""
    return HTMLResponse(pages.review(document, sizes=_sizes(content), links=_links(request.url.path)))


async def review_pdf(request: Request) -> Response:
    """Serve the document under review."""
    content = sandboxes.of(request).store.file(_reviewed(request)["id"]) or b""
    return Response(content, media_type=MEDIA_TYPES["pdf"])


async def review_page(request: Request) -> Response:
    """Serve a picture of one page of the document under review."""
    content = sandboxes.of(request).store.file(_reviewed(request)["id"]) or b""
    return _picture(content, request.path_params["page"])


async def signed_pdf(request: Request) -> Response:
    """Serve the signed PDF of a completed document."""
    content = sandboxes.of(request).store.file(f"{request.path_params['id']}.signed")
    if content is None:
        raise errors.document_not_found()
    return Response(content, media_type=MEDIA_TYPES["pdf"])


def _current(sandbox: Sandbox, document_id: str) -> bytes:
    document, people = documents.find(sandbox, document_id), documents.recipients(sandbox, document_id)
    content, drawn = sandbox.store.file(document_id) or b"", tuple(marks.marks(document, people))
    with contextlib.suppress(pdf.UnreadablePdfError):
        return _stamped(content, drawn) if drawn else content
    return content


@lru_cache(maxsize=8)
def _stamped(content: bytes, drawn: tuple[pdf.Mark, ...]) -> bytes:
    """Stamp a document once for the pictures of all its pages."""
    return pdf.stamp(content, drawn)


def _picture(content: bytes, page: int) -> Response:
    try:
        picture = pdfium.picture(content, page)
    except pdf.UnreadablePdfError:
        picture = None
    if picture is None:
        raise errors.typed(404, "Page not found", "NotFound")
    return Response(picture, media_type="image/png", headers={"cache-control": "no-cache"})


def _sizes(content: bytes) -> list[tuple[float, float]]:
    try:
        return pdf.page_sizes(content)
    except pdf.UnreadablePdfError:
        return []


def _links(path: str) -> pages.Links:
    return pages.Links(pdf=f"{path}/document.pdf", picture=f"{path}/page-{{page}}.png")


def _entries(document: Row, person: Row, form: dict[str, Any]) -> dict[str, Any]:
    """Return the entries of the form for fields that the signer may fill, by field number."""
    entries: dict[str, Any] = {}
    for number, field in enumerate(document["fields"]):
        entered = form.get(f"field-{number}")
        if field["recipientEmail"] != person["email"] or field.get("isReadonly") or field["type"] == "date":
            continue
        if field["type"] == "checkbox":
            entries[str(number)] = entered == "true"
        elif isinstance(entered, str):
            entries[str(number)] = entered[:600]
    return entries


def _signing_page(request: Request, sandbox: Sandbox, person: Row) -> Response:
    if person["status"] == "completed":
        return _thanks(request, sandbox, person)
    try:
        signing.view(sandbox, person["document_id"], person["id"])
    except errors.ApiError as error:
        return _error_page(_code(error), error.status)
    document = documents.find(sandbox, person["document_id"])
    link = f"/_sandbox/sign/{person['token']}"
    content = sandbox.store.file(document["id"]) or b""
    return HTMLResponse(
        pages.signing(
            document,
            person,
            sizes=_sizes(content),
            links=_links(link),
            action=link,
            today=sandbox.clock.stamp()[:10],
        )
    )


def _thanks(request: Request, sandbox: Sandbox, person: Row) -> Response:
    document = documents.find(sandbox, person["document_id"])
    if person["status"] != "completed":
        return RedirectResponse(f"/_sandbox/sign/{person['token']}")
    if document["status"] == "completed":
        link = "Download the signed document", presigned.link(sandbox, str(request.base_url), document["id"])
        message = f"All signers have signed “{document['name']}”."
        return HTMLResponse(pages.outcome("All signed", message, link=link))
    people = documents.recipients(sandbox, document["id"])
    others = sum(signer["status"] != "completed" for signer in people)
    rest = f"Still to sign: {others}." if others else "The signed document is being made."
    link = "Back to the inbox", "/_sandbox/inbox"
    return HTMLResponse(pages.outcome("You have signed", f"Thank you. {rest}", link=link))


def _signer(request: Request) -> Row:
    query = "SELECT * FROM recipients WHERE token = ?"
    person = sandboxes.of(request).store.row(query, request.path_params["token"])
    if person is None:
        raise errors.identity(404, "This link is not known", "SigningLinkNotFound")
    return person


def _reviewed(request: Request) -> Row:
    query = "SELECT * FROM documents WHERE review_token = ?"
    document = sandboxes.of(request).store.row(query, request.path_params["token"])
    if document is None:
        raise errors.document_not_found()
    return document


def _error_page(code: str, status: int) -> Response:
    """Build an error page with its code in a header."""
    headline, message = _ERROR_PAGES.get(code, ("Not possible", "This document cannot be signed."))
    page = pages.outcome(headline, message, good=False)
    return HTMLResponse(page, status, headers={"x-error-code": code})


def _code(error: errors.ApiError) -> str:
    return str((error.body or {}).get("code", ""))


ROUTES = [
    Route("/", home, methods=["GET"]),
    Route("/_sandbox/", home, methods=["GET"]),
    Route("/_sandbox/inbox", inbox, methods=["GET"]),
    Route("/_sandbox/style.css", style, methods=["GET"]),
    Route("/_sandbox/sign/{token}", show, methods=["GET"]),
    Route("/_sandbox/sign/{token}", sign, methods=["POST"]),
    Route("/_sandbox/sign/{token}/done", done, methods=["GET"]),
    Route("/_sandbox/sign/{token}/document.pdf", document_pdf, methods=["GET"]),
    Route("/_sandbox/sign/{token}/page-{page:int}.png", document_page, methods=["GET"]),
    Route("/_sandbox/sign-once/{link}", show_once, methods=["GET"]),
    Route("/_sandbox/review/{token}", review, methods=["GET"]),
    Route("/_sandbox/review/{token}/document.pdf", review_pdf, methods=["GET"]),
    Route("/_sandbox/review/{token}/page-{page:int}.png", review_page, methods=["GET"]),
    Route("/_sandbox/documents/{id}/signed.pdf", signed_pdf, methods=["GET"]),
]
