"""`Once` without an agreement: the letters of docs/how-to/do-it-once.md, against an API with faults."""

import asyncio
import json
import threading
import uuid
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import pytest
from temporalio.client import Client, WorkflowFailureError, WorkflowHandle
from temporalio.exceptions import ApplicationError
from temporalio.worker import Worker

from countersign.providers.api import api_worker, open_api
from countersign.storage import Fence, FolderStore
from docs.examples.letters.post import Attempt, Fences, Letter, Post, PostSettings
from docs.examples.letters.workflow import PostLetter
from tests.workflows.announced import Announced, lose

Handle = WorkflowHandle[PostLetter, str]
QUICKLY = 400.0
"""The settle window of ten minutes takes 1.5 s."""


class PostOffice(ThreadingHTTPServer):
    """An API that posts every letter that it is asked to post; `faults` are what becomes of the next ones.

    `lost`: posted, and the connection breaks. `dropped`: the same, and not posted. A status: not posted;
    `429 after`: posted. `hidden`: posted and lost, and no search shows it. `altered`: someone else's letter
    appears under the reference, and the connection breaks.
    """

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Counter)
        self.letters: dict[str, dict[str, str]] = {}
        self.hidden: set[str] = set()
        self.faults: list[str] = []
        self.calls = 0
        self.searchable = True

    def post(self, letter: dict[str, str]) -> str:
        letter_id = uuid.uuid4().hex
        self.letters[letter_id] = letter
        return letter_id

    def posted(self, reference: str) -> list[str]:
        return [key for key, letter in self.letters.items() if letter["reference"] == reference]


class _Counter(BaseHTTPRequestHandler):
    server: PostOffice

    def do_GET(self) -> None:
        url = urlsplit(self.path)
        if url.query and not self.server.searchable:
            self.respond(400, {"code": "fault"})
        elif url.query:
            (reference,) = parse_qs(url.query)["reference"]
            found = [{"id": key} for key in self.server.posted(reference) if key not in self.server.hidden]
            self.respond(200, {"letters": found})
        else:
            self.respond(200, self.server.letters.get(url.path.rpartition("/")[2], {}))

    def do_POST(self) -> None:
        letter = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        self.server.calls += 1
        fault = self.server.faults.pop(0) if self.server.faults else "none"
        if fault in {"lost", "hidden", "none"} or fault.endswith(" after"):
            letter_id = self.server.post(letter)
            if fault == "hidden":
                self.server.hidden.add(letter_id)
        if fault == "altered":
            self.server.post({**letter, "text": "Other words."})
        if fault == "none":
            self.respond(200, {"id": letter_id})
        elif fault[:3].isdigit():
            self.respond(int(fault[:3]), {"code": "fault"})
        else:
            self.close_connection = True

    def respond(self, status: int, body: object) -> None:
        content = json.dumps(body).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(content)))
        if status == 429:
            self.send_header("Retry-After", "1")
        self.end_headers()
        self.wfile.write(content)

    def log_message(self, *_: object) -> None:
        pass


@contextmanager
def a_post_office() -> Iterator[PostOffice]:
    with PostOffice() as office:
        thread = threading.Thread(target=office.serve_forever, args=(0.05,))
        thread.start()
        try:
            yield office
        finally:
            office.shutdown()
            thread.join()


@pytest.fixture
def office(monkeypatch: pytest.MonkeyPatch) -> Iterator[PostOffice]:
    with a_post_office() as running:
        monkeypatch.setenv("POST_BASE_URL", f"http://127.0.0.1:{running.server_port}")
        monkeypatch.setenv("POST_API_KEY", "post-key")
        yield running


@asynccontextmanager
async def posting(client: Client, folder: Path) -> AsyncIterator[Handle]:
    """Serve the example and begin to post a letter."""
    queue, fence = uuid.uuid4().hex, Fence(FolderStore(folder))
    async with open_api(PostSettings, probe="/health") as api:
        post = Post(api, fence)
        async with (
            Worker(client, task_queue=queue, workflows=[PostLetter], activities=[Fences(fence).revoke]),
            api_worker(
                client,
                api,
                task_queue=f"{queue}-post",
                activities=[post.post, post.find, post.read],
                drain_seconds=0,
            ),
        ):
            letter = Letter(reference=queue, text="Dear customer.")
            yield await client.start_workflow(
                PostLetter.run, args=[letter, QUICKLY], id=f"letter-{queue}", task_queue=queue
            )


