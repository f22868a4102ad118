'use strict';
// A fleet with twins of 1 to 1.5 kB, put straight into the tables of the private database: a million through the API takes minutes.

const { withModel } = require('./fleet');
const { sql } = require('./lib');

const STAMP = '{"$lastUpdated": "2026-01-01T00:00:00.0000000Z"}';
const CHUNK = 50000; // Devices of one statement.

// 100 buildings with 10 floors. Every 13th floor is a text, every 17th device has none; 1 of 7 lacks a room, 1 of 5 has never told
// its battery; texts of different length.
const DOCUMENTS = `
  SELECT i,
    jsonb_strip_nulls(jsonb_build_object(
      'building', 'b' || (i % 100),
      'floor', CASE WHEN i % 17 = 0 THEN NULL WHEN i % 13 = 0 THEN to_jsonb((i / 100 % 10)::text) ELSE to_jsonb(i / 100 % 10) END,
      'room', CASE WHEN i % 7 <> 0 THEN to_jsonb(i % 400) END,
      'customer', jsonb_build_object('name', 'customer-' || (i % 5000), 'contract', md5(i::text)),
      'labels', jsonb_build_array('line-' || (i % 12), 'batch-' || (i % 977)),
      'note', substr(repeat(md5(i::text), 12), 1, 120 + i % 260))) AS tags,
    jsonb_build_object('interval', 30 + i % 60, 'firmware', jsonb_build_object('version', '2.' || (i % 4), 'url', 'https://firmware.example/' || md5((i % 4)::text)),
      'network', jsonb_build_object('apn', 'iot.example', 'retries', i % 5, 'roaming', i % 2 = 0)) AS desired,
    jsonb_strip_nulls(jsonb_build_object('firmware', jsonb_build_object('version', '2.' || (i % 5), 'installed', '2026-0' || (1 + i % 9) || '-11T08:00:00Z'),
      'battery', CASE WHEN i % 5 <> 0 THEN to_jsonb(i % 101) END, 'signal', -50.5 - i % 50, 'count', 0,
      'position', jsonb_build_object('lat', 48.1 + (i % 1000) / 1000.0, 'lon', 11.5 + (i % 777) / 1000.0),
      'status', substr(repeat(md5((i * 7)::text), 12), 1, 140 + i % 200))) AS reported`;

// The metadata of a section that was written once: a stamp for each object and each member.
const PREPARE = `
CREATE OR REPLACE FUNCTION bench.stamp(section jsonb) RETURNS jsonb LANGUAGE sql IMMUTABLE AS $$
  SELECT '${STAMP}'::jsonb || coalesce(jsonb_object_agg(key, CASE jsonb_typeof(value) WHEN 'object' THEN bench.stamp(value)
    ELSE '${STAMP}'::jsonb END), '{}') FROM jsonb_each(section) $$;`;

// Registers the devices prefix0000000 and so on, all with the same key; answers it. `progress` is told how many there are.
const registerTwins = (prefix, count, progress) => withModel(prefix, async (model) => {
  await sql(PREPARE);
  for (let first = 0; first < count; first += CHUNK) {
    const last = Math.min(first + CHUNK, count) - 1;
    await model.copy('device', first, last);
    await sql(`INSERT INTO twin.twin (device_id, etag, version, desired_version, reported_version, session_epoch, tags, desired, reported,
        desired_metadata, reported_metadata)
      SELECT '${prefix}' || lpad(i::text, 7, '0'), 2, 4, 2, 2, 0, tags, desired, reported, bench.stamp(desired), bench.stamp(reported)
      FROM (${DOCUMENTS} FROM generate_series(${first}, ${last}) AS i) AS made`);
    progress(last + 1);
  }
});

module.exports = { registerTwins };
