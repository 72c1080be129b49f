-- The twin of ../sqlite/0005_vault_checkpoint.sql in PostgreSQL's types.
CREATE TABLE vault_ledger (
    place TEXT COLLATE "C" NOT NULL,
    row_key TEXT COLLATE "C" NOT NULL,
    digest BYTEA,
    epoch BIGINT NOT NULL,
    PRIMARY KEY (place, row_key)
);
CREATE INDEX vault_ledger_by_epoch ON vault_ledger (epoch);

-- One row: the epoch, the ledger's key sealed by the root key, and the ledger's sum sealed by that key.
CREATE TABLE vault_checkpoint (
    id BIGINT NOT NULL PRIMARY KEY CHECK (id = 1),
    epoch BIGINT NOT NULL,
    wrapped_key BYTEA NOT NULL,
    sealed_sum BYTEA NOT NULL
);
