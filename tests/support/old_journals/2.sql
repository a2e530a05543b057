-- The journal. Times are ms since the epoch, UTC; money and quantities are decimal text, exact.
CREATE TABLE meta (version INTEGER NOT NULL);
INSERT INTO meta VALUES (2);

-- One row per approved intent, written before anything is sent.
CREATE TABLE intents (
    client_id TEXT PRIMARY KEY,
    created_ms INTEGER NOT NULL,
    cycle_ts_ms INTEGER NOT NULL,
    venue TEXT NOT NULL,
    symbol TEXT NOT NULL,
    side TEXT NOT NULL,
    quantity TEXT NOT NULL,
    worst_price TEXT NOT NULL,
    reference_price TEXT NOT NULL,
    purpose TEXT NOT NULL,
    reduce_only INTEGER NOT NULL,
    model_hash TEXT NOT NULL,
    feature_hash TEXT NOT NULL,
    config_hash TEXT NOT NULL
);

-- What happened to it: attempt | acknowledged | rejected | unknown | absent
CREATE TABLE order_events (
    client_id TEXT NOT NULL REFERENCES intents (client_id),
    ts_ms INTEGER NOT NULL,
    event TEXT NOT NULL,
    detail TEXT NOT NULL
);
CREATE INDEX order_events_by_client ON order_events (client_id);

-- Every execution on the account, once. purpose and reference_price are set where it belongs to an intent.
CREATE TABLE executions (
    venue TEXT NOT NULL,
    execution_id TEXT NOT NULL,
    ts_ms INTEGER NOT NULL,
    symbol TEXT NOT NULL,
    client_id TEXT,
    side TEXT NOT NULL,
    quantity TEXT NOT NULL,
    price TEXT NOT NULL,
    fee_usd TEXT NOT NULL,
    PRIMARY KEY (venue, execution_id)
);

CREATE TABLE funding (
    venue TEXT NOT NULL,
    symbol TEXT NOT NULL,
    ts_ms INTEGER NOT NULL,
    quantity TEXT NOT NULL,
    rate TEXT NOT NULL,
    interval_h TEXT NOT NULL,
    price TEXT NOT NULL,
    payment_usd TEXT NOT NULL,
    PRIMARY KEY (venue, symbol, ts_ms)
);

-- What was decided and why, one row per cycle and protected symbol; body is JSON.
CREATE TABLE decisions (
    ts_ms INTEGER NOT NULL,
    symbol TEXT NOT NULL,
    body TEXT NOT NULL,
    PRIMARY KEY (ts_ms, symbol)
);

-- The trader's own quantity per market, a row whenever it changed.
CREATE TABLE book (
    ts_ms INTEGER NOT NULL,
    venue TEXT NOT NULL,
    symbol TEXT NOT NULL,
    quantity TEXT NOT NULL
);

CREATE TABLE kill_latch (
    ts_ms INTEGER NOT NULL,
    level INTEGER NOT NULL,
    reason TEXT NOT NULL
);

-- Small states that must outlive a restart (stops), by name, as JSON.
CREATE TABLE states (name TEXT PRIMARY KEY, body TEXT NOT NULL);

-- Version 2. Every transaction that was signed for a chain, written before it was sent the first time; raw is its bytes,
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
