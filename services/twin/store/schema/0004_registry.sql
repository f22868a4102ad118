-- Keys are sealed (libs/auth/sealing.h): one secret of both keys. What stood here in clear text before is sealed by the
-- service, in batches, after its start (key_upkeep.h).
ALTER TABLE twin.device
  ADD COLUMN sealed_keys bytea,
  -- Of the edge gateway that the device stands behind; NULL = none. An edge device's own scope is made from its id.
  ADD COLUMN device_scope text,
  ADD COLUMN parent_scope text;

-- Which keys have sealed something that may still be there. A process that lacks one of them does not start.
CREATE TABLE twin.sealing_key (
  key_id text PRIMARY KEY,
  -- A process that seals with it says so every minute.
  last_use_time timestamptz NOT NULL DEFAULT now()
);

-- Modules of devices, in tables of their own: no statement about devices reads them. The columns are those of twin.device
-- and twin.twin, so that the same expressions read both.
CREATE TABLE twin.module (
  device_id text COLLATE "C" NOT NULL,
  module_id text COLLATE "C" NOT NULL,
  managed_by text,
  generation_id bigint NOT NULL,
  etag bigint NOT NULL,
  -- Always enabled: a module may connect when its device may.
  disabled boolean NOT NULL DEFAULT false,
  status_reason text,
  status_update_time timestamptz,
  authentication_type smallint NOT NULL,
  sealed_keys bytea,
  primary_thumbprint text,
  secondary_thumbprint text,
  iot_edge boolean NOT NULL DEFAULT false,
  create_time timestamptz NOT NULL DEFAULT now(),
  connected boolean NOT NULL DEFAULT false,
  connection_state_update_time timestamptz,
  last_activity_time timestamptz,
  presence_epoch bigint NOT NULL DEFAULT 0,
  has_session boolean NOT NULL DEFAULT false,
  subscriptions integer NOT NULL DEFAULT 0,
  subscriptions_epoch bigint NOT NULL DEFAULT 0,
  PRIMARY KEY (device_id, module_id)
) WITH (fillfactor = 80, autovacuum_vacuum_scale_factor = 0.05);

CREATE TABLE twin.module_twin (
  device_id text COLLATE "C" NOT NULL,
  module_id text COLLATE "C" NOT NULL,
  etag bigint NOT NULL,
  version bigint NOT NULL,
  desired_version bigint NOT NULL,
  reported_version bigint NOT NULL,
  session_epoch bigint NOT NULL,
  tags jsonb COMPRESSION lz4 NOT NULL,
  desired jsonb COMPRESSION lz4 NOT NULL,
  reported jsonb COMPRESSION lz4 NOT NULL,
  desired_metadata jsonb COMPRESSION lz4 NOT NULL,
  reported_metadata jsonb COMPRESSION lz4 NOT NULL,
  PRIMARY KEY (device_id, module_id)
) WITH (fillfactor = 50, autovacuum_vacuum_scale_factor = 0.05);

CREATE INDEX module_twin_tags ON twin.module_twin USING gin (tags jsonb_path_ops);
