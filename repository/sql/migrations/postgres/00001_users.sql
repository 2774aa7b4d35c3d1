-- +goose Up
CREATE SEQUENCE users_id;

-- The folded texts stand beside the originals; "C" compares them octet by octet.
CREATE TABLE users (
    id         BIGINT PRIMARY KEY DEFAULT nextval('users_id'),
    name       TEXT NOT NULL,
    email      TEXT NOT NULL,
    age        SMALLINT NOT NULL, -- 0 when it is not known
    created_at BIGINT NOT NULL,   -- microseconds since 1970
    updated_at BIGINT NOT NULL,
    version    BIGINT NOT NULL,
    name_fold  TEXT COLLATE "C" NOT NULL,
    email_fold TEXT COLLATE "C" NOT NULL,
    email_key  TEXT COLLATE "C" NOT NULL,
    age_last   SMALLINT NOT NULL GENERATED ALWAYS AS (CASE WHEN age = 0 THEN 255 ELSE age END) STORED
);
ALTER SEQUENCE users_id OWNED BY users.id;

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

CREATE TABLE idempotency_keys (
    name        BYTEA PRIMARY KEY,
    fingerprint BYTEA NOT NULL,
    status      INTEGER NOT NULL, -- of the answer; 0 while the request runs
    location    TEXT,
    etag        TEXT,
    body        BYTEA,
    size        BIGINT NOT NULL,
    expires_at  BIGINT NOT NULL
);
CREATE INDEX idempotency_keys_expires ON idempotency_keys (expires_at);

CREATE TABLE cache_epoch (
    id              INTEGER PRIMARY KEY,
    generation      BIGINT NOT NULL,
    server          TEXT NOT NULL,
    suspended_until BIGINT NOT NULL
);
INSERT INTO cache_epoch (id, generation, server, suspended_until) VALUES (1, 1, '', 0);

CREATE TABLE settings (
    name  TEXT PRIMARY KEY,
    value BYTEA NOT NULL
);
