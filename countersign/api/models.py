"""What the API takes and returns, and how it differs from the contract of the workflow.

A request's file is in the request, not in the store. A response has links instead of keys and addresses of
the store, and people's data only for tokens that may read it.
"""

from datetime import datetime
from inspect import cleandoc
from typing import Annotated, Any, Final, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, create_model

from countersign.agreements.batches import BATCH_NAME
from countersign.agreements.messages import (
    AgreementInput,
    AgreementResult,
    AgreementStatus,
    DeliverableSource,
    JsonData,
    LinkSource,
    Message,
    Outcome,
    ResolvedBy,
    RichText,
    RolesSource,
    Signer,
    SignerStatus,
    Stage,
    Table,
)
from countersign.client.batches import BatchView
from countersign.client.listing import ListedAgreement
from countersign.client.view import AgreementView

REFERENCE: Final = r"^[A-Za-z0-9][A-Za-z0-9._-]{2,39}$"
BASE: Final = "/v1/agreements"
BATCHES: Final = "/v1/batches"


# Requests


class FileContent(Message):
    """Send a file that is in the request.

    Args:
        file_name: The file's name with its extension: `.pdf`, `.docx` or `.pptx`.
        content: Its bytes in base64, at most 10 MB before encoding. Leave both out in a multipart request
            with the part `file`.
    """

    kind: Literal["file"] = "file"
    file_name: str | None = Field(default=None, max_length=255)
    content: str | None = Field(default=None, json_schema_extra={"contentEncoding": "base64"})


class ImageContent(Message):
    """A PNG, JPEG or GIF in the request.

    Args:
        file_name: The file's name with its extension.
        content: Its bytes in base64, at most 10 MB before encoding.
    """

    kind: Literal["image"] = "image"
    file_name: str = Field(max_length=255)
    content: str = Field(json_schema_extra={"contentEncoding": "base64"})


class RepeatedContent(Message):
    """Several values of one placeholder: the template repeats what stands around it.

    Args:
        items: The values, in their order.
    """

    kind: Literal["list"] = "list"
    items: tuple[str | RichText | ImageContent, ...] = Field(min_length=1, max_length=5000)


class TemplateContent(Message):
    """Generate the document from a template.

    Args:
        template_id: The provider's id of the template: see `GET /v1/templates`.
        variables: Values by placeholder name, `CustomerName` for `{CustomerName}`.
    """

    kind: Literal["template"] = "template"
    template_id: str
    variables: dict[str, str | RichText | ImageContent | RepeatedContent | Table | JsonData] = Field(
        default={}, examples=[{"CustomerName": "Example Ltd", "EffectiveDate": "2027-01-01"}]
    )


SourceContent = Annotated[
    TemplateContent | FileContent | LinkSource | DeliverableSource | RolesSource, Field(discriminator="kind")
]

_CHANGED: Final[dict[str, Any]] = {
    "reference": (str | None, Field(default=None, pattern=REFERENCE, examples=["order-4711"])),
    "source": (SourceContent, ...),
    "deadline": (
        datetime | Annotated[str, Field(pattern=r"^\d{1,6}[dh]$")] | None,
        Field(default=None, examples=["14d"]),
    ),
}
"""Fields of a request that are not those of `AgreementInput`."""
CALLER: Final = "initiated_by"
"""The field that a start sets to the token's name."""
SECRET_FIELD: Final = "callback_secret"  # noqa: S105  # a name
STORED_FIELD: Final = "callback_secret_key"
"""The key of the stored secret. A caller that could send it could name the secret of another caller."""
_SECRET: Final[Any] = (
    str | None,
    Field(
        default=None,
        description="The secret that signs the callbacks, `whsec_` and 24 to 64 random bytes in base64; by "
        "default the secret in the worker's settings. It goes to the store, past Temporal.",
        json_schema_extra={"writeOnly": True},
    ),
)


def _fields(model: type[BaseModel], but: set[str]) -> dict[str, Any]:
    return {name: (about.annotation, about) for name, about in model.model_fields.items() if name not in but}


