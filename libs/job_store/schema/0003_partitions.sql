-- Jobs leave by day. A job's number is (days since 1970 in UTC << 32) + a counter, so the jobs of a day are one range,
-- and what there is once a device or once a thousand devices in bulk (targets, outcomes, retries) is one partition of each
-- table, dropped as a whole. jobs.chunk stays one table: a narrow row per thousand devices, written all the time, so every
-- statement on it is a probe of one primary key. What was stored before becomes one partition as it is: scanned, not copied.
--
-- The role that runs the services may not own the tables: what it needs to make and drop partitions are functions of
-- their owner, and those drop nothing that belongs to a job.

CREATE FUNCTION jobs.today() RETURNS date LANGUAGE sql VOLATILE
  AS $$ SELECT (clock_timestamp() AT TIME ZONE 'UTC')::date $$;
-- The numbers of the day's jobs are greater.
CREATE FUNCTION jobs.first_seq(day date) RETURNS bigint LANGUAGE sql IMMUTABLE
  AS $$ SELECT (day - date '1970-01-01')::bigint << 32 $$;

CREATE SEQUENCE jobs.job_number AS bigint;
SELECT setval('jobs.job_number', greatest(1, (SELECT max(seq) FROM jobs.job)));

-- Ascends also when the clock jumps back: it then goes on in the later day.
CREATE FUNCTION jobs.next_seq() RETURNS bigint LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog AS $$
DECLARE
  first bigint := jobs.first_seq(jobs.today());
  seq bigint := nextval('jobs.job_number');
BEGIN
  IF seq > first THEN
    RETURN seq;
  END IF;
  -- The first of a day; several at once must not move the sequence twice.
  PERFORM pg_advisory_xact_lock(hashtextextended('fleetcast.jobs.next_seq', 0));
  IF (SELECT last_value FROM jobs.job_number) < first THEN
    PERFORM setval('jobs.job_number', first);
  END IF;
  RETURN nextval('jobs.job_number');
END $$;

ALTER TABLE jobs.job ALTER COLUMN seq DROP IDENTITY;
ALTER TABLE jobs.job ALTER COLUMN seq SET DEFAULT jobs.next_seq();

-- Which partitions there are: tables chunk_target_NAME, outcome_NAME, attempt_NAME.
CREATE TABLE jobs.partition (
  name     text PRIMARY KEY,                                -- YYYYMMDD of the day.
  from_seq bigint NOT NULL,
  to_seq   bigint NOT NULL                                  -- The first number after it.
);

ALTER TABLE jobs.chunk_target RENAME TO chunk_target_before;
ALTER TABLE jobs.outcome RENAME TO outcome_before;
ALTER TABLE jobs.attempt RENAME TO attempt_before;
ALTER INDEX jobs.chunk_target_pkey RENAME TO chunk_target_before_pkey;
ALTER INDEX jobs.outcome_pkey RENAME TO outcome_before_pkey;
ALTER INDEX jobs.attempt_pkey RENAME TO attempt_before_pkey;
ALTER INDEX jobs.chunk_target_of_job RENAME TO chunk_target_before_of_job;
ALTER INDEX jobs.chunk_target_of_device RENAME TO chunk_target_before_of_device;

CREATE TABLE jobs.chunk_target (LIKE jobs.chunk_target_before, PRIMARY KEY (job_seq, chunk_no))
  PARTITION BY RANGE (job_seq);
CREATE TABLE jobs.outcome (LIKE jobs.outcome_before, PRIMARY KEY (job_seq, n)) PARTITION BY RANGE (job_seq);
CREATE TABLE jobs.attempt (LIKE jobs.attempt_before INCLUDING DEFAULTS, PRIMARY KEY (job_seq, n, retry))
  PARTITION BY RANGE (job_seq);
ALTER TABLE jobs.chunk_target ALTER COLUMN device_ids SET COMPRESSION lz4;
CREATE INDEX chunk_target_of_job ON jobs.chunk_target (job_seq, last_device);
CREATE INDEX chunk_target_of_device ON jobs.chunk_target
  USING gist (jobs.device_range(first_device, last_device, '[]'));

