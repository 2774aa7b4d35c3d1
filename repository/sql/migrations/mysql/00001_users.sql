-- +goose Up
-- The engine cannot undo what makes tables: a start that dies in the middle leaves some. So each statement
-- may come twice, and a table comes with its indexes.

-- The ids of users come from here: they are known before the users are written, and never come twice.
CREATE TABLE IF NOT EXISTS user_ids (id BIGINT NOT NULL PRIMARY KEY AUTO_INCREMENT) ENGINE = InnoDB;

-- The folded texts stand beside the originals, as octets, so that no collation has a say.
CREATE TABLE IF NOT EXISTS users (
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
    age_last   SMALLINT GENERATED ALWAYS AS (CASE WHEN age = 0 THEN 255 ELSE age END) STORED,
    UNIQUE INDEX users_email_key (email_key),
    INDEX users_email (email_fold, id),
    INDEX users_email_down (email_fold DESC, id),
    INDEX users_name (name_fold, id),
    INDEX users_name_down (name_fold DESC, id),
    INDEX users_age (age_last, id),
    INDEX users_age_down (age DESC, id),
    INDEX users_created (created_at, id),
    INDEX users_created_down (created_at DESC, id),
    INDEX users_updated (updated_at, id),
    INDEX users_updated_down (updated_at DESC, id)
) ENGINE = InnoDB;

CREATE TABLE IF NOT EXISTS idempotency_keys (
    name        VARBINARY(512) NOT NULL PRIMARY KEY,
    fingerprint VARBINARY(32) NOT NULL,
    status      INTEGER NOT NULL, -- of the answer; 0 while the request runs
    location    VARCHAR(255) CHARACTER SET utf8mb4 COLLATE utf8mb4_bin,
    etag        VARCHAR(255) CHARACTER SET utf8mb4 COLLATE utf8mb4_bin,
    body        LONGBLOB,
    size        BIGINT NOT NULL,
    expires_at  BIGINT NOT NULL,
    INDEX idempotency_keys_expires (expires_at)
) ENGINE = InnoDB;

CREATE TABLE IF NOT EXISTS cache_epoch (
    id              INTEGER NOT NULL PRIMARY KEY,
    generation      BIGINT NOT NULL,
    server          VARCHAR(255) CHARACTER SET utf8mb4 COLLATE utf8mb4_bin NOT NULL,
    suspended_until BIGINT NOT NULL
) ENGINE = InnoDB;
INSERT IGNORE INTO cache_epoch (id, generation, server, suspended_until) VALUES (1, 1, '', 0);

CREATE TABLE IF NOT EXISTS settings (
    name  VARBINARY(255) NOT NULL PRIMARY KEY,
    value LONGBLOB NOT NULL
) ENGINE = InnoDB;
