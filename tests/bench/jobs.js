'use strict';
// A twin job over a whole fleet of offline devices, for a hundredth, a tenth and all of `devices`, beside the least that
// PostgreSQL could do for it in the same database and run: a COPY of the ids, one UPDATE of the twins, one INSERT of the
// outcomes, on equal tables. Devices are registered by SQL: that is preparation, not part of any figure.

const { devices, repetitions } = require('./settings').settings({ devices: 1000000, repetitions: 3 });

const fs = require('node:fs');
const os = require('node:os');
const path = require('node:path');
const { uniqueId } = require('../e2e/lib/hub');
const { cpuSeconds, median, print, runJob, say, sleep, sql, timed } = require('./lib');

const sizes = [devices / 100, devices / 10, devices].map(Math.round).filter((size) => size > 0);
const prefix = `${uniqueId('bench')}-`;

// Waits, without holding a snapshot, until the targets of a job are frozen; answers when that was seen.
const PREPARE = `
DROP SCHEMA IF EXISTS bench CASCADE; CREATE SCHEMA bench;
CREATE PROCEDURE bench.wait_frozen(job_id text, INOUT seen timestamptz) LANGUAGE plpgsql AS $$ BEGIN
  LOOP
    IF EXISTS (SELECT FROM jobs.job WHERE id = job_id AND frozen) THEN seen := clock_timestamp(); RETURN; END IF;
    COMMIT;
    PERFORM pg_sleep(0.005);
  END LOOP;
END $$;
CREATE TABLE bench.target (job_seq bigint, n int, device_id text COLLATE "C", PRIMARY KEY (job_seq, n));
CREATE TABLE bench.outcome (LIKE jobs.outcome INCLUDING ALL);`;

// Each device has a few tags and desired properties, as if they had been patched once.
const registration = (first, last) => `
INSERT INTO twin.device (device_id, generation_id, etag, disabled, authentication_type, primary_key, secondary_key, iot_edge)
  SELECT '${prefix}' || lpad(i::text, 7, '0'), i, nextval('twin.device_etag'), false, 1, 'a2V5LW9uZS1rZXktb25l', 'a2V5LXR3by1rZXktdHdv', false
  FROM generate_series(${first}, ${last}) AS i;
INSERT INTO twin.twin (device_id, etag, version, desired_version, reported_version, session_epoch, tags, desired, reported,
    desired_metadata, reported_metadata)
  SELECT '${prefix}' || lpad(i::text, 7, '0'), 2, 3, 2, 1, 0, jsonb_build_object('building', (i % 100)::text, 'floor', i % 10),
    '{"interval": 60, "firmware": {"version": "1.0"}}', '{}',
    jsonb_build_object('interval', s, 'firmware', s || jsonb_build_object('version', s)) || s, '{"$lastUpdated": "2026-01-01T00:00:00.0000000Z"}'
  FROM generate_series(${first}, ${last}) AS i,
    LATERAL (SELECT '{"$lastUpdated": "2026-01-01T00:00:00.0000000Z", "$lastUpdatedVersion": 2}'::jsonb AS s) AS stamp;`;

// A copy of the twin table with its indexes and storage, as full as the real one.
async function copyTwins() {
  const options = await sql(`SELECT array_to_string(reloptions, ', ') FROM pg_class WHERE oid = 'twin.twin'::regclass`);
  await sql(`DROP TABLE IF EXISTS bench.twin; CREATE TABLE bench.twin (LIKE twin.twin INCLUDING ALL) WITH (${options});
    INSERT INTO bench.twin SELECT * FROM twin.twin ORDER BY device_id`);
  for (const table of ['bench.twin', 'twin.twin', 'twin.device']) await sql(`VACUUM ANALYZE ${table}`);
}

// Time, WAL and processor time of `action`, from a checkpoint on.
async function measured(action) {
  await sql('CHECKPOINT');
  const lsn = await sql('SELECT pg_current_wal_lsn()');
  const before = cpuSeconds();
  const { seconds, value } = await timed(action);
  const after = cpuSeconds();
  const wal = Number(await sql(`SELECT pg_wal_lsn_diff(pg_current_wal_lsn(), '${lsn}')`));
  const cpu = Object.fromEntries(Object.keys(after).map((name) => [name, after[name] - (before[name] || 0)]));
  return { seconds, value, wal, cpu };
}

async function floors(size, round, ids) {
  await sql('TRUNCATE bench.target, bench.outcome');
  const copy = await measured(() => sql(`\\copy bench.target FROM '${ids}'`));
  const update = await measured(() => sql(`UPDATE bench.twin SET desired = desired || '{"round": ${round}}', version = version + 1,
    desired_version = desired_version + 1, etag = etag + 1`));
  const insert = await measured(() => sql(`INSERT INTO bench.outcome (job_seq, n, state, error_code, start_time, end_time)
    SELECT 1, n, 3, 0, now(), now() FROM generate_series(0, ${size - 1}) AS n`));
  await sql('VACUUM bench.twin');
  return { copy, update, insert, seconds: copy.seconds + update.seconds + insert.seconds, wal: copy.wal + update.wal + insert.wal,
    cpu: copy.cpu.postgres + update.cpu.postgres + insert.cpu.postgres };
}

