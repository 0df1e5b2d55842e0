"""Webhooks of any provider that conforms to https://www.standardwebhooks.com, by configuration."""
