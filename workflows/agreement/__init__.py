"""The agreement: claim its reference, generate, send once, await signatures, archive."""

from workflows.agreement.workflow import AgreementWorkflow

__all__ = ["AgreementWorkflow"]
