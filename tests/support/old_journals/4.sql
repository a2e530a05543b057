-- The journal. Times are ms since the epoch, UTC; money and quantities are decimal text, exact.
CREATE TABLE meta (version INTEGER NOT NULL);
INSERT INTO meta VALUES (4);

-- One row per order, written before it is sent. An intent that the gate approved is sent as one order or several
-- (resting first, then taking): parent is the id of its first, attempt counts them from 0.
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
    config_hash TEXT NOT NULL,
    parent TEXT NOT NULL,
    attempt INTEGER NOT NULL,
    kind TEXT NOT NULL -- rest | take
);

-- What happened to it: attempt | acknowledged | rejected | unknown | absent, and inherited: at its start, a process
-- found it open that another one had sent. filled: coins, with acknowledged: the order is over.
CREATE TABLE order_events (
    client_id TEXT NOT NULL REFERENCES intents (client_id),
    ts_ms INTEGER NOT NULL,
    event TEXT NOT NULL,
    detail TEXT NOT NULL,
    filled TEXT
);
CREATE INDEX order_events_by_client ON order_events (client_id);

-- Every execution on the account, once. client_id leads to the order it filled; where that is in no intent, or is
-- NULL, the execution is not the daemon's (the trader's own, a liquidation).
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

-- Every funding payment that a venue booked, once, on the whole position; payment_usd > 0 was received.
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

-- What was decided and why, one row per cycle and protected symbol; body is JSON. Dropped after 90 days, except of hours
-- in which something was ordered.
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

-- Every turn of the kill switch; the last one is in force. source: cli | signal | file | http | daemon
CREATE TABLE kill_latch (
    ts_ms INTEGER NOT NULL,
    level INTEGER NOT NULL,
    reason TEXT NOT NULL,
    account TEXT NOT NULL,
    source TEXT NOT NULL
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

-- Orders that rest under the account's tag and that nobody owned: written when found, before they are cancelled.
CREATE TABLE orphans (
    client_id TEXT NOT NULL,
    venue TEXT NOT NULL,
    symbol TEXT NOT NULL,
    found_ms INTEGER NOT NULL,
    outcome TEXT NOT NULL, -- found | gone
    filled TEXT NOT NULL,
    PRIMARY KEY (venue, client_id)
);

-- What executions do not explain: from ts_ms on at most so many signed coins of a market are the daemon's.
CREATE TABLE shown (
    venue TEXT NOT NULL,
    symbol TEXT NOT NULL,
    ts_ms INTEGER NOT NULL,
    most TEXT NOT NULL,
    PRIMARY KEY (venue, symbol, ts_ms)
);
CREATE INDEX executions_by_time ON executions (ts_ms);
