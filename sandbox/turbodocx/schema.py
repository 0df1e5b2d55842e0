"""The database schema of the TurboDocx sandbox. Times are ISO 8601 text in UTC, which sorts by time."""

from typing import Final

SCHEMA: Final = """
CREATE TABLE IF NOT EXISTS templates (
    seq INTEGER PRIMARY KEY AUTOINCREMENT, id TEXT NOT NULL UNIQUE,
    name TEXT NOT NULL, description TEXT NOT NULL, file_type TEXT NOT NULL, file_size INTEGER NOT NULL,
    paragraphs JSON NOT NULL, variables JSON NOT NULL, roles JSON NOT NULL, fields JSON NOT NULL,
    tags JSON NOT NULL, is_active BOOL NOT NULL, created_on TEXT NOT NULL, updated_on TEXT NOT NULL
);
CREATE TABLE IF NOT EXISTS tags (id TEXT PRIMARY KEY, label TEXT NOT NULL UNIQUE, created_on TEXT NOT NULL);
CREATE TABLE IF NOT EXISTS deliverables (
    seq INTEGER PRIMARY KEY AUTOINCREMENT, id TEXT NOT NULL UNIQUE,
    name TEXT NOT NULL, description TEXT NOT NULL, template_id TEXT NOT NULL, variables JSON NOT NULL,
    tags JSON NOT NULL, file_type TEXT NOT NULL, file_size INTEGER NOT NULL, default_font TEXT NOT NULL,
    is_active BOOL NOT NULL, created_on TEXT NOT NULL, updated_on TEXT NOT NULL
);
CREATE TABLE IF NOT EXISTS documents (
    seq INTEGER PRIMARY KEY AUTOINCREMENT, id TEXT NOT NULL UNIQUE,
    name TEXT NOT NULL, description TEXT NOT NULL, file_name TEXT NOT NULL, status TEXT NOT NULL,
    source TEXT NOT NULL, fields JSON NOT NULL, cc_emails JSON NOT NULL,
    sender_name TEXT NOT NULL, sender_email TEXT NOT NULL, send_email BOOL NOT NULL, schedule JSON NOT NULL,
    finalization_fails BOOL NOT NULL DEFAULT 0, review_token TEXT NOT NULL,
    created_on TEXT NOT NULL, sent_on TEXT, expires_at TEXT, completed_at TEXT, voided_at TEXT,
    void_reason TEXT, document_hash TEXT
);
CREATE TABLE IF NOT EXISTS recipients (
    seq INTEGER PRIMARY KEY AUTOINCREMENT, id TEXT NOT NULL UNIQUE, document_id TEXT NOT NULL,
    name TEXT NOT NULL, email TEXT NOT NULL, signing_order INTEGER NOT NULL, metadata JSON NOT NULL,
    phone TEXT, external_id TEXT, identity JSON NOT NULL, token TEXT NOT NULL UNIQUE,
    status TEXT NOT NULL DEFAULT 'pending', viewed_on TEXT, signed_on TEXT,
    entries JSON NOT NULL DEFAULT '{}',
    first_sent_on TEXT, last_sent_on TEXT, total_sent INTEGER NOT NULL DEFAULT 0,
    reminder_count INTEGER NOT NULL DEFAULT 0, last_reminded_at TEXT,
    warning_count INTEGER NOT NULL DEFAULT 0, last_warning_at TEXT
);
CREATE INDEX IF NOT EXISTS recipients_document ON recipients (document_id);
CREATE TABLE IF NOT EXISTS audit (
    seq INTEGER PRIMARY KEY AUTOINCREMENT, id TEXT NOT NULL UNIQUE, document_id TEXT NOT NULL,
    action_type TEXT NOT NULL, timestamp TEXT NOT NULL, details JSON NOT NULL, recipient_id TEXT,
    previous_hash TEXT, current_hash TEXT NOT NULL
);
CREATE INDEX IF NOT EXISTS audit_document ON audit (document_id);
CREATE TABLE IF NOT EXISTS links (
    id TEXT PRIMARY KEY, recipient_id TEXT NOT NULL, expires_at TEXT NOT NULL, used BOOL NOT NULL DEFAULT 0
);
CREATE TABLE IF NOT EXISTS returns (id TEXT PRIMARY KEY, url TEXT NOT NULL);
CREATE TABLE IF NOT EXISTS answers (id TEXT PRIMARY KEY, digest TEXT NOT NULL, status INTEGER NOT NULL);
"""
