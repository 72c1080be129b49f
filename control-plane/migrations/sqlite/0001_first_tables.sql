-- Times are RFC 3339 texts in UTC, which sort as the times do; ids are UUIDs as 16 bytes.

CREATE TABLE settings (
    key TEXT NOT NULL PRIMARY KEY,
    value TEXT NOT NULL
) STRICT;

-- One row. Its version grows with every transaction that pods must hear of.
CREATE TABLE snapshot_version (
    id INTEGER NOT NULL PRIMARY KEY CHECK (id = 1),
    version INTEGER NOT NULL
) STRICT;
INSERT INTO snapshot_version (id, version) VALUES (1, 0);

CREATE TABLE changes (
    version INTEGER NOT NULL,
    kind TEXT NOT NULL,
    entity_id TEXT NOT NULL,
    at TEXT NOT NULL,
    PRIMARY KEY (version, kind, entity_id)
) STRICT;

-- Keys that seal values, themselves sealed by the root key.
CREATE TABLE key_terms (
    term INTEGER NOT NULL PRIMARY KEY,
    wrapped_key BLOB NOT NULL,
    encryptions INTEGER NOT NULL,
    created_at TEXT NOT NULL
) STRICT;

CREATE TABLE users (
    id BLOB NOT NULL PRIMARY KEY,
    email TEXT NOT NULL UNIQUE,
    name TEXT NOT NULL,
    roles TEXT NOT NULL,
    status TEXT NOT NULL,
    created_at TEXT NOT NULL,
    updated_at TEXT NOT NULL
) STRICT;

CREATE TABLE teams (
    id BLOB NOT NULL PRIMARY KEY,
    name TEXT NOT NULL UNIQUE,
    display_name TEXT NOT NULL,
    created_at TEXT NOT NULL,
    updated_at TEXT NOT NULL
) STRICT;

CREATE TABLE team_members (
    team_id BLOB NOT NULL REFERENCES teams (id) ON DELETE CASCADE,
    user_id BLOB NOT NULL REFERENCES users (id) ON DELETE CASCADE,
    PRIMARY KEY (team_id, user_id)
) STRICT;
CREATE INDEX team_members_by_user ON team_members (user_id);

CREATE TABLE virtual_accounts (
    id BLOB NOT NULL PRIMARY KEY,
    name TEXT NOT NULL UNIQUE,
    description TEXT NOT NULL,
    created_at TEXT NOT NULL,
    updated_at TEXT NOT NULL
) STRICT;

-- A token outlives its owner here, so that its revocation can be told until it has expired.
CREATE TABLE tokens (
    id BLOB NOT NULL PRIMARY KEY,
    owner_kind TEXT NOT NULL,
    owner_id BLOB NOT NULL,
    name TEXT NOT NULL,
    created_by TEXT,
    created_at TEXT NOT NULL,
    expires_at TEXT NOT NULL,
    retires_at TEXT,
    revoked_at TEXT
) STRICT;
CREATE INDEX tokens_by_owner ON tokens (owner_kind, owner_id, id);
CREATE INDEX tokens_by_expiry ON tokens (expires_at);
CREATE INDEX tokens_to_retire ON tokens (retires_at) WHERE retires_at IS NOT NULL AND revoked_at IS NULL;

CREATE TABLE signing_keys (
    kid TEXT NOT NULL PRIMARY KEY,
    algorithm TEXT NOT NULL,
    public_key BLOB NOT NULL,
    private_key BLOB NOT NULL,
    created_at TEXT NOT NULL,
    active_from TEXT NOT NULL,
    retired_at TEXT,
    verify_until TEXT
) STRICT;

CREATE TABLE session_keys (
    id TEXT NOT NULL PRIMARY KEY,
    key BLOB NOT NULL,
    created_at TEXT NOT NULL,
    active_from TEXT NOT NULL,
    retired_at TEXT
) STRICT;

CREATE TABLE mcp_servers (
    id BLOB NOT NULL PRIMARY KEY,
    name TEXT NOT NULL UNIQUE,
    type TEXT NOT NULL,
    display_name TEXT NOT NULL,
    description TEXT NOT NULL,
    url TEXT NOT NULL,
    auth TEXT NOT NULL,
    auth_secret BLOB,
    auth_secret_origin TEXT,
    auth_secret_revision INTEGER,
    additional_header_names TEXT NOT NULL,
    additional_headers BLOB,
    additional_headers_origin TEXT,
    additional_headers_revision INTEGER,
    tool_policy TEXT NOT NULL,
    prompts_enabled INTEGER NOT NULL,
    resources_enabled INTEGER NOT NULL,
    allow_header_override INTEGER NOT NULL,
    ca_cert TEXT,
    timeouts TEXT NOT NULL,
    revision INTEGER NOT NULL,
    created_by TEXT,
    created_at TEXT NOT NULL,
    updated_at TEXT NOT NULL
) STRICT;

-- subject_id is all zeros for `team:everyone`.
CREATE TABLE collaborators (
    server_id BLOB NOT NULL REFERENCES mcp_servers (id) ON DELETE CASCADE,
    subject_kind TEXT NOT NULL,
    subject_id BLOB NOT NULL,
    role TEXT NOT NULL,
    tools TEXT,
    deny_tools TEXT NOT NULL,
    PRIMARY KEY (server_id, subject_kind, subject_id)
) STRICT;
CREATE INDEX collaborators_by_subject ON collaborators (subject_kind, subject_id);

CREATE TABLE auth_overrides (
    id BLOB NOT NULL PRIMARY KEY,
    server_id BLOB NOT NULL REFERENCES mcp_servers (id) ON DELETE CASCADE,
    subject_kind TEXT NOT NULL,
    subject_id BLOB NOT NULL,
    secret BLOB NOT NULL,
    hints TEXT NOT NULL,
    origin TEXT NOT NULL,
    revision INTEGER NOT NULL,
    created_at TEXT NOT NULL,
    updated_at TEXT NOT NULL,
    UNIQUE (server_id, subject_kind, subject_id)
) STRICT;
CREATE INDEX auth_overrides_by_subject ON auth_overrides (subject_kind, subject_id);

CREATE TABLE audit_events (
    id BLOB NOT NULL PRIMARY KEY,
    at TEXT NOT NULL,
    source TEXT NOT NULL,
    actor_kind TEXT NOT NULL,
    actor_id BLOB,
    actor_name TEXT,
    action TEXT NOT NULL,
    object_kind TEXT,
    object_name TEXT,
    server TEXT,
    tool TEXT,
    outcome TEXT NOT NULL,
    reason TEXT,
    request_id TEXT,
    node TEXT,
    detail TEXT NOT NULL
) STRICT;
CREATE INDEX audit_events_by_time ON audit_events (at, id);
CREATE INDEX audit_events_by_actor ON audit_events (actor_kind, actor_id, at, id);
CREATE INDEX audit_events_by_server ON audit_events (server, at, id);
