-- Journals of version 2 know one order an intent, which took, and not where the kill switch was turned.
ALTER TABLE intents ADD COLUMN parent TEXT NOT NULL DEFAULT '';
ALTER TABLE intents ADD COLUMN attempt INTEGER NOT NULL DEFAULT 0;
ALTER TABLE intents ADD COLUMN kind TEXT NOT NULL DEFAULT 'take';
UPDATE intents SET parent = client_id;
ALTER TABLE kill_latch ADD COLUMN account TEXT NOT NULL DEFAULT '';
ALTER TABLE kill_latch ADD COLUMN source TEXT NOT NULL DEFAULT '';
UPDATE meta SET version = 3;
