"""What the sandboxes share: store, clock, ledger, faults, pages, PDF, webhook sender, control API."""
