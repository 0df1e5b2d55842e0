"""Every kind of source and every detail reaches the provider, from flags, from YAML and from JSON."""

import asyncio
import io
import json
import ssl
import uuid
import zipfile
from collections.abc import Iterator
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from typing import Any

import pytest
import trustme
import yaml
from fpdf import FPDF
from PIL import Image as PillowImage
from pypdf import PdfReader

from countersign.agreements.messages import Stage
from countersign.agreements.reference import workflow_id
from countersign.client.follow import follow_agreement
from devstack.stack import Stack
from tests.cli.shell import Shell
from tests.workflows.office import TEMPLATE, VARIABLES

pytestmark = pytest.mark.thorough

_ROLES = "7e3a1c00-0000-4000-8000-000000000003"
_ADA = "Ada Lovelace <ada@example.com>"
_GRACE = "Grace Hopper <grace@example.com>"


_BOTH = [("Ada Lovelace", "ada@example.com", 1), ("Grace Hopper", "grace@example.com", 2)]


@pytest.fixture
def reference() -> str:
    return f"src-{uuid.uuid4().hex[:10]}"


def _pdf() -> bytes:
    page = FPDF()
    page.add_page()
    page.set_font("Helvetica", size=12)
    page.cell(text="Sign here: {signature1}")
    return bytes(page.output())


_DOCX = "application/vnd.openxmlformats-officedocument.wordprocessingml.document.main+xml"
_PPTX = "application/vnd.openxmlformats-officedocument.presentationml.presentation.main+xml"


def _office_file(content_type: str, *parts: tuple[str, str]) -> bytes:
    """An Office file, as small as one can be; its first part is the main one."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        main = f'<Override PartName="/{parts[0][0]}" ContentType="{content_type}"/>'
        archive.writestr("[Content_Types].xml", f"<Types>{main}</Types>")
        for name, part in parts:
            archive.writestr(name, part)
    return buffer.getvalue()


def _docx() -> bytes:
    namespace = "http://schemas.openxmlformats.org/wordprocessingml/2006/main"
    body = "<w:body><w:p><w:r><w:t>Sign here: {signature1}</w:t></w:r></w:p></w:body>"
    document = f'<w:document xmlns:w="{namespace}">{body}</w:document>'
    return _office_file(_DOCX, ("word/document.xml", document))


def _pptx() -> bytes:
    namespaces = (
        'xmlns:p="http://schemas.openxmlformats.org/presentationml/2006/main" '
        'xmlns:a="http://schemas.openxmlformats.org/drawingml/2006/main"'
    )
    slide = f"<p:sld {namespaces}><a:p><a:r><a:t>Sign here: {{signature1}}</a:t></a:r></a:p></p:sld>"
    presentation = f"<p:presentation {namespaces}/>"
    return _office_file(_PPTX, ("ppt/presentation.xml", presentation), ("ppt/slides/slide1.xml", slide))


@pytest.fixture
def link(authority: trustme.CA, tmp_path: Path) -> Iterator[str]:
    """An https link to a PDF, at a server whose certificate the provider trusts."""
    (tmp_path / "contract.pdf").write_bytes(_pdf())
    server = ThreadingHTTPServer(("127.0.0.1", 0), partial(_Quiet, directory=str(tmp_path)))
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("127.0.0.1").configure_cert(context)
    server.socket = context.wrap_socket(server.socket, server_side=True)
    Thread(target=server.serve_forever, daemon=True).start()
    yield f"https://127.0.0.1:{server.server_port}/contract.pdf"
    server.shutdown()
    server.server_close()


class _Quiet(SimpleHTTPRequestHandler):
    def log_message(self, *_arguments: object) -> None:
        pass


def _call(stack: Stack, method: str, path: str, body: object = None) -> Any:
    return asyncio.run(stack.sandbox.call(method, path, body))


def _sent(stack: Stack, reference: str) -> dict[str, Any]:
    """Wait until the agreement is sent; returns the provider's document."""
    document_id = asyncio.run(_document_id(reference))
    document: dict[str, Any] = _call(stack, "GET", f"/_sandbox/documents/{document_id}")
    return document


async def _document_id(reference: str) -> str:
    async for status in follow_agreement(reference):
        if status.stage == Stage.AWAITING_SIGNATURES:
            return str(status.document_id)
    raise AssertionError("it ended before it was sent")


def _recipients(document: dict[str, Any]) -> list[tuple[str, str, int]]:
    return [
        (recipient["name"], recipient["email"], recipient["signing_order"])
        for recipient in document["recipients"]
    ]


def _place(field: dict[str, Any]) -> tuple[float, ...]:
    return tuple(field[name] for name in ("page", "x", "y", "width", "height"))


