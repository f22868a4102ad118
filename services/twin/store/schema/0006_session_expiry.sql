-- For how long a stored session is kept after the end of a connection (MQTT 5); 0 = for ever. When it is over follows from the device's
-- presence.
ALTER TABLE twin.device ADD COLUMN session_expiry_seconds integer NOT NULL DEFAULT 0;
ALTER TABLE twin.module ADD COLUMN session_expiry_seconds integer NOT NULL DEFAULT 0;
