-- Whoever shows a secret is believed, so only its SHA-256 is kept, and what belongs to a short-lived one is sealed
-- under the secret itself.

CREATE TABLE sessions (
    id_hash BLOB NOT NULL PRIMARY KEY,
    user_id BLOB NOT NULL REFERENCES users (id) ON DELETE CASCADE,
    signed_in_by TEXT NOT NULL,
    created_at TEXT NOT NULL,
    last_seen_at TEXT NOT NULL,
    expires_at TEXT NOT NULL
) STRICT;
CREATE INDEX sessions_by_user ON sessions (user_id);
CREATE INDEX sessions_by_expiry ON sessions (expires_at);

-- PHC strings of argon2id.
CREATE TABLE user_passwords (
    user_id BLOB NOT NULL PRIMARY KEY REFERENCES users (id) ON DELETE CASCADE,
    hash TEXT NOT NULL,
    updated_at TEXT NOT NULL
) STRICT;

-- Passwords that were tried and did not sign anybody in, by the hash of the address that was entered.
CREATE TABLE sign_in_attempts (
    id BLOB NOT NULL PRIMARY KEY,
    account_hash BLOB NOT NULL,
    client TEXT NOT NULL,
    at TEXT NOT NULL
) STRICT;
CREATE INDEX sign_in_attempts_by_account ON sign_in_attempts (account_hash, at);
CREATE INDEX sign_in_attempts_by_client ON sign_in_attempts (client, at);
CREATE INDEX sign_in_attempts_by_time ON sign_in_attempts (at);

-- Where a browser goes on once it is signed in.
CREATE TABLE continuations (
    handle_hash BLOB NOT NULL PRIMARY KEY,
    browser_hash BLOB NOT NULL,
    target BLOB NOT NULL,
    expires_at TEXT NOT NULL
) STRICT;
CREATE INDEX continuations_by_expiry ON continuations (expires_at);

-- Browsers that were sent to an identity provider and did not come back yet.
CREATE TABLE pending_sign_ins (
    state_hash BLOB NOT NULL PRIMARY KEY,
    provider TEXT NOT NULL,
    browser_hash BLOB NOT NULL,
    sealed BLOB NOT NULL,
    expires_at TEXT NOT NULL
) STRICT;
CREATE INDEX pending_sign_ins_by_expiry ON pending_sign_ins (expires_at);
