"""Routes of the webhook receiver by configuration: providers of signatures, and workflows of your own."""
