-- +goose Up
-- The ids of users come from here: they are known before the users are written, and never come twice.
CREATE TABLE user_ids (id BIGINT NOT NULL PRIMARY KEY AUTO_INCREMENT) ENGINE = InnoDB;

-- The folded texts stand beside the originals, as octets, so that no collation has a say.
CREATE TABLE users (
    id         BIGINT NOT NULL PRIMARY KEY,
    name       VARCHAR(400) CHARACTER SET utf8mb4 COLLATE utf8mb4_bin NOT NULL,
    email      VARCHAR(254) CHARACTER SET utf8mb4 COLLATE utf8mb4_bin NOT NULL,
    age        SMALLINT NOT NULL, -- 0 when it is not known
    created_at BIGINT NOT NULL,   -- microseconds since 1970
    updated_at BIGINT NOT NULL,
    version    BIGINT NOT NULL,
    name_fold  VARBINARY(1200) NOT NULL,
    email_fold VARBINARY(1020) NOT NULL,
    email_key  VARBINARY(1020) NOT NULL,
    age_last   SMALLINT GENERATED ALWAYS AS (CASE WHEN age = 0 THEN 255 ELSE age END) STORED
) ENGINE = InnoDB;

CREATE UNIQUE INDEX users_email_key ON users (email_key);
CREATE INDEX users_email ON users (email_fold);
CREATE INDEX users_name ON users (name_fold, id);
CREATE INDEX users_name_down ON users (name_fold DESC, id);
CREATE INDEX users_age ON users (age_last, id);
CREATE INDEX users_age_down ON users (age DESC, id);
CREATE INDEX users_created ON users (created_at, id);
CREATE INDEX users_created_down ON users (created_at DESC, id);
CREATE INDEX users_updated ON users (updated_at, id);
CREATE INDEX users_updated_down ON users (updated_at DESC, id);

CREATE TABLE idempotency_keys (
    name        VARBINARY(512) NOT NULL PRIMARY KEY,
    fingerprint VARBINARY(32) NOT NULL,
    status      INTEGER NOT NULL, -- of the answer; 0 while the request runs
    location    VARCHAR(255) CHARACTER SET utf8mb4 COLLATE utf8mb4_bin,
    etag        VARCHAR(255) CHARACTER SET utf8mb4 COLLATE utf8mb4_bin,
    body        LONGBLOB,
    size        BIGINT NOT NULL,
    expires_at  BIGINT NOT NULL
) ENGINE = InnoDB;
CREATE INDEX idempotency_keys_expires ON idempotency_keys (expires_at);

CREATE TABLE cache_epoch (
    id              INTEGER NOT NULL PRIMARY KEY,
    generation      BIGINT NOT NULL,
    server          VARCHAR(255) CHARACTER SET utf8mb4 COLLATE utf8mb4_bin NOT NULL,
    suspended_until BIGINT NOT NULL
) ENGINE = InnoDB;
INSERT INTO cache_epoch (id, generation, server, suspended_until) VALUES (1, 1, '', 0);

CREATE TABLE settings (
    name  VARBINARY(255) NOT NULL PRIMARY KEY,
    value LONGBLOB NOT NULL
) ENGINE = InnoDB;
