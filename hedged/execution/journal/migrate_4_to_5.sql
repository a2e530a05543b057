-- Journals of version 4 kept sums of losses by venue, which say nothing of who forecast what.
-- What forecasters said, one row every 8 hours, and what came of it: `hedged.forecast.record.stored`. body is a matrix of
-- float64, one row per series. Dropped after 60 days.
CREATE TABLE forecast_sheets (
    origin_ms INTEGER PRIMARY KEY,
    head TEXT NOT NULL,
    body BLOB NOT NULL
);
UPDATE meta SET version = 5;
