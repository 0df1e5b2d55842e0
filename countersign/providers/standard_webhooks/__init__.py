"""Any provider that signs its webhooks as https://www.standardwebhooks.com says, by configuration."""
