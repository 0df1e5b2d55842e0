"""A stand-in for Documenso's API v2; `docs/reference/documenso-sandbox.md` lists its choices."""