def test_a_template_with_everything_from_flags(shell: Shell, stack: Stack, reference: str) -> None:
    variables = [part for name, value in VARIABLES.items() for part in ("--var", f"{name}={value}")]
    people = [
        "--signer",
        _ADA,
        "--signer",
        _GRACE,
        "--cc",
        "copy@example.com",
        "--sender",
        "Us <us@example.com>",
    ]
    rest = ["--description", "Please sign.", "--deadline", "14d", "--reference", reference]
    ran = shell("start", "--title", "Order", "--template", TEMPLATE, *variables, *people, *rest)
    assert (ran.code, ran.out) == (0, f"{reference}: started\n"), ran.err
    document = _sent(stack, reference)
    assert document["name"].startswith(f"Order [{reference}~")
    assert _recipients(document) == _BOTH
    assert (document["source"], document["description"]) == ("deliverable", "Please sign.")
    assert (document["sender_name"], document["sender_email"]) == ("Us", "us@example.com")
    assert document["cc_emails"] == ["copy@example.com"]


_PRICES = """
title: Order
source:
  kind: template
  template_id: {template}
  variables:
    Customer: Example Ltd
    Logo: {{kind: image, path: logo.png}}
    Items:
      kind: json
      value:
        - {{name: Consulting, days: 3, price: "2,400.00"}}
        - {{name: Training, days: 1, price: "950.00"}}
    Fees:
      kind: table
      columns: [Fee, Amount]
      rows: [[Travel & lodging, 300.00], [Setup, 50.00]]
    Phase:
      kind: list
      items:
        - {{kind: text, text: Design, variables: {{Until: March}}}}
        - {{kind: text, text: Delivery, variables: {{Until: May}}}}
    Terms: {{kind: markdown, text: "**30 days** net"}}
signers: [Ada Lovelace <ada@example.com>]
"""


def test_the_rows_of_a_price_table_stand_in_what_is_signed(
    shell: Shell, stack: Stack, reference: str
) -> None:
    template = str(uuid.uuid4())
    lines = [
        "for {Customer}",
        "{#Items}",
        "{name}: {days} days, {price} EUR",
        "{/Items}",
        "{Fees}",
        "{Phase} until {Until}",
        "{Terms} {Logo}",
        "{signature1}",
    ]
    paragraphs = [["text", line] for line in lines]
    _call(stack, "POST", "/_sandbox/templates", {"id": template, "name": "P", "paragraphs": paragraphs})
    folder = shell.folder / "drafts"
    folder.mkdir()
    (folder / "agreement.yaml").write_text(_PRICES.format(template=template))
    logo = PillowImage.new("RGB", (30, 10), "navy")
    logo.save(folder / "logo.png")
    ran = shell("start", "drafts/agreement.yaml", "--reference", reference)
    assert (ran.code, ran.out) == (0, f"{reference}: started\n"), ran.err
    asyncio.run(stack.sandbox.complete(_sent(stack, reference)["id"]))
    assert shell("watch", reference).code == 0
    result = json.loads(shell("status", reference, "--json").out)["result"]
    pages = PdfReader(stack.store / result["archive"]["document"]["key"]).pages
    text = "\n".join(page.extract_text() for page in pages)
    for row in (
        "for Example Ltd",
        "Consulting: 3 days, 2,400.00 EUR",
        "Training: 1 days, 950.00 EUR",
        "Fee | Amount",
        "Travel & lodging | 300.00",
        "Setup | 50.00",
        "Design until March",
        "Delivery until May",
        "30 days net",
    ):
        assert row in text
    assert [image.image.size for page in pages for image in page.images if image.image] == [(30, 10)]
    wrong = _PRICES.format(template=template).replace("Items:", "Item:").replace("Fees:", "Fee:")
    (folder / "agreement.yaml").write_text(wrong)
    refused = shell("start", "drafts/agreement.yaml", "--reference", f"{reference}-2")
    assert refused.code == 2
    assert refused.err == (
        f"template {template}: it has no variable Fee (did you mean Fees?); "
        "it needs the variable Fees; it needs the variable Items\n"
    )