@pytest.mark.parametrize(
    ("faults", "calls"),
    [
        ([], 1),
        (["lost"], 1),
        (["429 after"], 1),
        (["422 after"], 1),
        (["429", "none"], 2),
    ],
)
async def test_a_letter_is_posted_once_whatever_the_api_responds(
    client: Client, office: PostOffice, tmp_path: Path, faults: list[str], calls: int
) -> None:
    office.faults += faults
    async with posting(client, tmp_path) as handle:
        posted = await handle.result()
    assert [posted] == list(office.letters)
    assert office.calls == calls


async def test_a_rejection_without_evidence_is_a_failure(
    client: Client, office: PostOffice, tmp_path: Path
) -> None:
    office.faults += ["422"]
    async with posting(client, tmp_path) as handle:
        with pytest.raises(WorkflowFailureError) as failed:
            await handle.result()
    assert isinstance(failed.value.cause, ApplicationError)
    assert failed.value.cause.type == "Rejected"
    assert (office.calls, office.letters) == (1, {})


@pytest.mark.parametrize("fault", ["dropped", "hidden", "altered"])
async def test_a_person_decides_what_no_search_shows(
    client: Client, office: PostOffice, tmp_path: Path, fault: str
) -> None:
    office.faults += [fault]
    async with posting(client, tmp_path) as handle:
        while not await handle.query(PostLetter.is_asking):  # noqa: ASYNC110  # it asks without an event
            await asyncio.sleep(0.05)
        assert office.calls == 1, "nothing is repeated blindly"
        hidden = next(iter(office.hidden), None)
        await handle.signal(PostLetter.resolve, hidden or "again")
        posted = await handle.result()
    assert posted == (hidden or list(office.letters)[-1])
    assert office.calls == (1 if hidden else 2)


async def test_a_person_decides_what_no_search_can_be_made_for(
    client: Client, office: PostOffice, tmp_path: Path
) -> None:
    office.faults += ["lost"]
    office.searchable = False
    async with posting(client, tmp_path) as handle:
        while not await handle.query(PostLetter.is_asking):  # noqa: ASYNC110  # it asks without an event
            await asyncio.sleep(0.05)
        (letter,) = office.letters
        await handle.signal(PostLetter.resolve, letter)
        assert await handle.result() == letter
    assert office.calls == 1


async def test_an_attempt_that_never_began_is_revoked_and_repeated(
    client: Client, office: PostOffice, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    begin, lost = Fence.begin, ["posting-1.json"]

    async def lose_one(fence: Fence, key: str) -> None:
        """Fail the first attempt as a broken store does: before its fence, with an error of no known type."""
        if lost and key.endswith(lost[0]):
            lost.clear()
            raise OSError("no space left on the device")
        await begin(fence, key)

    monkeypatch.setattr(Fence, "begin", lose_one)
    async with posting(client, tmp_path) as handle:
        posted = await handle.result()
    assert [posted] == list(office.letters)
    attempt = Attempt(letter=Letter(reference=handle.id.removeprefix("letter-"), text=""), number=1)
    assert json.loads((tmp_path / attempt.fence).read_text()) == {"revoked": True}


async def test_what_a_webhook_names_before_the_next_attempt_is_the_result(client: Client) -> None:
    queue = uuid.uuid4().hex
    async with Worker(client, task_queue=queue, workflows=[Announced], activities=[lose]):
        handle = await client.start_workflow(Announced.run, id=queue, task_queue=queue)
        while not await handle.query(Announced.is_about_to_repeat):  # noqa: ASYNC110  # it waits without an event
            await asyncio.sleep(0.02)
        await handle.signal(Announced.name, "thing-1")
        assert await handle.result() == ("thing-1", 1)
