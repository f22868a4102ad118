-- How many devices and modules there are, for COUNT() of all of them. Kept by triggers in the transactions that create and
-- delete, so that each snapshot sees the count of its own rows, whoever writes. Sessions count in different rows: else each
-- creation would wait for the commit of the one before.
CREATE TABLE twin.row_count (
  table_name text NOT NULL,  -- 'twin.device' or 'twin.module'
  part integer NOT NULL,
  rows bigint NOT NULL,
  PRIMARY KEY (table_name, part)
) WITH (fillfactor = 50);

CREATE FUNCTION twin.count_rows() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
  changed_table text := TG_TABLE_SCHEMA || '.' || TG_TABLE_NAME;
  change bigint := 0;
BEGIN
  IF TG_OP = 'INSERT' THEN
    SELECT count(*) INTO change FROM changed;
  ELSIF TG_OP = 'DELETE' THEN
    SELECT -count(*) INTO change FROM changed;
  ELSE
    DELETE FROM twin.row_count WHERE table_name = changed_table;
  END IF;
  IF change <> 0 THEN
    INSERT INTO twin.row_count AS c (table_name, part, rows) VALUES (changed_table, pg_backend_pid() % 1024, change)
    ON CONFLICT (table_name, part) DO UPDATE SET rows = c.rows + EXCLUDED.rows;
  END IF;
  RETURN NULL;
END $$;

-- The triggers lock out writers until the rows that are there have been counted.
CREATE TRIGGER count_created AFTER INSERT ON twin.device REFERENCING NEW TABLE AS changed
  FOR EACH STATEMENT EXECUTE FUNCTION twin.count_rows();
CREATE TRIGGER count_deleted AFTER DELETE ON twin.device REFERENCING OLD TABLE AS changed
  FOR EACH STATEMENT EXECUTE FUNCTION twin.count_rows();
CREATE TRIGGER count_truncated AFTER TRUNCATE ON twin.device FOR EACH STATEMENT EXECUTE FUNCTION twin.count_rows();
CREATE TRIGGER count_created AFTER INSERT ON twin.module REFERENCING NEW TABLE AS changed
  FOR EACH STATEMENT EXECUTE FUNCTION twin.count_rows();
CREATE TRIGGER count_deleted AFTER DELETE ON twin.module REFERENCING OLD TABLE AS changed
  FOR EACH STATEMENT EXECUTE FUNCTION twin.count_rows();
CREATE TRIGGER count_truncated AFTER TRUNCATE ON twin.module FOR EACH STATEMENT EXECUTE FUNCTION twin.count_rows();
INSERT INTO twin.row_count (table_name, part, rows)
  SELECT 'twin.device', 0, count(*) FROM twin.device UNION ALL SELECT 'twin.module', 0, count(*) FROM twin.module;
