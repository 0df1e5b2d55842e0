"""The billing API: its settings, its client, its activity."""

from dataclasses import dataclass
from typing import ClassVar

from pydantic import BaseModel
from temporalio import activity

from countersign.providers.api import ApiClient, ApiSettings, Call


class BillingSettings(ApiSettings):
    """`BILLING_BASE_URL`, `BILLING_API_KEY`."""

    prefix: ClassVar[str] = "BILLING_"
    live_host: ClassVar[str] = "api.billing.example"


class Invoice(BaseModel):
    """What to invoice: an amount such as `1200.00`, for an order."""

    order: str
    amount: str


@dataclass(frozen=True)
class Billing:
    """Activities that call the billing API."""

    api: ApiClient

    @activity.defn
    async def create_invoice(self, invoice: Invoice) -> str:
        """Create the order's invoice, once, and return its id."""
        key, body = f"invoice-{invoice.order}", invoice.model_dump()
        call = Call(
            operation="create_invoice", method="POST", path="/invoices", body=body, idempotency_key=key
        )
        return await self.api.request(call, lambda body: str(body["id"]))
