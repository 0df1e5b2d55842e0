"""A sandbox for the session, reset before every test, and a receiver for its webhooks."""

import threading
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from tests.sandbox.documenso_kit import OTHER_KEY, QUICK, start_documenso
from tests.sandbox.documenso_kit import Api as DocumensoApi
from tests.sandbox.sandbox_kit import MEMBER_KEY, ORG_ID, Api, Receiver, start_sandbox, stop


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    receiver = Receiver()

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            length = int(self.headers["content-length"])
            raw = self.rfile.read(length)
            if len(raw) < length:  # its sender was killed
                self.close_connection = True
                return
            self.send_response(receiver.take({k.lower(): v for k, v in self.headers.items()}, raw))
            self.send_header("content-length", "0")
            self.end_headers()

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the library's name
            """Keep quiet."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    receiver.url = f"http://127.0.0.1:{server.server_port}/hook"
    thread = threading.Thread(target=server.serve_forever, args=(0.02,))
    thread.start()
    yield receiver
    server.shutdown()
    thread.join()
    server.server_close()


@pytest.fixture(scope="session")
def sandbox_url() -> Iterator[str]:
    process, url = start_sandbox()
    yield url
    assert stop(process) == 0


@pytest.fixture
def api(sandbox_url: str) -> Iterator[Api]:
    """The administrator's API, on a sandbox with only its templates."""
    with Api(sandbox_url) as client:
        client.post("/_sandbox/reset").raise_for_status()
        quick = {"retry_delays": [0.02, 0.02], "delivery_timeout": 2}
        client.patch("/_sandbox/behaviour", json=quick).raise_for_status()
        yield client


@pytest.fixture
def open_api(sandbox_url: str) -> Iterator[Callable[..., Api]]:
    """Creates clients with other keys."""
    made: list[Api] = []

    def make(key: str = MEMBER_KEY, org_id: str = ORG_ID) -> Api:
        made.append(Api(sandbox_url, key, org_id))
        return made[-1]

    yield make
    for client in made:
        client.close()


@pytest.fixture(scope="session")
def documenso_url() -> Iterator[str]:
    process, url = start_documenso()
    yield url
    assert stop(process) == 0


@pytest.fixture
def documenso(documenso_url: str) -> Iterator[DocumensoApi]:
    """The API of team 1, on an empty sandbox with quick jobs."""
    with DocumensoApi(documenso_url) as client:
        client.post("/_sandbox/reset").raise_for_status()
        client.behave(**QUICK)
        yield client


@pytest.fixture
def open_documenso(documenso_url: str) -> Iterator[Callable[..., DocumensoApi]]:
    """Creates clients with other tokens."""
    made: list[DocumensoApi] = []

    def make(token: str = OTHER_KEY) -> DocumensoApi:
        made.append(DocumensoApi(documenso_url, token))
        return made[-1]

    yield make
    for client in made:
        client.close()