NewAgreement: type[BaseModel] = create_model(
    "NewAgreement",
    __base__=Message,
    __doc__=AgreementInput.__doc__,
    **{
        name: _CHANGED.get(name, field)
        for name, field in _fields(AgreementInput, {CALLER, STORED_FIELD}).items()
    },
    **{SECRET_FIELD: _SECRET},
)
"""The body of a start: `AgreementInput` with the file itself. The API documents it; the client checks it."""


class NewSigner(BaseModel):
    """Who signs instead.

    Args:
        signer: The number of the signer to replace, from 1.
        by: The new signer, with the order, role and identity check of the old one unless set.
        new_reference: The new agreement's reference; by default the old one with the next number.
    """

    model_config = ConfigDict(extra="forbid")

    signer: int = Field(ge=1, examples=[2])
    by: Signer
    new_reference: str | None = Field(default=None, pattern=REFERENCE)


class NewBatch(BaseModel):
    """The form that starts a batch.

    Args:
        batch: The batch's name: 3 to 40 lower-case letters, digits and dashes; never personal data.
        table: A file whose name ends in `.csv` or `.jsonl`.
    """

    batch: str = Field(pattern=BATCH_NAME, examples=["spring-renewal"])
    table: str = Field(json_schema_extra={"contentMediaType": "application/octet-stream"})


class BatchCancellation(BaseModel):
    """What becomes of the agreements that a batch has started.

    Args:
        void: Void those that have not ended; otherwise they go on.
    """

    model_config = ConfigDict(extra="forbid", strict=True)

    void: bool


# Responses


class Links(BaseModel):
    """Paths of this API that concern an agreement; null if there is nothing behind them yet."""

    self: str
    void: str | None = None
    remind: str | None = None
    resolve: str | None = None
    replace_signer: str | None = None
    signed_pdf: str | None = None
    audit_trail: str | None = None
    timeline: str | None = None

    @classmethod
    def of(cls, reference: str, *, runs: bool, archived: bool) -> Self:
        """Return the links of an agreement.

        Args:
            reference: Its reference.
            runs: Whether it has not ended.
            archived: Whether the signed document is in the store.
        """
        base = f"{BASE}/{reference}"
        verbs = {name: f"{base}/{name.replace('_', '-')}" for name in _VERBS} if runs else {}
        files = {name: f"{base}/{path}" for name, path in _FILES.items()} if archived else {}
        return cls(self=base, **verbs, **files)


_VERBS: Final = ("void", "remind", "resolve", "replace_signer")
_FILES: Final = {"signed_pdf": "signed.pdf", "audit_trail": "audit-trail", "timeline": "timeline"}


class SignerProgress(SignerStatus):
    """The progress of a signer; the name only if the token has the scope `read:people`."""

    name: str | None = None  # type: ignore[assignment]  # a wider type than the contract's


class Digest(BaseModel):
    """A file in the archive: its size in bytes and its SHA-256 in hexadecimal."""

    size: int
    sha256: str


class Result(BaseModel):
    """How an agreement ended.

    Args:
        outcome: The final state.
        resolved_by: How it became known: `webhook`, `poll` (a check) or `operator`.
        document_id: The provider's id of the document, if there is a document.
        reason: The reason for voiding or abandoning it; needs the scope `read:people`.
        signed_pdf: The signed document, if completed.
        audit_trail: The provider's record of it.
        timeline: The workflow's own record.
    """

    outcome: Outcome
    resolved_by: ResolvedBy
    document_id: str | None = None
    reason: str | None = None
    signed_pdf: Digest | None = None
    audit_trail: Digest | None = None
    timeline: Digest | None = None

    @classmethod
    def of(cls, result: AgreementResult, *, people: bool) -> Self:
        """Translate a result of the contract."""
        archive = result.archive
        files = (
            {
                "signed_pdf": archive.document.model_dump(),
                "audit_trail": archive.audit_trail.model_dump(),
                "timeline": archive.timeline.model_dump(),
            }
            if archive
            else {}
        )
        return cls.model_validate(
            {
                "outcome": result.outcome,
                "resolved_by": result.resolved_by,
                "document_id": result.document_id,
                "reason": result.reason if people else None,
                **files,
            }
        )


_OF_PEOPLE: Final = ("review_url", "provider_message")
"""They name people, or let whoever has them read the document."""

