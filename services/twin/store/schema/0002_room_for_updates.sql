-- A job writes every twin of a page once: with half of each page free all of these updates stay on their page (HOT), so no
-- index is written and no row moves. Pages that are full already change as their rows do.
ALTER TABLE twin.twin SET (fillfactor = 50);

-- A slice's row holds a thousand ids: lz4 compresses them in a fraction of the time.
ALTER TABLE twin.outbox ALTER COLUMN device_ids SET COMPRESSION lz4, ALTER COLUMN desired_versions SET COMPRESSION lz4;
