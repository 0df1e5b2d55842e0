"""A stand-in for TurboDocx: `docs/reference/sandbox.md` lists its choices where the contract is silent."""
