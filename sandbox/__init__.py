"""A local TurboDocx for development and tests: the documented API, signing pages, webhooks and faults.

It imports nothing of Countersign: it implements the provider's contract independently.
`docs/reference/sandbox.md` lists its choices where the contract is silent.
"""
