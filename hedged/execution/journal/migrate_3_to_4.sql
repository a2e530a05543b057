-- Journals of version 3 told only in words how much an order had filled when it was over.
ALTER TABLE order_events ADD COLUMN filled TEXT;
UPDATE order_events SET filled = substr(detail, instr(detail, ' filled ') + 8), detail = substr(detail, 1, instr(detail, ' filled ') - 1)
    WHERE event = 'acknowledged' AND instr(detail, ' filled ') > 0;
UPDATE meta SET version = 4;
