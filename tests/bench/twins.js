'use strict';
// A twin job over registered, offline devices beside one plain SQL UPDATE of as many rows: a copy of the twin table with the same
// columns and indexes in the same database, in turns in one run.

const { request, uniqueId } = require('../e2e/lib/hub');
const { V, median, print, runJob, say, settings, sql, timed } = require('./lib');

const { devices, repetitions } = settings({ devices: 100000, repetitions: 3 });
const PER_REQUEST = 100;
const REQUESTS_AT_ONCE = 8;

// Registers the devices in bulk over HTTPS; each has a few tags and desired properties.
async function register(prefix) {
  let next = 0;
  async function worker() {
    while (next < devices) {
      const first = next;
      next += PER_REQUEST;
      const body = [];
      for (let i = first; i < Math.min(first + PER_REQUEST, devices); ++i) {
        body.push({ id: `${prefix}${String(i).padStart(7, '0')}`, importMode: 'create', status: 'enabled',
          tags: { building: String(i % 100), floor: i % 10 }, properties: { desired: { interval: 60, firmware: { version: '1.0' } } } });
      }
      const answer = await request('POST', `/devices?${V}`, { body });
      if (answer.status !== 200) throw new Error(`bulk create: ${answer.status} ${answer.text.slice(0, 300)}`);
      if (first % 20000 === 0) say(`${first} of ${devices} devices registered`);
    }
  }
  await Promise.all(Array.from({ length: REQUESTS_AT_ONCE }, worker));
}

async function plainUpdate(round) {
  const { seconds } = await timed(() => sql(`UPDATE bench.twin SET desired = desired || '{"round": ${round}}', version = version + 1,
    desired_version = desired_version + 1, etag = etag + 1`));
  return devices / seconds;
}

async function main() {
  const prefix = `${uniqueId('bench')}-`;
  const registration = await timed(() => register(prefix));
  say(`registered ${devices} devices in ${registration.seconds.toFixed(1)} s`);
  await sql(`DROP SCHEMA IF EXISTS bench CASCADE; CREATE SCHEMA bench; CREATE TABLE bench.twin (LIKE twin.twin INCLUDING ALL)
    WITH (fillfactor = 70); INSERT INTO bench.twin SELECT * FROM twin.twin WHERE device_id LIKE '${prefix}%'`);
  await sql('VACUUM ANALYZE bench.twin');
  await sql('VACUUM ANALYZE twin.twin');
  const ours = [];
  const theirs = [];
  for (let i = 1; i <= repetitions; ++i) {
    theirs.push(await plainUpdate(i));
    await sql('VACUUM bench.twin');
    const job = await runJob(uniqueId('bench'), { type: 'scheduleUpdateTwin',
      updateTwin: { etag: '*', properties: { desired: { round: i } } }, queryCondition: `STARTSWITH(deviceId, '${prefix}')` });
    if (job.deviceJobStatistics.succeededCount !== devices) throw new Error(`not every twin was written: ${JSON.stringify(job)}`);
    ours.push(devices / job.seconds);
    await sql('VACUUM twin.twin');
    say(`run ${i}: fleetcast ${Math.round(ours.at(-1))} twins/s (${job.seconds.toFixed(2)} s), plain UPDATE ${Math.round(theirs.at(-1))}/s`);
  }
  await sql('DROP SCHEMA bench CASCADE');
  print({ name: 'twins', devices, repetitions, rate: Math.round(median(ours)), rates: ours.map(Math.round),
    baseline: 'one plain SQL UPDATE of the same rows, no targets, no outcomes', baseline_rate: Math.round(median(theirs)),
    baseline_rates: theirs.map(Math.round), ratio: Number((median(ours) / median(theirs)).toFixed(3)),
    registration_rate: Math.round(devices / registration.seconds) });
}

main().catch((error) => {
  console.error(`bench twins: ${error.message}`);
  process.exit(1);
});
