"""Pages for the browser that only TurboDocx has: single-use links and review."""

from starlette.requests import Request
from starlette.responses import RedirectResponse, Response
from starlette.routing import Route

from sandbox.core import pages
from sandbox.core import people as core
from sandbox.core.responses import MEDIA_TYPES
from sandbox.core.store import Row
from sandbox.turbodocx import documents, errors, sending, signing_links
from sandbox.turbodocx import sandbox as sandboxes
from sandbox.turbodocx.people import People, page_fields


async def show_once(request: Request) -> Response:
    """Show the document and use up the single-use link."""
    sandbox = sandboxes.of(request)
    people: People = request.app.state.provider.people
    try:
        person = signing_links.use(sandbox, request.path_params["link"])
        task = people.open(person)
    except errors.ApiError as error:
        return core.refusal_page(request.app.state.provider, error)
    if task is None:
        return RedirectResponse(f"/_sandbox/sign/{person['token']}/done", status_code=303)
    return core.signing_page(request.app.state.provider, person["token"], task)


async def review(request: Request) -> Response:
    """Show a document that was prepared for review."""
    sandbox, document = sandboxes.of(request), _reviewed(request)
    content = sandbox.store.file(document["id"]) or b""
    fields = page_fields(document, None, "")
    sizes, links = core.page_sizes(content), core.page_links(request.url.path)
    action = f"{request.url.path}/send" if document["status"] == documents.REVIEW else None
    return core.page(pages.review(document["name"], fields, sizes=sizes, links=links, send=action))


async def review_pdf(request: Request) -> Response:
    """Serve the document under review."""
    content = sandboxes.of(request).store.file(_reviewed(request)["id"]) or b""
    return Response(content, media_type=MEDIA_TYPES["pdf"])


async def review_page(request: Request) -> Response:
    """Serve a picture of one page of the document under review."""
    content = sandboxes.of(request).store.file(_reviewed(request)["id"]) or b""
    return core.page_picture(content, request.path_params["page"])


async def send(request: Request) -> Response:
    """Send the document under review."""
    sandbox, document = sandboxes.of(request), _reviewed(request)
    sending.send_reviewed(sandbox, document["id"])
    return RedirectResponse("/", status_code=303)


def _reviewed(request: Request) -> Row:
    query = "SELECT * FROM documents WHERE review_token = ?"
    document = sandboxes.of(request).store.row(query, request.path_params["token"])
    if document is None:
        raise errors.document_not_found()
    return document


ROUTES = [
    Route("/_sandbox/sign-once/{link}", show_once, methods=["GET"]),
    Route("/_sandbox/review/{token}", review, methods=["GET"]),
    Route("/_sandbox/review/{token}/send", send, methods=["POST"]),
    Route("/_sandbox/review/{token}/document.pdf", review_pdf, methods=["GET"]),
    Route("/_sandbox/review/{token}/page-{page:int}.png", review_page, methods=["GET"]),
]
