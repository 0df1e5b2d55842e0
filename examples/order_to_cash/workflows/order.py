"""Quote, approval, agreement, invoice, payment, CRM: one workflow per order."""

from datetime import timedelta

from temporalio import workflow

with workflow.unsafe.imports_passed_through():
    from activities.billing import Billing, Invoice
    from activities.crm import Crm, Deal
    from pydantic import BaseModel

    from countersign.agreements.child import run_agreement
    from countersign.agreements.messages import AgreementInput, Outcome, Signer, TemplateSource
    from countersign.webhooks.inbox import Inbox, WebhookEvent
    from countersign.workflow.approval import Approval
    from countersign.workflow.policy import READ, WRITE


class Order(BaseModel):
    """An order: its number, and its contract without the price."""

    number: str
    template_id: str
    terms: dict[str, str]
    signers: tuple[Signer, ...]


@workflow.defn
class OrderToCash:
    """Returns the last stage of the deal. The workflow's id is `order-<number>`."""

    def __init__(self) -> None:
        self.approval = Approval()
        self.inbox = Inbox()

    @workflow.signal
    def payment(self, event: WebhookEvent) -> None:
        """Take a webhook of the billing API; see routes.toml."""
        self.inbox.put(event)

    @workflow.run
    async def run(self, order: Order) -> str:
        """Run the process, then write its end into the CRM."""
        stage = await self.process(order)
        deal = Deal(order=order.number, stage=stage)
        await workflow.execute_activity_method(Crm.update_deal, deal, **WRITE.options("crm"))
        return stage

    async def process(self, order: Order) -> str:
        """Take the order from its quote to its payment, and return how far it came."""
        amount = await workflow.execute_activity_method(Crm.quote, order.number, **READ.options("crm"))
        try:
            decision = await self.approval.wait(deadline=workflow.now() + timedelta(days=3))
        except TimeoutError:
            return "late"
        if not decision.approved:
            return "rejected"
        result = await run_agreement(contract(order, amount))
        if result.outcome is not Outcome.COMPLETED:
            return f"contract {result.outcome}"
        invoice = Invoice(order=order.number, amount=amount)
        await workflow.execute_activity_method(Billing.create_invoice, invoice, **WRITE.options("billing"))
        try:
            await self.inbox.take("invoice.paid", within=timedelta(days=60))
        except TimeoutError:
            return "unpaid"
        return "paid"


def contract(order: Order, amount: str) -> AgreementInput:
    """Make the agreement of an order."""
    return AgreementInput(
        reference=order.number,
        title=f"Order {order.number}",
        source=TemplateSource(template_id=order.template_id, variables={**order.terms, "Price": amount}),
        signers=order.signers,
    )
