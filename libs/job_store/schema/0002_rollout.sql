-- Pace, safety, retries, priority, pause and repetition of jobs. Only constants as defaults: no row is rewritten.

ALTER TABLE jobs.job
  ADD COLUMN wait_for_connection boolean NOT NULL DEFAULT false,
  ADD COLUMN priority smallint NOT NULL DEFAULT 5,
  ADD COLUMN pause_time timestamptz,                        -- Since when the job is paused; NULL: it is not.

  -- The rollout. `limited`: something is counted over the whole job, so it belongs to one scheduler at a time.
  ADD COLUMN limited boolean NOT NULL DEFAULT false,
  ADD COLUMN maximum_per_minute int NOT NULL DEFAULT 0,     -- 0: no limit.
  ADD COLUMN ramp_base_per_minute int,                      -- NULL: no ramp.
  ADD COLUMN ramp_factor double precision,
  ADD COLUMN ramp_notified_step bigint,
  ADD COLUMN ramp_succeeded_step bigint,
  ADD COLUMN in_flight_max int NOT NULL DEFAULT 0,          -- 0: no limit.
  -- Abort criteria, one element each. The numbers of types are those of jobs.v1.FailureType.
  ADD COLUMN abort_types smallint[] NOT NULL DEFAULT '{}',
  ADD COLUMN abort_percentages double precision[] NOT NULL DEFAULT '{}',
  ADD COLUMN abort_minimums bigint[] NOT NULL DEFAULT '{}',

  -- What is tried again, one element each.
  ADD COLUMN retry_idempotent boolean NOT NULL DEFAULT false,
  ADD COLUMN retry_types smallint[] NOT NULL DEFAULT '{}',
  ADD COLUMN retry_numbers smallint[] NOT NULL DEFAULT '{}',
  ADD COLUMN backoff_min_us bigint NOT NULL DEFAULT 1000000,
  ADD COLUMN backoff_max_us bigint NOT NULL DEFAULT 300000000,

  -- The job whose targets these are, and which of them; NULL: `condition` says.
  ADD COLUMN retried_job_id text COLLATE "C",
  ADD COLUMN retried_states smallint[],
  ADD COLUMN retried_device_errors boolean NOT NULL DEFAULT false,

  ADD COLUMN device_errors bigint;                          -- At the end: of `succeeded`.

-- Looked at several times a second: not all that wait.
CREATE INDEX job_unarmed ON jobs.job (due_time) WHERE state = 1;

ALTER TABLE jobs.chunk
  ADD COLUMN device_errors smallint NOT NULL DEFAULT 0;     -- Of `succeeded`: answered with a status of 400 or more.

-- Retries that were begun, committed before anything is sent: written once. The primary key is the rule "each retry of
-- a target at most once".
CREATE TABLE jobs.attempt (
  job_seq    bigint NOT NULL,
  start_time timestamptz NOT NULL DEFAULT now(),
  n          int NOT NULL,                                  -- chunk_no * 1000 + position
  retry      smallint NOT NULL,                             -- 1 = the first.
  PRIMARY KEY (job_seq, n, retry)
);
