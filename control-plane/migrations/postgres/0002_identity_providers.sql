-- The twin of ../sqlite/0002_identity_providers.sql in PostgreSQL's types.

CREATE TABLE identity_providers (
    id UUID NOT NULL PRIMARY KEY,
    name TEXT COLLATE "C" NOT NULL UNIQUE,
    issuer TEXT COLLATE "C" NOT NULL UNIQUE,
    configuration JSONB NOT NULL,
    client_secret BYTEA,
    client_secret_origin TEXT,
    client_secret_revision BIGINT,
    revision BIGINT NOT NULL,
    created_at TIMESTAMPTZ NOT NULL,
    updated_at TIMESTAMPTZ NOT NULL
);

-- What each provider publishes, as it was last read. Replicas that want to read it take turns by `due_at`, and by
-- `asked_at` when a token names a key that is not there.
CREATE TABLE identity_provider_keys (
    provider_id UUID NOT NULL PRIMARY KEY REFERENCES identity_providers (id) ON DELETE CASCADE,
    metadata JSONB,
    jwks_uri TEXT,
    jwks JSONB,
    fetched_at TIMESTAMPTZ,
    checked_at TIMESTAMPTZ,
    error TEXT,
    due_at TIMESTAMPTZ NOT NULL,
    asked_at TIMESTAMPTZ
);

-- Values of claims that stand for teams and virtual accounts.
CREATE TABLE identity_provider_mappings (
    provider_id UUID NOT NULL REFERENCES identity_providers (id) ON DELETE CASCADE,
    value TEXT COLLATE "C" NOT NULL,
    target_kind TEXT NOT NULL,
    target_id UUID NOT NULL,
    PRIMARY KEY (provider_id, value, target_kind, target_id)
);
CREATE INDEX identity_provider_mappings_by_target ON identity_provider_mappings (target_kind, target_id);
CREATE UNIQUE INDEX identity_provider_mappings_to_one_account ON identity_provider_mappings (provider_id, value)
    WHERE target_kind = 'virtual-account';

-- `sub`, byte for byte.
CREATE TABLE user_identities (
    provider_id UUID NOT NULL REFERENCES identity_providers (id) ON DELETE CASCADE,
    subject BYTEA NOT NULL,
    user_id UUID NOT NULL REFERENCES users (id) ON DELETE CASCADE,
    created_at TIMESTAMPTZ NOT NULL,
    PRIMARY KEY (provider_id, subject),
    UNIQUE (provider_id, user_id)
);
CREATE INDEX user_identities_by_user ON user_identities (user_id);

-- The groups that a provider last named for a user, as far as they stand for teams.
CREATE TABLE user_identity_groups (
    provider_id UUID NOT NULL,
    user_id UUID NOT NULL,
    value TEXT COLLATE "C" NOT NULL,
    PRIMARY KEY (provider_id, user_id, value),
    FOREIGN KEY (provider_id, user_id) REFERENCES user_identities (provider_id, user_id) ON DELETE CASCADE
);
CREATE INDEX user_identity_groups_by_value ON user_identity_groups (provider_id, value);

-- Who is in a team, whoever said so.
CREATE VIEW user_teams (team_id, user_id) AS
    SELECT team_id, user_id FROM team_members
    UNION
    SELECT identity_provider_mappings.target_id, user_identity_groups.user_id
    FROM user_identity_groups JOIN identity_provider_mappings
        ON identity_provider_mappings.provider_id = user_identity_groups.provider_id
        AND identity_provider_mappings.value = user_identity_groups.value
    WHERE identity_provider_mappings.target_kind = 'team';
