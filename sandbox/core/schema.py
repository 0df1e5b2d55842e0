"""The database schema of all sandboxes. Times are ISO 8601 text in UTC, which sorts by time."""

from typing import Final

SCHEMA: Final = """
CREATE TABLE IF NOT EXISTS settings (id TEXT PRIMARY KEY, value JSON NOT NULL);
CREATE TABLE IF NOT EXISTS files (id TEXT PRIMARY KEY, content BLOB NOT NULL);
CREATE TABLE IF NOT EXISTS emails (
    seq INTEGER PRIMARY KEY AUTOINCREMENT, id TEXT NOT NULL UNIQUE, document_id TEXT NOT NULL,
    recipient_id TEXT, kind TEXT NOT NULL, address TEXT NOT NULL, subject TEXT NOT NULL, token TEXT,
    sent_at TEXT NOT NULL
);
CREATE TABLE IF NOT EXISTS webhooks (
    seq INTEGER PRIMARY KEY AUTOINCREMENT, id TEXT NOT NULL UNIQUE,
    name TEXT NOT NULL, urls JSON NOT NULL, events JSON NOT NULL, is_active BOOL NOT NULL,
    is_deleted BOOL NOT NULL DEFAULT 0, secret TEXT NOT NULL, previous_secret TEXT,
    created_on TEXT NOT NULL, updated_on TEXT NOT NULL
);
CREATE TABLE IF NOT EXISTS deliveries (
    seq INTEGER PRIMARY KEY AUTOINCREMENT, id TEXT NOT NULL UNIQUE, webhook_id TEXT NOT NULL,
    event_type TEXT NOT NULL, lane TEXT NOT NULL, url TEXT NOT NULL, payload TEXT NOT NULL,
    status TEXT NOT NULL DEFAULT 'pending', attempt_count INTEGER NOT NULL DEFAULT 0,
    http_status INTEGER, response_body TEXT, error_message TEXT, duration_ms INTEGER,
    delivered_at TEXT, next_attempt_at TEXT, created_on TEXT NOT NULL, updated_on TEXT NOT NULL
);
CREATE INDEX IF NOT EXISTS deliveries_due ON deliveries (next_attempt_at) WHERE next_attempt_at IS NOT NULL;
CREATE INDEX IF NOT EXISTS deliveries_webhook ON deliveries (webhook_id);
CREATE TABLE IF NOT EXISTS ledger (
    seq INTEGER PRIMARY KEY AUTOINCREMENT, at TEXT NOT NULL, kind TEXT NOT NULL, subject TEXT NOT NULL,
    details JSON NOT NULL, request JSON
);
"""
