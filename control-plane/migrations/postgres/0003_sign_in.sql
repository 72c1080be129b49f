-- The twin of ../sqlite/0003_sign_in.sql in PostgreSQL's types.

CREATE TABLE sessions (
    id_hash BYTEA NOT NULL PRIMARY KEY,
    user_id UUID NOT NULL REFERENCES users (id) ON DELETE CASCADE,
    signed_in_by TEXT NOT NULL,
    created_at TIMESTAMPTZ NOT NULL,
    last_seen_at TIMESTAMPTZ NOT NULL,
    expires_at TIMESTAMPTZ NOT NULL
);
CREATE INDEX sessions_by_user ON sessions (user_id);
CREATE INDEX sessions_by_expiry ON sessions (expires_at);

-- PHC strings of argon2id.
CREATE TABLE user_passwords (
    user_id UUID NOT NULL PRIMARY KEY REFERENCES users (id) ON DELETE CASCADE,
    hash TEXT NOT NULL,
    updated_at TIMESTAMPTZ NOT NULL
);

-- Passwords that were tried and did not sign anybody in, by the hash of the address that was entered.
CREATE TABLE sign_in_attempts (
    id UUID NOT NULL PRIMARY KEY,
    account_hash BYTEA NOT NULL,
    client TEXT NOT NULL,
    at TIMESTAMPTZ NOT NULL
);
CREATE INDEX sign_in_attempts_by_account ON sign_in_attempts (account_hash, at);
CREATE INDEX sign_in_attempts_by_client ON sign_in_attempts (client, at);
CREATE INDEX sign_in_attempts_by_time ON sign_in_attempts (at);

-- Where a browser goes on once it is signed in.
CREATE TABLE continuations (
    handle_hash BYTEA NOT NULL PRIMARY KEY,
    browser_hash BYTEA NOT NULL,
    target BYTEA NOT NULL,
    expires_at TIMESTAMPTZ NOT NULL
);
CREATE INDEX continuations_by_expiry ON continuations (expires_at);

-- Browsers that were sent to an identity provider and did not come back yet.
CREATE TABLE pending_sign_ins (
    state_hash BYTEA NOT NULL PRIMARY KEY,
    provider TEXT NOT NULL,
    browser_hash BYTEA NOT NULL,
    sealed BYTEA NOT NULL,
    expires_at TIMESTAMPTZ NOT NULL
);
CREATE INDEX pending_sign_ins_by_expiry ON pending_sign_ins (expires_at);
