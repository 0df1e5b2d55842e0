"""Stand-ins of signature providers for development and tests, with pages, webhooks and faults.

They import nothing of Countersign: each implements its provider's contract independently.
"""
