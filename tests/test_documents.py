"""Files that cannot be signed are refused with the reason, and fields lie on their pages."""

import io
import zipfile
from collections.abc import Callable
from typing import Any

import pytest
from fpdf import FPDF
from pypdf import PdfReader, PdfWriter
from pypdf.generic import DictionaryObject, NameObject, NumberObject

from countersign.agreements.messages import SignatureField
from countersign.documents import (
    A4,
    PageSize,
    UnusableFileError,
    default_fields,
    inspect,
    misplaced,
)

WORD = "application/vnd.openxmlformats-officedocument.wordprocessingml.document.main+xml"


def pdf(*formats: Any, orientation: Any = "portrait") -> bytes:
    document = FPDF(orientation=orientation, format=formats[0] if formats else "A4")
    for form in formats or ("A4",):
        document.add_page(format=form)
    return bytes(document.output())


def rewritten(change: Callable[[PdfWriter], object], content: bytes | None = None) -> bytes:
    writer = PdfWriter(PdfReader(io.BytesIO(content or pdf())))
    change(writer)
    buffer = io.BytesIO()
    writer.write(buffer)
    return buffer.getvalue()


def docx(part: str = "word/document.xml", *more: str, content_type: str = WORD) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        types = f'<Types><Override PartName="/{part}" ContentType="{content_type}"/></Types>'
        archive.writestr("[Content_Types].xml", types)
        for name in (part, *more):
            archive.writestr(name, "<x/>")
    return buffer.getvalue()


def no_pages(writer: PdfWriter) -> None:
    while len(writer.pages):
        writer.remove_page(0)


UNUSABLE = {
    "empty": ("a.pdf", b"", "is empty"),
    "an empty Office file": ("a.docx", b"", "is empty"),
    "HTML": ("a.pdf", b"\n<!DOCTYPE html><html>log in</html>", "is a web page"),
    "text": ("a.pdf", b"hello", "the content is not a .pdf file"),
    "cut": ("a.pdf", pdf()[:-60], "is truncated"),
    "damaged": ("a.pdf", b"%PDF-1.7\nnothing\n%%EOF", "is damaged"),
    "a password": (
        "a.pdf",
        rewritten(lambda writer: writer.encrypt("secret")),
        "is protected with a password",
    ),
    "no pages": ("a.pdf", rewritten(no_pages), "has no pages"),
    "an archive that is no document": (
        "a.docx",
        docx(content_type="text/xml"),
        "the content is not a",
    ),
    "a main part that is not there": (
        "a.docx",
        docx().replace(b"word/document.xml", b"word/documenT.xml", 1),
        "the content is not a .docx file",
    ),
    "a presentation as a document": ("a.pptx", docx(), "the content is not a .pptx file"),
    "a cut archive": ("a.docx", docx()[:-30], "the content is not a .docx file"),
    "an old or protected Office file": (
        "a.docx",
        bytes.fromhex("D0CF11E0A1B11AE1") + bytes(512),
        "protected",
    ),
    "another type": ("a.txt", b"hello", "the provider accepts"),
}


@pytest.mark.parametrize(("name", "content", "says"), UNUSABLE.values(), ids=UNUSABLE)
def test_a_file_that_cannot_be_signed_is_refused(name: str, content: bytes, says: str) -> None:
    with pytest.raises(UnusableFileError, match=says):
        inspect(name, content)


def test_bytes_before_the_header_are_accepted() -> None:
    assert inspect("a.pdf", b"x" * 1000 + b"\n" + pdf()).pages == inspect("a.pdf", pdf()).pages
    with pytest.raises(UnusableFileError):
        inspect("a.pdf", b"x" * 2000 + pdf())


def test_a_word_file_of_word_online_is_accepted() -> None:
    assert inspect("a.docx", docx("word/document2.xml")).pages == ()


def test_macros_signatures_and_xfa_are_warned_of() -> None:
    def sign(writer: PdfWriter) -> None:
        form = DictionaryObject(
            {NameObject("/SigFlags"): NumberObject(3), NameObject("/XFA"): NumberObject(0)}
        )
        writer.root_object[NameObject("/AcroForm")] = form

    assert len(inspect("a.pdf", rewritten(sign)).warnings) == 2
    assert len(inspect("a.docx", docx("word/document.xml", "word/vbaProject.bin")).warnings) == 1
    assert inspect("a.pdf", pdf()).warnings == ()


def test_a_file_that_only_its_owner_may_change_is_warned_of() -> None:
    content = rewritten(lambda writer: writer.encrypt("", owner_password="secret"))
    assert len(inspect("a.pdf", content).warnings) == 1


PAGES = {
    "A4": pdf(),
    "landscape": pdf(orientation="landscape"),
    "A5": pdf((148, 210)),
    "letter": pdf("letter"),
    "a label": pdf((60, 40)),
    "rotated": rewritten(lambda writer: writer.pages[0].rotate(90)),
    "of several sizes": pdf((148, 210), "A4", "A3"),
}


@pytest.mark.parametrize("content", PAGES.values(), ids=PAGES)
@pytest.mark.parametrize("signers", [1, 2, 3])
def test_default_fields_lie_on_the_page(content: bytes, signers: int) -> None:
    pages = inspect("a.pdf", content).pages
    try:
        fields = default_fields(signers, pages[0])
    except UnusableFileError:
        assert pages[0].width < 200
        return
    assert list(misplaced(fields, pages)) == []
    corners = {(field.x, field.y) for field in fields}
    assert len(corners) == len(fields) == signers


def test_a_rotated_page_is_as_people_see_it() -> None:
    (upright,), (rotated,) = inspect("a.pdf", PAGES["A4"]).pages, inspect("a.pdf", PAGES["rotated"]).pages
    assert (rotated.width, rotated.height) == (upright.height, upright.width)


def test_more_signers_than_a_page_has_room_for_are_refused() -> None:
    assert len(default_fields(22, A4)) == 22
    with pytest.raises(UnusableFileError, match="space for 22 signatures"):
        default_fields(23, A4)


@pytest.mark.parametrize(
    ("place", "says"),
    [
        ({"page": 2, "x": 10, "y": 10}, "no page 2; its last page is 1"),
        ({"page": 1, "x": 500, "y": 10}, "beyond page 1, which is 595 by 842"),
        ({"page": 1, "x": 10, "y": 820}, "beyond page 1"),
    ],
)
def test_a_field_outside_its_page_is_refused(place: dict[str, int], says: str) -> None:
    field = SignatureField.model_validate({"signer": 1} | place)
    (problem,) = misplaced((field,), (PageSize(595, 842),))
    assert says in problem
