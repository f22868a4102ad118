-- Jobs in chunks, outcomes append-only. Owner: libs/job_store, for job_api and scheduler.
-- The numbers of states are those of libs/model/job_state.h and libs/job_store/chunk.h.

CREATE TYPE jobs.device_range AS RANGE (subtype = text, collation = "C");

CREATE TABLE jobs.job (
  seq                 bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
  id                  text COLLATE "C" NOT NULL UNIQUE,
  request_id          text COLLATE "C" UNIQUE,     -- NULL: the client gave none.
  request_hash        bytea NOT NULL,
  condition           text NOT NULL,
  kind                smallint NOT NULL,           -- 1 invoke method, 2 update twin
  method              text,
  payload             text,
  response_timeout_us bigint,
  connect_timeout_us  bigint,
  tags_patch          text,
  desired_patch       text,
  twin_etag           text,
  status_message      text NOT NULL,
  start_time          timestamptz,                 -- As asked for.
  due_time            timestamptz NOT NULL,        -- start_time, or the time of creation.
  execution_timeout_us bigint NOT NULL,

  state               smallint NOT NULL,
  version             bigint NOT NULL DEFAULT 1,
  failure_reason      text NOT NULL DEFAULT '',
  create_time         timestamptz NOT NULL DEFAULT now(),
  started_time        timestamptz,
  deadline            timestamptz,                 -- started_time + execution_timeout
  end_time            timestamptz,

  -- Freezing the targets: who does it, and how far it is.
  resolve_epoch       bigint NOT NULL DEFAULT 0,
  resolve_owner       text,
  resolve_lease_until timestamptz,
  last_device         text COLLATE "C" NOT NULL DEFAULT '',
  target_count        bigint NOT NULL DEFAULT 0,
  chunk_count         int NOT NULL DEFAULT 0,
  frozen              boolean NOT NULL DEFAULT false,

  -- Stopped before its targets had ended: how, since when, and until when unanswered targets may still answer.
  stop                smallint NOT NULL DEFAULT 0, -- 0 no, 1 cancelled, 2 execution time over
  stop_time           timestamptz,
  drain_until         timestamptz,

  -- Counts at the end; before, they are the sums over the chunks.
  succeeded           bigint,
  failed              bigint,
  timed_out           bigint,
  canceled            bigint
);
CREATE INDEX job_waiting ON jobs.job (due_time) WHERE state IN (1, 2);
CREATE INDEX job_working ON jobs.job (seq) WHERE state IN (3, 4, 5);

-- What changes while a job runs. Only the primary key is indexed and pages stay half empty, so every update is HOT.
CREATE TABLE jobs.chunk (
  job_seq         bigint NOT NULL,
  epoch           bigint NOT NULL DEFAULT 0,       -- Fence: raised with each lease and by cancel.
  lease_until     timestamptz,
  last_issue_time timestamptz,
  closed_time     timestamptz,
  chunk_no        int NOT NULL,
  size            smallint NOT NULL,
  state           smallint NOT NULL DEFAULT 0,     -- 0 open, 1 cancelled, 2 expired (both: unanswered targets), 3 closed
  succeeded       smallint NOT NULL DEFAULT 0,
  failed          smallint NOT NULL DEFAULT 0,
  timed_out       smallint NOT NULL DEFAULT 0,
  canceled        smallint NOT NULL DEFAULT 0,
  owner           text,
  issued          bit(1000) NOT NULL DEFAULT B'0'::bit(1000),  -- Intent: sent, perhaps sent, or ended.
  PRIMARY KEY (job_seq, chunk_no)
) WITH (fillfactor = 50, autovacuum_vacuum_scale_factor = 0.05);

-- The frozen targets, in device id order: written once.
CREATE TABLE jobs.chunk_target (
  job_seq      bigint NOT NULL,
  chunk_no     int NOT NULL,
  first_device text COLLATE "C" NOT NULL,
  last_device  text COLLATE "C" NOT NULL,
  device_ids   text[] COLLATE "C" NOT NULL,
  PRIMARY KEY (job_seq, chunk_no)
);
CREATE INDEX chunk_target_of_job ON jobs.chunk_target (job_seq, last_device);
CREATE INDEX chunk_target_of_device ON jobs.chunk_target
  USING gist (jobs.device_range(first_device, last_device, '[]'));

-- How a target ended: written once. The primary key is the rule "exactly one terminal status per device".
CREATE TABLE jobs.outcome (
  job_seq       bigint NOT NULL,
  end_time      timestamptz NOT NULL,
  start_time    timestamptz,
  n             int NOT NULL,                      -- chunk_no * 1000 + position
  device_status int,
  error_code    int NOT NULL,
  state         smallint NOT NULL,
  error_reason  text,
  payload       bytea,                             -- JSON text; bytes, so that no device can spoil a batch.
  PRIMARY KEY (job_seq, n)
);
