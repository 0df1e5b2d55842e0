"""TurboDocx: its wire contract, and nothing about why we call it."""
