-- +goose Up
CREATE TABLE users (
    id         INTEGER PRIMARY KEY AUTOINCREMENT,
    name       TEXT NOT NULL,
    email      TEXT NOT NULL,
    age        INTEGER NOT NULL, -- 0 when it is not known
    created_at INTEGER NOT NULL, -- microseconds since 1970
    updated_at INTEGER NOT NULL,
    version    INTEGER NOT NULL,
    name_fold  TEXT NOT NULL,
    email_fold TEXT NOT NULL,
    email_key  TEXT NOT NULL,
    age_last   INTEGER NOT NULL GENERATED ALWAYS AS (CASE WHEN age = 0 THEN 255 ELSE age END) STORED
) STRICT;

CREATE UNIQUE INDEX users_email_key ON users (email_key);
CREATE INDEX users_email ON users (email_fold, id);
CREATE INDEX users_email_down ON users (email_fold DESC, id);
CREATE INDEX users_name ON users (name_fold, id);
CREATE INDEX users_name_down ON users (name_fold DESC, id);
CREATE INDEX users_age ON users (age_last, id);
CREATE INDEX users_age_down ON users (age DESC, id);
CREATE INDEX users_created ON users (created_at, id);
CREATE INDEX users_created_down ON users (created_at DESC, id);
CREATE INDEX users_updated ON users (updated_at, id);
CREATE INDEX users_updated_down ON users (updated_at DESC, id);

-- Which users have three characters in a row: for texts that are looked for anywhere in name or address.
CREATE VIRTUAL TABLE user_texts USING fts5 (
    name_fold, email_fold,
    tokenize = 'trigram case_sensitive 1', content = '', contentless_delete = 1, detail = none
);
-- +goose StatementBegin
CREATE TRIGGER user_texts_insert AFTER INSERT ON users BEGIN
    INSERT INTO user_texts (rowid, name_fold, email_fold) VALUES (new.id, new.name_fold, new.email_fold);
END;
-- +goose StatementEnd
-- +goose StatementBegin
CREATE TRIGGER user_texts_delete AFTER DELETE ON users BEGIN
    DELETE FROM user_texts WHERE rowid = old.id;
END;
-- +goose StatementEnd
-- +goose StatementBegin
CREATE TRIGGER user_texts_update AFTER UPDATE OF name_fold, email_fold ON users
WHEN old.name_fold <> new.name_fold OR old.email_fold <> new.email_fold BEGIN
    DELETE FROM user_texts WHERE rowid = old.id;
    INSERT INTO user_texts (rowid, name_fold, email_fold) VALUES (new.id, new.name_fold, new.email_fold);
END;
-- +goose StatementEnd

CREATE TABLE idempotency_keys (
    name        BLOB PRIMARY KEY,
    fingerprint BLOB NOT NULL,
    status      INTEGER NOT NULL, -- of the answer; 0 while the request runs
    location    TEXT,
    etag        TEXT,
    body        BLOB,
    size        INTEGER NOT NULL,
    expires_at  INTEGER NOT NULL
) STRICT;
CREATE INDEX idempotency_keys_expires ON idempotency_keys (expires_at);

CREATE TABLE cache_epoch (
    id              INTEGER PRIMARY KEY,
    generation      INTEGER NOT NULL,
    server          TEXT NOT NULL,
    suspended_until INTEGER NOT NULL
) STRICT;
INSERT INTO cache_epoch (id, generation, server, suspended_until) VALUES (1, 1, '', 0);

CREATE TABLE settings (
    name  TEXT PRIMARY KEY,
    value BLOB NOT NULL
) STRICT;
