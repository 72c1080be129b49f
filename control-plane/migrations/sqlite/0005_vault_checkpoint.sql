-- What the vault last sealed, outside of the rows that hold it: one line for each sealed value, with the
-- SHA-256 of its bytes (NULL: it was deleted since) and the epoch in which that was so.
CREATE TABLE vault_ledger (
    place TEXT NOT NULL,
    row_key TEXT NOT NULL,
    digest BLOB,
    epoch INTEGER NOT NULL,
    PRIMARY KEY (place, row_key)
) STRICT;
CREATE INDEX vault_ledger_by_epoch ON vault_ledger (epoch);

-- One row: the epoch, the ledger's key sealed by the root key, and the ledger's sum sealed by that key.
CREATE TABLE vault_checkpoint (
    id INTEGER NOT NULL PRIMARY KEY CHECK (id = 1),
    epoch INTEGER NOT NULL,
    wrapped_key BLOB NOT NULL,
    sealed_sum BLOB NOT NULL
) STRICT;
