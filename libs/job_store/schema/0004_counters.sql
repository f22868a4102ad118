-- The counts of big jobs are kept beside their chunks, so that reading a job and closing a chunk look at 16 rows at most
-- whatever the job's size. Jobs of up to 16 chunks have none: the sum over their chunks is as short.

-- What the chunks of a job add up to, spread over rows so that transactions which change different chunks of a job do not
-- wait for each other: each takes one that nobody holds. Only the sums over a job mean something; one row may be negative.
-- Changed in the transaction that changes the chunks. Gone when the job has ended.
CREATE TABLE jobs.counter (
  job_seq       bigint NOT NULL,
  stripe        smallint NOT NULL,                 -- 0 to 15
  pending       int NOT NULL DEFAULT 0,
  succeeded     int NOT NULL DEFAULT 0,
  failed        int NOT NULL DEFAULT 0,
  timed_out     int NOT NULL DEFAULT 0,
  canceled      int NOT NULL DEFAULT 0,
  device_errors int NOT NULL DEFAULT 0,            -- Of `succeeded`.
  PRIMARY KEY (job_seq, stripe)
) WITH (fillfactor = 50, autovacuum_vacuum_scale_factor = 0.05);

-- Who changes what a chunk counts flips `turn`, and changes jobs.counter himself. (Chunks before jobs, as the programs lock them.)
ALTER TABLE jobs.chunk
  ADD COLUMN turn boolean NOT NULL DEFAULT false;

ALTER TABLE jobs.job
  ADD COLUMN counted boolean NOT NULL DEFAULT false;  -- Has rows in jobs.counter until it ends. Fixed when it is frozen.

-- Programs of the version before, which may run beside newer ones while they are replaced, know neither: for them this does it.
CREATE FUNCTION jobs.count_chunk() RETURNS trigger LANGUAGE plpgsql SET search_path = pg_catalog AS $$
DECLARE
  free smallint;
BEGIN
  SELECT s.stripe INTO free FROM jobs.counter s WHERE s.job_seq = NEW.job_seq
  ORDER BY s.stripe LIMIT 1 FOR UPDATE SKIP LOCKED;
  UPDATE jobs.counter s SET
    pending = s.pending + CASE WHEN NEW.state = 0 THEN NEW.size - bit_count(NEW.issued) ELSE 0 END
                        - CASE WHEN OLD.state = 0 THEN OLD.size - bit_count(OLD.issued) ELSE 0 END,
    succeeded = s.succeeded + NEW.succeeded - OLD.succeeded,
    failed = s.failed + NEW.failed - OLD.failed,
    timed_out = s.timed_out + NEW.timed_out - OLD.timed_out,
    canceled = s.canceled + NEW.canceled - OLD.canceled,
    device_errors = s.device_errors + NEW.device_errors - OLD.device_errors
  WHERE s.job_seq = NEW.job_seq AND s.stripe = coalesce(free, 0);
  RETURN NULL;
END $$;

CREATE TRIGGER count_chunk AFTER UPDATE ON jobs.chunk FOR EACH ROW
  WHEN (NEW.turn = OLD.turn
        AND (NEW.state <> OLD.state OR NEW.issued <> OLD.issued OR NEW.succeeded <> OLD.succeeded
             OR NEW.failed <> OLD.failed OR NEW.timed_out <> OLD.timed_out OR NEW.canceled <> OLD.canceled
             OR NEW.device_errors <> OLD.device_errors))
  EXECUTE FUNCTION jobs.count_chunk();

-- Jobs that run already. The trigger's lock keeps their chunks as they are until all of this is committed.
UPDATE jobs.job SET counted = true WHERE state IN (3, 4, 5) AND frozen AND end_time IS NULL AND chunk_count > 16;
INSERT INTO jobs.counter (job_seq, stripe) SELECT j.seq, s FROM jobs.job j, generate_series(0, 15) AS s WHERE j.counted;
UPDATE jobs.counter s SET pending = k.pending, succeeded = k.succeeded, failed = k.failed, timed_out = k.timed_out,
       canceled = k.canceled, device_errors = k.device_errors
FROM (SELECT c.job_seq, coalesce(sum(c.size - bit_count(c.issued)) FILTER (WHERE c.state = 0), 0) AS pending,
             sum(c.succeeded) AS succeeded, sum(c.failed) AS failed, sum(c.timed_out) AS timed_out,
             sum(c.canceled) AS canceled, sum(c.device_errors) AS device_errors
      FROM jobs.chunk c JOIN jobs.job j ON j.seq = c.job_seq WHERE j.counted GROUP BY c.job_seq) k
WHERE s.job_seq = k.job_seq AND s.stripe = 0;
