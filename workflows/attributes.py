"""The search attributes that agreements are found by in the Temporal UI. Always plain, so never personal."""

from datetime import datetime
from typing import Final

from temporalio.common import SearchAttributeKey

STAGE: Final = SearchAttributeKey.for_keyword("AgreementStage")
WAITING_FOR: Final = SearchAttributeKey.for_keyword("WaitingFor")
PROVIDER: Final = SearchAttributeKey.for_keyword("SignatureProvider")
DOCUMENT_ID: Final = SearchAttributeKey.for_keyword("DocumentId")
NEEDS_ATTENTION: Final[SearchAttributeKey[bool]] = SearchAttributeKey.for_bool("NeedsAttention")
DEADLINE: Final[SearchAttributeKey[datetime]] = SearchAttributeKey.for_datetime("AgreementDeadline")

TYPES: Final = {
    "AgreementStage": "Keyword",
    "WaitingFor": "Keyword",
    "SignatureProvider": "Keyword",
    "DocumentId": "Keyword",
    "NeedsAttention": "Bool",
    "AgreementDeadline": "Datetime",
}
"""Names and types as `temporal operator search-attribute create` wants them."""
