-- Whose tokens are accepted besides our own (IN-3), and who their people and services are here.

CREATE TABLE identity_providers (
    id BLOB NOT NULL PRIMARY KEY,
    name TEXT NOT NULL UNIQUE,
    issuer TEXT NOT NULL UNIQUE,
    configuration TEXT NOT NULL,
    client_secret BLOB,
    client_secret_origin TEXT,
    client_secret_revision INTEGER,
    revision INTEGER NOT NULL,
    created_at TEXT NOT NULL,
    updated_at TEXT NOT NULL
) STRICT;

-- What each provider publishes, as it was last read. Replicas that want to read it take turns by `due_at`, and by
-- `asked_at` when a token names a key that is not there.
CREATE TABLE identity_provider_keys (
    provider_id BLOB NOT NULL PRIMARY KEY REFERENCES identity_providers (id) ON DELETE CASCADE,
    metadata TEXT,
    jwks_uri TEXT,
    jwks TEXT,
    fetched_at TEXT,
    checked_at TEXT,
    error TEXT,
    due_at TEXT NOT NULL,
    asked_at TEXT
) STRICT;

-- Values of claims that stand for teams and virtual accounts.
CREATE TABLE identity_provider_mappings (
    provider_id BLOB NOT NULL REFERENCES identity_providers (id) ON DELETE CASCADE,
    value TEXT NOT NULL,
    target_kind TEXT NOT NULL,
    target_id BLOB NOT NULL,
    PRIMARY KEY (provider_id, value, target_kind, target_id)
) STRICT;
CREATE INDEX identity_provider_mappings_by_target ON identity_provider_mappings (target_kind, target_id);
CREATE UNIQUE INDEX identity_provider_mappings_to_one_account ON identity_provider_mappings (provider_id, value)
    WHERE target_kind = 'virtual-account';

-- `sub`, byte for byte.
CREATE TABLE user_identities (
    provider_id BLOB NOT NULL REFERENCES identity_providers (id) ON DELETE CASCADE,
    subject BLOB NOT NULL,
    user_id BLOB NOT NULL REFERENCES users (id) ON DELETE CASCADE,
    created_at TEXT NOT NULL,
    PRIMARY KEY (provider_id, subject),
    UNIQUE (provider_id, user_id)
) STRICT;
CREATE INDEX user_identities_by_user ON user_identities (user_id);

-- The groups that a provider last named for a user, as far as they stand for teams.
CREATE TABLE user_identity_groups (
    provider_id BLOB NOT NULL,
    user_id BLOB NOT NULL,
    value TEXT NOT NULL,
    PRIMARY KEY (provider_id, user_id, value),
    FOREIGN KEY (provider_id, user_id) REFERENCES user_identities (provider_id, user_id) ON DELETE CASCADE
) STRICT;
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
