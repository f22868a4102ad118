-- A consumer's position is a snapshot, not a transaction: what was visible in it has been heard. See store/feed_store.h.
ALTER TABLE twin.feed ALTER COLUMN position TYPE pg_snapshot USING (position::text || ':' || position::text || ':')::pg_snapshot;