def test_signers_of_one_order_sign_in_any(shell: Shell, stack: Stack, reference: str) -> None:
    draft = {
        "reference": reference,
        "title": "Order",
        "source": {"kind": "template", "template_id": TEMPLATE, "variables": VARIABLES},
        "signers": [
            {"name": "Ada Lovelace", "email": "ada@example.com", "order": 1},
            {"name": "Grace Hopper", "email": "grace@example.com", "order": 1},
        ],
        "fields": [
            {"signer": 1, "anchor": "{signature1}"},
            {"signer": 2, "type": "date", "page": 1, "x": 60, "y": 500, "width": 90, "height": 20},
            {"signer": 2, "page": 1, "x": 60, "y": 600},
        ],
    }
    path = shell.folder / "agreement.yaml"
    path.write_text(yaml.safe_dump(draft))
    assert shell("start", str(path)).code == 0
    document = _sent(stack, reference)
    assert [order for _, _, order in _recipients(document)] == [1, 1]
    anchored, dated, placed = document["fields"]
    assert (anchored["type"], anchored["recipientEmail"]) == ("signature", "ada@example.com")
    assert anchored["template"]["anchor"] == "{signature1}"
    assert (dated["type"], dated["recipientEmail"]) == ("date", "grace@example.com")
    assert _place(dated) == (1, 60, 500, 90, 20)
    assert (placed["type"], _place(placed)) == ("signature", (1, 60, 600, 200, 40))


def test_a_plain_pdf_for_two_needs_nothing_else(shell: Shell, stack: Stack, reference: str) -> None:
    (shell.folder / "contract.pdf").write_bytes(_pdf())
    both = ("--signer", _ADA, "--signer", _GRACE)
    ran = shell("start", "--title", "Order", "--file", "contract.pdf", *both, "--reference", reference)
    assert ran.code == 0, ran.err
    document = _sent(stack, reference)
    assert _recipients(document) == _BOTH
    assert (document["source"], document["file_name"]) == ("file", "contract.pdf")
    assert [(field["type"], field["recipientEmail"], field["page"]) for field in document["fields"]] == [
        ("signature", "ada@example.com", 1),
        ("signature", "grace@example.com", 1),
    ]
    (left, right) = (_place(field) for field in document["fields"])
    assert left[1] + left[3] <= right[1], "the two must not lie on each other"
    asyncio.run(stack.sandbox.complete(document["id"]))
    assert shell("watch", reference).code == 0


def test_a_reference_that_was_made_looks_the_same_everywhere(shell: Shell, stack: Stack) -> None:
    (shell.folder / "contract.pdf").write_bytes(_pdf())
    ran = shell("start", "--title", "Order", "--file", "contract.pdf", "--signer", _ADA)
    reference, _, reported = ran.out.partition(":")
    assert reported == " started\n", ran.err
    assert f" [{reference}~" in _sent(stack, reference)["name"]
    status = json.loads(shell("status", reference, "--json").out)
    assert (status["reference"], workflow_id(reference)) == (reference, f"agreement-{reference}")
    assert status["ready_at"] <= status["sent_at"]  # a file is ready when it is about to be sent


@pytest.mark.parametrize(
    ("name", "content"),
    [("a.pdf", _pdf()), ("a.docx", _docx()), ("a.pptx", _pptx())],
    ids=["PDF", "DOCX", "PPTX"],
)
def test_a_local_file_goes_through_the_store(
    shell: Shell, stack: Stack, reference: str, name: str, content: bytes
) -> None:
    (shell.folder / name).write_bytes(content)
    ran = shell("start", "--title", "Order", "--file", name, "--signer", _ADA, "--reference", reference)
    assert ran.code == 0, ran.err
    document = _sent(stack, reference)
    assert _recipients(document) == [("Ada Lovelace", "ada@example.com", 1)]
    assert (document["source"], document["file_name"]) == ("file", name)
    assert content in [path.read_bytes() for path in (stack.store / "files").iterdir()]


def test_a_template_with_roles_fills_in_its_saved_signers(shell: Shell, stack: Stack, reference: str) -> None:
    ran = shell(
        "start", "--title", "Order", "--roles", _ROLES, "--signer", f"client={_ADA}", "--reference", reference
    )
    assert ran.code == 0, ran.err
    document = _sent(stack, reference)
    assert document["source"] == "template"
    emails = [email for _, email, _ in _recipients(document)]
    assert emails == ["ada@example.com", "countersigner@example.com"]
    assert {field["recipientEmail"] for field in document["fields"]} == set(emails)


def test_a_document_that_was_generated_before(shell: Shell, stack: Stack, reference: str) -> None:
    variables = [
        {"placeholder": f"{{{name}}}", "text": text, "mimeType": "text"} for name, text in VARIABLES.items()
    ]
    body = {"name": "Made before", "templateId": TEMPLATE, "variables": variables}
    made = _call(stack, "POST", "/v1/deliverable", body)["data"]["results"]["deliverable"]["id"]
    ran = shell(
        "start", "--title", "Order", "--deliverable", made, "--signer", _ADA, "--reference", reference
    )
    assert ran.code == 0, ran.err
    document = _sent(stack, reference)
    assert (document["source"], document["file_name"]) == ("deliverable", "Made before.pdf")
    assert _recipients(document) == [("Ada Lovelace", "ada@example.com", 1)]


