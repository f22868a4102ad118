-- Devices and twins. Owner: services/twin. Every key that orders is in byte order (COLLATE "C").

-- The registry, presence and stored subscriptions: small rows, apart from the documents.
CREATE TABLE twin.device (
  device_id text COLLATE "C" PRIMARY KEY,
  generation_id bigint NOT NULL,
  etag bigint NOT NULL,
  disabled boolean NOT NULL,
  status_reason text,
  status_update_time timestamptz,
  -- Number of registry.v1.Device.AuthenticationType.
  authentication_type smallint NOT NULL,
  primary_key text,
  secondary_key text,
  primary_thumbprint text,
  secondary_thumbprint text,
  iot_edge boolean NOT NULL,
  create_time timestamptz NOT NULL DEFAULT now(),
  connected boolean NOT NULL DEFAULT false,
  connection_state_update_time timestamptz,
  last_activity_time timestamptz,
  -- The session that the presence above is about; older sessions do not overwrite it.
  presence_epoch bigint NOT NULL DEFAULT 0,
  has_session boolean NOT NULL DEFAULT false,
  subscriptions integer NOT NULL DEFAULT 0,
  subscriptions_epoch bigint NOT NULL DEFAULT 0
) WITH (fillfactor = 80, autovacuum_vacuum_scale_factor = 0.05);

CREATE SEQUENCE twin.device_etag;

-- One row per device, made and removed together with it.
CREATE TABLE twin.twin (
  device_id text COLLATE "C" PRIMARY KEY,
  etag bigint NOT NULL,
  version bigint NOT NULL,
  desired_version bigint NOT NULL,
  reported_version bigint NOT NULL,
  -- The last session whose reported patch was accepted (session fence).
  session_epoch bigint NOT NULL,
  tags jsonb COMPRESSION lz4 NOT NULL,
  desired jsonb COMPRESSION lz4 NOT NULL,
  reported jsonb COMPRESSION lz4 NOT NULL,
  desired_metadata jsonb COMPRESSION lz4 NOT NULL,
  reported_metadata jsonb COMPRESSION lz4 NOT NULL
) WITH (fillfactor = 70, autovacuum_vacuum_scale_factor = 0.05);

CREATE INDEX twin_tags ON twin.twin USING gin (tags jsonb_path_ops);

-- Deleted devices, for a while: a device of the same name begins above the sessions of the old one.
CREATE TABLE twin.deleted_device (
  device_id text COLLATE "C" PRIMARY KEY,
  session_epoch bigint NOT NULL,
  delete_time timestamptz NOT NULL DEFAULT now()
);

-- Results of job slices, written with the twins they changed: a repeat answers from here.
CREATE TABLE twin.applied_slice (
  job_seq bigint,
  chunk integer,
  slice integer,
  -- The devices that were left out, as parallel arrays; NULL when there were none.
  failure_index integer[],
  failure_code integer[],
  failure_reason text[],
  failure_description text[],
  apply_time timestamptz NOT NULL DEFAULT now(),
  PRIMARY KEY (job_seq, chunk, slice)
);
CREATE INDEX applied_slice_time ON twin.applied_slice USING brin (apply_time);

-- Changes that device_connection must hear of. A row is one change of one or many devices, so a job slice costs one row.
-- Rows are read in windows of finished transactions (xid below the oldest running one), by seq within a window: that is
-- the order in which the rows of one device were locked.
CREATE TABLE twin.outbox (
  xid xid8 NOT NULL DEFAULT pg_current_xact_id(),
  seq bigint GENERATED ALWAYS AS IDENTITY,
  device_ids text[] NOT NULL,
  -- Desired properties changed: the new versions, parallel to device_ids, and the patch. NULL: the device record changed.
  desired_versions bigint[],
  patch text,
  disconnect boolean NOT NULL DEFAULT false,
  create_time timestamptz NOT NULL DEFAULT now(),
  PRIMARY KEY (xid, seq)
);

-- Who reads the outbox, how far it came, and which process publishes to it.
CREATE TABLE twin.feed (
  consumer text PRIMARY KEY,
  position xid8 NOT NULL,
  owner text,
  lease_until timestamptz
);

-- High part of session epochs; raised when Redis lost its history.
CREATE TABLE twin.session_generation (
  only_row boolean PRIMARY KEY DEFAULT true CHECK (only_row),
  generation bigint NOT NULL
);
INSERT INTO twin.session_generation (generation) VALUES (1);
