-- Journals of version 2 know one order an intent, which took, and not where the kill switch was turned.
ALTER TABLE intents ADD COLUMN parent TEXT NOT NULL DEFAULT '';
ALTER TABLE intents ADD COLUMN attempt INTEGER NOT NULL DEFAULT 0;
ALTER TABLE intents ADD COLUMN kind TEXT NOT NULL DEFAULT 'take';
UPDATE intents SET parent = client_id;
ALTER TABLE kill_latch ADD COLUMN account TEXT NOT NULL DEFAULT '';
ALTER TABLE kill_latch ADD COLUMN source TEXT NOT NULL DEFAULT '';
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
UPDATE meta SET version = 3;