def test_a_link_is_fetched_by_the_provider(shell: Shell, stack: Stack, reference: str, link: str) -> None:
    ran = shell("start", "--title", "Order", "--link", link, "--signer", _ADA, "--reference", reference)
    assert ran.code == 0, ran.err
    document = _sent(stack, reference)
    assert (document["source"], document["file_name"]) == ("link", "contract.pdf")
    asyncio.run(stack.sandbox.complete(document["id"]))
    assert shell("watch", reference).code == 0


def test_a_link_that_the_provider_cannot_fetch_fails_clearly_and_may_be_put_right(
    shell: Shell, reference: str, link: str
) -> None:
    words = ("start", "--title", "Order", "--signer", _ADA, "--reference", reference, "--link")
    dead = "https://127.0.0.1:1/a.pdf"
    ran = shell(*words, dead)
    assert ran.code == 0, ran.err
    watched = shell("watch", reference)
    assert watched.code == 6
    assert (
        f"{reference} failed: the provider rejected the file at 127.0.0.1, or could not fetch it: "
        in watched.err
    )
    assert dead not in watched.err
    assert shell(*words, link).out == f"{reference}: started\n"


def test_flags_override_a_file(shell: Shell, reference: str) -> None:
    draft = {"title": "Of the file", "source": {"kind": "link", "url": "https://example.com/a.pdf"}}
    path = shell.folder / "agreement.json"
    path.write_text(json.dumps(draft | {"signers": [_GRACE]}))
    ran = shell("start", str(path), "--title", "Of the flag", "--dry-run", "--json", "--reference", reference)
    assert ran.code == 0, ran.err
    checked = json.loads(ran.out)
    assert (checked["title"], checked["signers"][0]["name"]) == ("Of the flag", "Grace Hopper")


def test_a_dry_run_starts_nothing(shell: Shell, stack: Stack, reference: str) -> None:
    (shell.folder / "a.pdf").write_bytes(_pdf() + b"% unlike any other")
    before = _call(stack, "GET", "/_sandbox/ledger")
    ran = shell(
        "start", "--title", "O", "--file", "a.pdf", "--signer", _ADA, "--dry-run", "--reference", reference
    )
    assert (ran.code, ran.out) == (0, f"{reference}: can be started\n")
    assert shell("status", reference).code == 3
    assert _call(stack, "GET", "/_sandbox/ledger") == before


@pytest.mark.parametrize(
    ("flags", "says"),
    [
        (["--template", "x", "--link", "https://example.com/a.pdf"], "name one of --template, --roles, "),
        (["--link", "https://example.com/a.pdf", "--var", "A=1"], "--var: only a --template has variables"),
        (["--template", "x", "--var", "A"], "--var: write NAME=VALUE"),
        ([], "source is missing"),
    ],
)
def test_flags_that_do_not_fit_together(shell: Shell, flags: list[str], says: str) -> None:
    ran = shell("start", "--title", "Order", "--signer", _ADA, *flags)
    assert (ran.code, ran.out) == (2, "")
    assert says in ran.err


@pytest.mark.parametrize(
    ("content", "says"),
    [
        ("- a list", ": write a mapping of names to values: docs/examples/agreement.json is an example"),
        ("\x00\x01", ": it holds control characters, which YAML does not allow"),
        ("", ": it is empty; write a mapping of names to values: docs/examples/agreement.json is an example"),
        (
            "# nothing but this",
            ": it is empty; write a mapping of names to values: docs/examples/agreement.json is an example",
        ),
        ("title: T\nsource:\n  kind: link\n  kind: file\n", ", line 4: kind is there twice"),
        ('{"title": "x",\n"title": "y"}', ", line 2: title is there twice"),
        ("title: T\n? [a]\n: b\n", ", line 2: a name is a text"),
        (
            '{"a": 1, ',
            ", line 1: not valid YAML: expected the node content, but found its end",
        ),
        (
            "title: a: b\n",
            ", line 1: not valid YAML: mapping values are not allowed here",
        ),
    ],
)
def test_a_draft_that_cannot_be_read(shell: Shell, content: str, says: str) -> None:
    (shell.folder / "draft.yaml").write_text(content)
    ran = shell("start", "draft.yaml")
    assert (ran.code, ran.out, ran.err) == (2, "", f"draft.yaml{says}\n")
    assert shell("start", "nowhere.yaml").err == "nowhere.yaml: No such file or directory\n"
