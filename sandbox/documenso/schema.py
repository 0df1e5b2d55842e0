"""The database schema of the Documenso sandbox. `documents` are envelopes; `status` is the signing status."""

from typing import Final

SCHEMA: Final = """
CREATE TABLE IF NOT EXISTS documents (
    seq INTEGER PRIMARY KEY AUTOINCREMENT, id TEXT NOT NULL UNIQUE, type TEXT NOT NULL, status TEXT NOT NULL,
    name TEXT NOT NULL, external_id TEXT, source TEXT NOT NULL, visibility TEXT NOT NULL,
    folder_id TEXT, template_id INTEGER, form_values JSON NOT NULL, auth JSON NOT NULL, meta JSON NOT NULL,
    user_id INTEGER NOT NULL, team_id INTEGER NOT NULL,
    created_on TEXT NOT NULL, updated_on TEXT NOT NULL, completed_on TEXT, deleted_on TEXT
);
CREATE TABLE IF NOT EXISTS items (
    seq INTEGER PRIMARY KEY AUTOINCREMENT, id TEXT NOT NULL UNIQUE, document_id TEXT NOT NULL,
    title TEXT NOT NULL, place INTEGER NOT NULL, data_id TEXT NOT NULL
);
CREATE INDEX IF NOT EXISTS items_document ON items (document_id);
CREATE TABLE IF NOT EXISTS recipients (
    id INTEGER PRIMARY KEY AUTOINCREMENT, document_id TEXT NOT NULL, name TEXT NOT NULL, email TEXT NOT NULL,
    role TEXT NOT NULL, signing_order INTEGER, auth JSON NOT NULL, token TEXT NOT NULL UNIQUE,
    read_status TEXT NOT NULL DEFAULT 'NOT_OPENED', send_status TEXT NOT NULL, status TEXT NOT NULL,
    viewed_on TEXT, signed_on TEXT, rejection_reason TEXT, expires_at TEXT, expiration_notified_at TEXT
);
CREATE INDEX IF NOT EXISTS recipients_document ON recipients (document_id);
CREATE TABLE IF NOT EXISTS fields (
    id INTEGER PRIMARY KEY AUTOINCREMENT, secondary_id TEXT NOT NULL, document_id TEXT NOT NULL,
    item_id TEXT NOT NULL, recipient_id INTEGER NOT NULL, type TEXT NOT NULL, page INTEGER NOT NULL,
    x REAL NOT NULL, y REAL NOT NULL, width REAL NOT NULL, height REAL NOT NULL,
    value TEXT NOT NULL DEFAULT '', inserted BOOL NOT NULL DEFAULT 0, meta JSON NOT NULL
);
CREATE INDEX IF NOT EXISTS fields_document ON fields (document_id);
CREATE TABLE IF NOT EXISTS audit (
    seq INTEGER PRIMARY KEY AUTOINCREMENT, id TEXT NOT NULL UNIQUE, document_id TEXT NOT NULL,
    type TEXT NOT NULL, data JSON NOT NULL, created_on TEXT NOT NULL,
    user_id INTEGER, name TEXT, email TEXT, user_agent TEXT
);
CREATE INDEX IF NOT EXISTS audit_document ON audit (document_id);
CREATE TABLE IF NOT EXISTS jobs (
    seq INTEGER PRIMARY KEY AUTOINCREMENT, kind TEXT NOT NULL, document_id TEXT NOT NULL,
    recipient_id INTEGER, due_at TEXT
);
"""
