"""A TurboDocx to build and test against: the documented API, signing pages, webhooks and faults.

It imports nothing of Countersign: it is an independent reading of the provider's contract, and anyone can use
it from any language. `docs/reference/sandbox.md` says what it had to choose where the contract is silent.
"""
