-- Journals of version 1 know no chain transactions.
-- Every transaction that was signed for a chain, written before it was sent the first time; raw is its bytes,
-- the only thing that may ever be sent again. outcome: pending | refused | included | failed | dead
CREATE TABLE transactions (
    tx_hash TEXT PRIMARY KEY,
    venue TEXT NOT NULL,
    signer TEXT NOT NULL,
    sequence INTEGER NOT NULL,
    timeout_height INTEGER NOT NULL,
    created_ms INTEGER NOT NULL,
    raw BLOB NOT NULL,
    outcome TEXT NOT NULL,
    detail TEXT NOT NULL
);
CREATE INDEX transactions_pending ON transactions (signer) WHERE outcome = 'pending';

-- The orders that a transaction was to create.
CREATE TABLE transaction_orders (
    client_id TEXT NOT NULL,
    tx_hash TEXT NOT NULL REFERENCES transactions (tx_hash)
);
CREATE INDEX transaction_orders_by_client ON transaction_orders (client_id);
UPDATE meta SET version = 2;