_VIEW_HEAD: Final = """Where an agreement is, who has signed, and what it waits for.

Args:"""
_VIEW_TAIL: Final = """
    signers: The progress of the signers, in the order of the input: the first is signer 1. Names need the
        scope `read:people`.
    links: Paths of this API that concern the agreement; null if there is nothing behind them yet.
"""


def _arguments(model: type[BaseModel]) -> str:
    """Return what a docstring says about arguments."""
    return "\n" + cleandoc(model.__doc__ or "").partition("Args:\n")[2].rstrip()


Agreement: type[BaseModel] = create_model(
    "Agreement",
    __base__=Message,
    __doc__=f"{_VIEW_HEAD}{_arguments(AgreementStatus)}{_arguments(AgreementView)}{_VIEW_TAIL}",
    **_fields(AgreementView, {"signers", "result"}),
    signers=(tuple[SignerProgress, ...], ()),
    result=(Result | None, None),
    links=(Links, ...),
)
"""The view of an agreement: the status, with links."""


def agreement(view: AgreementView, *, people: bool) -> dict[str, Any]:
    """Write the view of an agreement as JSON.

    Args:
        view: The status.
        people: Whether names, reasons and the like are shown.
    """
    written = view.model_dump(mode="json", exclude={"result", "signers"})
    if not people:
        written |= dict.fromkeys(_OF_PEOPLE)
    signers = [signer.model_dump(mode="json") for signer in view.signers]
    written["signers"] = [signer if people else signer | {"name": None} for signer in signers]
    written["result"] = Result.of(view.result, people=people).model_dump(mode="json") if view.result else None
    ended = view.result is not None or view.failure is not None
    archived = view.result is not None and view.result.archive is not None
    written["links"] = Links.of(view.reference, runs=not ended, archived=archived).model_dump(mode="json")
    return written


class Accepted(BaseModel):
    """A worker will do it: follow the agreement."""

    reference: str
    links: Links


class Checked(BaseModel):
    """A start that was checked and not made.

    Args:
        reference: The reference that a start would use.
        notes: Warnings, and checks that were left out.
    """

    reference: str
    notes: tuple[str, ...] = ()


class AgreementItem(ListedAgreement):
    """An agreement in a list. Its reference is in lower case; its signers are in its own view."""

    links: Links


class AgreementList(BaseModel):
    """A page of agreements, the newest first.

    Args:
        agreements: The agreements.
        next: The path of the next page; null if this is the last one.
        counts: The number of agreements at every stage, of all pages, if asked for.
    """

    agreements: tuple[AgreementItem, ...]
    next: str | None = None
    counts: dict[Stage, int] | None = None


class BatchLinks(BaseModel):
    """Paths of this API that concern a batch; null if the batch has ended."""

    self: str
    agreements: str
    report: str
    pause: str | None = None
    resume: str | None = None
    cancel: str | None = None

    @classmethod
    def of(cls, batch: str, *, runs: bool) -> Self:
        """Return the links of a batch.

        Args:
            batch: Its name.
            runs: Whether rows are still being started.
        """
        base = f"{BATCHES}/{batch}"
        verbs = {name: f"{base}/{name}" for name in ("pause", "resume", "cancel")} if runs else {}
        agreements = f"{BASE}?batch={batch}&ended=true"
        return cls(self=base, agreements=agreements, report=f"{base}/report", **verbs)


class Batch(BatchView):
    """How far a batch and its agreements have come.

    Args:
        batch: Its name.
        rows: How many rows it has.
        progress: What became of the rows so far.
        stages: How many of its agreements are at each stage, and how many are `failed`.
        is_running: Whether rows are still being started.
        links: Paths of this API that concern the batch.
    """

    links: BatchLinks


class AcceptedBatch(BaseModel):
    """A worker will do it: follow the batch."""

    batch: str
    links: BatchLinks


class CheckedBatch(BaseModel):
    """A table that was checked and not started.

    Args:
        batch: The batch's name.
        rows: How many agreements a start would start.
        calls: Calls of the provider that they need until they are archived.
    """

    batch: str
    rows: int
    calls: int