DO $$
DECLARE
  today date := jobs.today();
  parent text;
BEGIN
  FOREACH parent IN ARRAY ARRAY['chunk_target', 'outcome', 'attempt'] LOOP
    IF EXISTS (SELECT FROM jobs.job) THEN
      EXECUTE format('ALTER TABLE jobs.%I ATTACH PARTITION jobs.%I FOR VALUES FROM (0) TO (%s)',
                     parent, parent || '_before', jobs.first_seq(today));
    ELSE
      EXECUTE format('DROP TABLE jobs.%I', parent || '_before');
    END IF;
    -- Stays empty: a row in it means that clocks or upkeep are broken.
    EXECUTE format('CREATE TABLE jobs.%I PARTITION OF jobs.%I DEFAULT', parent || '_default', parent);
  END LOOP;
  INSERT INTO jobs.partition SELECT 'before', 0, jobs.first_seq(today) WHERE EXISTS (SELECT FROM jobs.job);
END $$;

-- Makes the partitions of a day. False when they are there.
CREATE FUNCTION jobs.create_partition(day date) RETURNS boolean LANGUAGE plpgsql SECURITY DEFINER
  SET search_path = pg_catalog AS $$
DECLARE
  suffix text := to_char(day, 'YYYYMMDD');
  parent text;
  child text;
BEGIN
  IF abs(day - jobs.today()) > 7 THEN
    RAISE EXCEPTION 'jobs.create_partition: % is too far from today', day;
  END IF;
  INSERT INTO jobs.partition VALUES (suffix, jobs.first_seq(day), jobs.first_seq(day + 1)) ON CONFLICT DO NOTHING;
  IF NOT FOUND THEN
    RETURN false;
  END IF;
  FOREACH parent IN ARRAY ARRAY['chunk_target', 'outcome', 'attempt'] LOOP
    child := parent || '_' || suffix;
    -- Attached when ready, which locks less than PARTITION OF.
    EXECUTE format('CREATE TABLE jobs.%I (LIKE jobs.%I INCLUDING DEFAULTS INCLUDING COMPRESSION INCLUDING INDEXES)', child, parent);
    EXECUTE format('ALTER TABLE jobs.%I ATTACH PARTITION jobs.%I FOR VALUES FROM (%s) TO (%s)', parent, child,
                   jobs.first_seq(day), jobs.first_seq(day + 1));
  END LOOP;
  RETURN true;
END $$;

-- Drops the partitions of a day that is over and to which no job belongs. False when there are none.
CREATE FUNCTION jobs.drop_partition(partition_name text) RETURNS boolean LANGUAGE plpgsql SECURITY DEFINER
  SET search_path = pg_catalog AS $$
DECLARE
  dropped jobs.partition;
  parent text;
BEGIN
  DELETE FROM jobs.partition p
  WHERE p.name = partition_name AND p.to_seq <= jobs.first_seq(jobs.today())
    AND NOT EXISTS (SELECT FROM jobs.job j WHERE j.seq >= p.from_seq AND j.seq < p.to_seq)
  RETURNING * INTO dropped;
  IF NOT FOUND THEN
    RETURN false;
  END IF;
  FOREACH parent IN ARRAY ARRAY['chunk_target', 'outcome', 'attempt'] LOOP
    EXECUTE format('DROP TABLE jobs.%I', parent || '_' || dropped.name);
  END LOOP;
  RETURN true;
END $$;

CREATE FUNCTION jobs.default_partition_rows() RETURNS bigint LANGUAGE sql STABLE SECURITY DEFINER
  SET search_path = pg_catalog AS $$
SELECT (SELECT count(*) FROM jobs.chunk_target_default) + (SELECT count(*) FROM jobs.outcome_default)
     + (SELECT count(*) FROM jobs.attempt_default)
$$;

SELECT jobs.create_partition(jobs.today() + i) FROM generate_series(0, 2) AS i;
