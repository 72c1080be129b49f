-- The twin of ../sqlite/0001_first_tables.sql in PostgreSQL's types.

CREATE TABLE settings (
    key TEXT NOT NULL PRIMARY KEY,
    value TEXT NOT NULL
);

-- One row. Its version grows with every transaction that pods must hear of.
CREATE TABLE snapshot_version (
    id BIGINT NOT NULL PRIMARY KEY CHECK (id = 1),
    version BIGINT NOT NULL
);
INSERT INTO snapshot_version (id, version) VALUES (1, 0);

CREATE TABLE changes (
    version BIGINT NOT NULL,
    kind TEXT NOT NULL,
    entity_id TEXT NOT NULL,
    at TIMESTAMPTZ NOT NULL,
    PRIMARY KEY (version, kind, entity_id)
);

-- Keys that seal values, themselves sealed by the root key.
CREATE TABLE key_terms (
    term BIGINT NOT NULL PRIMARY KEY,
    wrapped_key BYTEA NOT NULL,
    encryptions BIGINT NOT NULL,
    created_at TIMESTAMPTZ NOT NULL
);

CREATE TABLE users (
    id UUID NOT NULL PRIMARY KEY,
    email TEXT COLLATE "C" NOT NULL UNIQUE,
    name TEXT NOT NULL,
    roles JSONB NOT NULL,
    status TEXT NOT NULL,
    created_at TIMESTAMPTZ NOT NULL,
    updated_at TIMESTAMPTZ NOT NULL
);

CREATE TABLE teams (
    id UUID NOT NULL PRIMARY KEY,
    name TEXT COLLATE "C" NOT NULL UNIQUE,
    display_name TEXT NOT NULL,
    created_at TIMESTAMPTZ NOT NULL,
    updated_at TIMESTAMPTZ NOT NULL
);

CREATE TABLE team_members (
    team_id UUID NOT NULL REFERENCES teams (id) ON DELETE CASCADE,
    user_id UUID NOT NULL REFERENCES users (id) ON DELETE CASCADE,
    PRIMARY KEY (team_id, user_id)
);
CREATE INDEX team_members_by_user ON team_members (user_id);

CREATE TABLE virtual_accounts (
    id UUID NOT NULL PRIMARY KEY,
    name TEXT COLLATE "C" NOT NULL UNIQUE,
    description TEXT NOT NULL,
    created_at TIMESTAMPTZ NOT NULL,
    updated_at TIMESTAMPTZ NOT NULL
);

-- A token outlives its owner here, so that its revocation can be told until it has expired.
CREATE TABLE tokens (
    id UUID NOT NULL PRIMARY KEY,
    owner_kind TEXT NOT NULL,
    owner_id UUID NOT NULL,
    name TEXT NOT NULL,
    created_by TEXT,
    created_at TIMESTAMPTZ NOT NULL,
    expires_at TIMESTAMPTZ NOT NULL,
    retires_at TIMESTAMPTZ,
    revoked_at TIMESTAMPTZ
);
CREATE INDEX tokens_by_owner ON tokens (owner_kind, owner_id, id);
CREATE INDEX tokens_by_expiry ON tokens (expires_at);
CREATE INDEX tokens_to_retire ON tokens (retires_at) WHERE retires_at IS NOT NULL AND revoked_at IS NULL;

CREATE TABLE signing_keys (
    kid TEXT NOT NULL PRIMARY KEY,
    algorithm TEXT NOT NULL,
    public_key BYTEA NOT NULL,
    private_key BYTEA NOT NULL,
    created_at TIMESTAMPTZ NOT NULL,
    active_from TIMESTAMPTZ NOT NULL,
    retired_at TIMESTAMPTZ,
    verify_until TIMESTAMPTZ
);

CREATE TABLE session_keys (
    id TEXT NOT NULL PRIMARY KEY,
    key BYTEA NOT NULL,
    created_at TIMESTAMPTZ NOT NULL,
    active_from TIMESTAMPTZ NOT NULL,
    retired_at TIMESTAMPTZ
);

CREATE TABLE mcp_servers (
    id UUID NOT NULL PRIMARY KEY,
    name TEXT COLLATE "C" NOT NULL UNIQUE,
    type TEXT NOT NULL,
    display_name TEXT NOT NULL,
    description TEXT NOT NULL,
    url TEXT NOT NULL,
    auth JSONB NOT NULL,
    auth_secret BYTEA,
    auth_secret_origin TEXT,
    auth_secret_revision BIGINT,
    additional_header_names JSONB NOT NULL,
    additional_headers BYTEA,
    additional_headers_origin TEXT,
    additional_headers_revision BIGINT,
    tool_policy JSONB NOT NULL,
    prompts_enabled BOOLEAN NOT NULL,
    resources_enabled BOOLEAN NOT NULL,
    allow_header_override BOOLEAN NOT NULL,
    ca_cert TEXT,
    timeouts JSONB NOT NULL,
    revision BIGINT NOT NULL,
    created_by TEXT,
    created_at TIMESTAMPTZ NOT NULL,
    updated_at TIMESTAMPTZ NOT NULL
);

-- subject_id is all zeros for `team:everyone`.
CREATE TABLE collaborators (
    server_id UUID NOT NULL REFERENCES mcp_servers (id) ON DELETE CASCADE,
    subject_kind TEXT NOT NULL,
    subject_id UUID NOT NULL,
    role TEXT NOT NULL,
    tools JSONB,
    deny_tools JSONB NOT NULL,
    PRIMARY KEY (server_id, subject_kind, subject_id)
);
CREATE INDEX collaborators_by_subject ON collaborators (subject_kind, subject_id);

CREATE TABLE auth_overrides (
    id UUID NOT NULL PRIMARY KEY,
    server_id UUID NOT NULL REFERENCES mcp_servers (id) ON DELETE CASCADE,
    subject_kind TEXT NOT NULL,
    subject_id UUID NOT NULL,
    secret BYTEA NOT NULL,
    hints JSONB NOT NULL,
    origin TEXT NOT NULL,
    revision BIGINT NOT NULL,
    created_at TIMESTAMPTZ NOT NULL,
    updated_at TIMESTAMPTZ NOT NULL,
    UNIQUE (server_id, subject_kind, subject_id)
);
CREATE INDEX auth_overrides_by_subject ON auth_overrides (subject_kind, subject_id);

CREATE TABLE audit_events (
    id UUID NOT NULL PRIMARY KEY,
    at TIMESTAMPTZ NOT NULL,
    source TEXT NOT NULL,
    actor_kind TEXT NOT NULL,
    actor_id UUID,
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
    detail JSONB NOT NULL
);
CREATE INDEX audit_events_by_time ON audit_events (at, id);
CREATE INDEX audit_events_by_actor ON audit_events (actor_kind, actor_id, at, id);
CREATE INDEX audit_events_by_server ON audit_events (server, at, id);
