"""What a provider lacks is refused with a sentence that names what works."""

from dataclasses import replace

from countersign.agreements.messages import AgreementInput
from countersign.agreements.validation import needs_of
from countersign.providers.lacks import lacks
from countersign.providers.registry import account
from countersign.testing import an_agreement

TURBODOCX = account("turbodocx", "turbodocx")
DOCUMENSO = account("documenso", "documenso")
PDF = {"kind": "file", "key": "files/a.pdf", "file_name": "a.pdf", "sha256": "0"}
CODE_BY_SMS = {
    "name": "Ada",
    "email": "ada@example.com",
    "identity": {"kind": "sms", "phone": "+493012345678"},
}


def sentences(agreement: AgreementInput, *others: str) -> tuple[str, ...]:
    """What Documenso lacks, where other accounts are configured too."""
    accounts = {"documenso": DOCUMENSO} | dict.fromkeys(others, TURBODOCX)
    return lacks(needs_of(agreement), DOCUMENSO, accounts)


def test_identity_verification_is_refused_where_there_is_none() -> None:
    agreement = an_agreement(source=PDF, signers=[CODE_BY_SMS])
    instead = "documenso does not verify signers' identities by sms; leave `identity` out"
    assert sentences(agreement) == (instead,)
    assert sentences(agreement, "turbodocx") == (f"{instead}, or use account turbodocx",)
    assert lacks(needs_of(agreement), TURBODOCX, {"turbodocx": TURBODOCX}) == ()


def test_a_review_is_refused_where_there_is_none() -> None:
    instead = "documenso does not hold a document for review before it is sent; leave `review` out"
    assert sentences(an_agreement(source=PDF, review=True)) == (instead,)


def test_emails_are_sent_where_the_provider_insists() -> None:
    insisting = replace(DOCUMENSO.plugin.capabilities, optional_emails=False)
    other = replace(DOCUMENSO, plugin=replace(DOCUMENSO.plugin, capabilities=insisting))
    needs = needs_of(an_agreement(source=PDF, send_emails=False))
    instead = "documenso does not send a document without e-mails; leave `send_emails` out"
    assert lacks(needs, other, {}) == (instead,)
    assert lacks(needs, other, {"turbodocx": TURBODOCX}) == (f"{instead}, or use account turbodocx",)
    assert lacks(needs, DOCUMENSO, {}) == ()


def test_nothing_is_lacking_for_a_plain_file() -> None:
    assert sentences(an_agreement(source=PDF)) == ()