// Rows written, written in place (HOT) and dead, of the tables that a job changes.
async function rowCounts() {
  await sleep(1500); // Sessions tell their counts once a second.
  return JSON.parse(await sql(`SELECT json_object_agg(relname, json_build_object('updated', n_tup_upd, 'hot', n_tup_hot_upd, 'dead', n_dead_tup))
    FROM pg_stat_user_tables WHERE schemaname IN ('twin', 'jobs') AND relname IN ('twin', 'chunk', 'outcome', 'chunk_target', 'outbox')`));
}

async function oneJob(size, round) {
  const jobId = uniqueId('bench');
  const before = await rowCounts();
  const result = await measured(async () => {
    const job = runJob(jobId, { type: 'scheduleUpdateTwin', updateTwin: { etag: '*', properties: { desired: { round } } },
      queryCondition: '*' });
    const frozen = sql(`CALL bench.wait_frozen('${jobId}', NULL)`);
    return { frozen: await frozen, job: await job };
  });
  const { frozen, job } = result.value;
  if (job.deviceJobStatistics.succeededCount !== size) throw new Error(`not every twin was written: ${JSON.stringify(job)}`);
  const [freeze, total] = (await sql(`SELECT extract(epoch FROM '${frozen}' - started_time), extract(epoch FROM end_time - started_time)
    FROM jobs.job WHERE id = '${jobId}'`)).split('|').map(Number);
  const after = await rowCounts();
  const share = (table) => {
    const updated = after[table].updated - before[table].updated;
    return updated > 0 ? Number(((after[table].hot - before[table].hot) / updated).toFixed(4)) : null;
  };
  await sql('VACUUM twin.twin');
  return { freeze, total, wal: result.wal, cpu: result.cpu, hot: { twin: share('twin'), chunk: share('chunk') },
    dead: Object.fromEntries(Object.entries(after).map(([table, counts]) => [table, counts.dead])) };
}

const round3 = (value) => Number(value.toFixed(3));

async function runSize(size, ids) {
  await copyTwins();
  await sql(`\\copy (SELECT 1, row_number() OVER (ORDER BY device_id), device_id FROM twin.twin) TO '${ids}'`);
  const jobs = [];
  const plain = [];
  for (let round = 1; round <= repetitions; ++round) {
    plain.push(await floors(size, round, ids));
    jobs.push(await oneJob(size, round));
    const [floor, job] = [plain.at(-1), jobs.at(-1)];
    say(`${size} devices, run ${round}: freeze ${job.freeze.toFixed(2)} s, total ${job.total.toFixed(2)} s; plain SQL ${
      floor.copy.seconds.toFixed(2)} + ${floor.update.seconds.toFixed(2)} + ${floor.insert.seconds.toFixed(2)} s; ratio ${
      (job.total / floor.seconds).toFixed(2)}`);
  }
  const of = (list, pick) => median(list.map(pick));
  const perDevice = (seconds) => round3((seconds * 1e6) / size);
  const total = of(jobs, (job) => job.total);
  print({ name: 'jobs', devices: size, repetitions,
    freeze_seconds: round3(of(jobs, (job) => job.freeze)), total_seconds: round3(total), totals: jobs.map((job) => round3(job.total)),
    rate: Math.round(size / total), microseconds_per_device: perDevice(total),
    wal_bytes: Math.round(of(jobs, (job) => job.wal)), wal_bytes_per_device: Math.round(of(jobs, (job) => job.wal) / size),
    hot_share: jobs.at(-1).hot, dead_rows: jobs.at(-1).dead,
    cpu_microseconds_per_device: Object.fromEntries(Object.keys(jobs[0].cpu).map((name) => [name, perDevice(of(jobs, (job) => job.cpu[name]))])),
    baseline: 'COPY of the ids + one UPDATE of the twins + one INSERT of the outcomes',
    baseline_seconds: round3(of(plain, (floor) => floor.seconds)), baseline_totals: plain.map((floor) => round3(floor.seconds)),
    copy_seconds: round3(of(plain, (floor) => floor.copy.seconds)), update_seconds: round3(of(plain, (floor) => floor.update.seconds)),
    insert_seconds: round3(of(plain, (floor) => floor.insert.seconds)),
    baseline_wal_bytes: Math.round(of(plain, (floor) => floor.wal)),
    baseline_cpu_microseconds_per_device: perDevice(of(plain, (floor) => floor.cpu)),
    ratio: round3(median(jobs.map((job, i) => job.total / plain[i].seconds))),
    ratio_freeze: round3(median(jobs.map((job, i) => job.freeze / plain[i].copy.seconds))) });
}

async function main() {
  const scratch = fs.mkdtempSync(path.join(os.tmpdir(), 'fleetcast-bench-'));
  try {
    await sql(PREPARE);
    let registered = 0;
    for (const size of sizes) {
      const { seconds } = await timed(() => sql(registration(registered, size - 1)));
      say(`registered ${size - registered} devices by SQL in ${seconds.toFixed(1)} s, ${size} in all`);
      registered = size;
      await runSize(size, path.join(scratch, 'ids'));
    }
    await sql('DROP SCHEMA bench CASCADE');
  } finally {
    fs.rmSync(scratch, { recursive: true, force: true });
  }
}

main().catch((error) => {
  console.error(`bench jobs: ${error.message}`);
  process.exit(1);
});
