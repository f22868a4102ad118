'use strict';
// A million twins of 1 to 1.5 kB: what they take on disk, single reported patches through the whole path from MQTT, a twin job
// beside one plain SQL UPDATE, queries beside SQL written by hand with the ideal index, a scan of everything, and pages.

const given = require('./settings').settings({ devices: 1000000, connected: 1000, seconds: 15, repetitions: 3, page: 9000 });

const { uniqueId } = require('../e2e/lib/hub');
const { grpcClient, keptHttps } = require('./clients');
const { startFleet } = require('./fleet');
const { V, cpuSeconds, median, percentiles, print, runJob, say, sleep, sql, timed } = require('./lib');
const { session } = require('./postgres');
const { startSqlServer } = require('./sql_server');
const { registerTwins } = require('./twin_fleet');

const { devices, repetitions } = given;
const prefix = `${uniqueId('bench')}-`;
const id = (i) => prefix + String(i).padStart(7, '0');
const PAGE = 100;
const round = (value, digits = 3) => Number(value.toFixed(digits));

async function printSizes() {
  const [heap, toast, indexes, text, meta] = (await sql(`SELECT pg_relation_size('twin.twin'),
    (SELECT coalesce(pg_total_relation_size(nullif(reltoastrelid, 0)), 0) FROM pg_class WHERE oid = 'twin.twin'::regclass), pg_indexes_size('twin.twin'),
    (SELECT avg(length(tags::text) + length(desired::text) + length(reported::text)) FROM twin.twin TABLESAMPLE SYSTEM (1)),
    (SELECT avg(length(desired_metadata::text) + length(reported_metadata::text)) FROM twin.twin TABLESAMPLE SYSTEM (1))`)).split('|').map(Number);
  const per = (bytes) => Math.round(bytes / devices);
  print({ name: 'twins: bytes per twin', devices, document_text: Math.round(text), metadata_text: Math.round(meta), on_disk: per(heap + toast + indexes),
    table: per(heap), toast: per(toast), indexes: per(indexes) });
}

// Devices that report one property after another, each when the last patch is stored.
async function printReported(key) {
  const ids = Array.from({ length: Math.min(given.connected, devices) }, (_, i) => id(Math.floor((i * devices) / given.connected)));
  const fleet = await startFleet(ids, key, ['--report-without-pause']);
  await sleep(3000); // Everything is under way, statistics are fresh.
  const [before, cpuBefore] = [fleet.figures(), cpuSeconds()];
  await sleep(given.seconds * 1000);
  const [after, cpuAfter] = [fleet.figures(), cpuSeconds()];
  await fleet.stop();
  const stored = after.reportsStored - before.reportsStored;
  if (after.reportsRefused > 0 || stored === 0) throw new Error(`${stored} patches stored, ${after.reportsRefused} refused`);
  const rate = stored / (after.seconds - before.seconds);
  print({ name: 'twins: reported patches', devices, connected: ids.length, rate: Math.round(rate), milliseconds_per_patch: round((ids.length / rate) * 1000, 1),
    cpu_microseconds_per_patch: Object.fromEntries(Object.keys(cpuAfter).map((name) => [name, round(((cpuAfter[name] - cpuBefore[name]) * 1e6) / stored, 1)])) });
  await sql('VACUUM twin.twin');
}

async function printJob() {
  const options = await sql(`SELECT array_to_string(reloptions, ', ') FROM pg_class WHERE oid = 'twin.twin'::regclass`);
  await sql(`DROP TABLE IF EXISTS bench.twin; CREATE TABLE bench.twin (LIKE twin.twin INCLUDING ALL) WITH (${options});
    INSERT INTO bench.twin SELECT * FROM twin.twin ORDER BY device_id`);
  await sql('VACUUM ANALYZE bench.twin');
  const [ours, theirs] = [[], []];
  for (let i = 1; i <= repetitions; ++i) {
    await sql('CHECKPOINT');
    const { seconds } = await timed(() => sql(`UPDATE bench.twin SET desired = desired || '{"round": ${i}}', version = version + 1,
      desired_version = desired_version + 1, etag = etag + 1`));
    theirs.push(devices / seconds);
    await sql('VACUUM bench.twin');
    await sql('CHECKPOINT');
    const job = await runJob(uniqueId('bench'), { type: 'scheduleUpdateTwin',
      updateTwin: { etag: '*', properties: { desired: { round: i } } }, queryCondition: `STARTSWITH(deviceId, '${prefix}')` });
    if (job.deviceJobStatistics.succeededCount !== devices) throw new Error(`not every twin was written: ${JSON.stringify(job)}`);
    ours.push(devices / job.seconds);
    await sql('VACUUM twin.twin');
    say(`job ${i}: fleetcast ${Math.round(ours.at(-1))} twins/s, one plain UPDATE ${Math.round(theirs.at(-1))}/s`);
  }
  print({ name: 'twins: job', devices, repetitions, rate: Math.round(median(ours)), rates: ours.map(Math.round),
    baseline: 'one plain SQL UPDATE of the same rows, no targets, no outcomes', baseline_rate: Math.round(median(theirs)),
    baseline_rates: theirs.map(Math.round), ratio: round(median(ours.map((rate, i) => rate / theirs[i]))) });
}

// All rows of a query through HTTPS, page by page.
async function allRows(https, query) {
  const rows = [];
  let token;
  do {
    const answer = await https('POST', `/devices/query?${V}`, { query }, { 'x-ms-max-item-count': String(PAGE), ...(token && { 'x-ms-continuation': token }) });
    if (answer.status !== 200) throw new Error(`${query}: ${answer.status} ${answer.text}`);
    rows.push(...answer.json);
    token = answer.headers['x-ms-continuation'];
  } while (token);
  return rows;
}

// Milliseconds of `ours`, `theirs` and maybe theirs behind HTTPS in turns; each answers how many rows it saw.
async function inTurns(times, ours, theirs, theirsOverHttps) {
  const actions = [ours, theirs, theirsOverHttps].filter(Boolean);
  const samples = actions.map(() => []);
  let counts;
  for (let i = 0; i < times; ++i) {
    counts = [];
    for (const [which, action] of actions.entries()) {
      const { seconds, value } = await timed(action);
      samples[which].push(seconds * 1000);
      counts.push(value);
    }
    if (new Set(counts).size > 1) throw new Error(`the query finds ${counts[0]}, SQL finds ${counts.slice(1)}`);
  }
  const [mine, plain, overHttps] = samples.map(median);
  return { found: counts[0], milliseconds: round(mine), baseline_milliseconds: round(plain), ratio: round(mine / plain),
    ...(overHttps && { https_baseline_milliseconds: round(overHttps), https_ratio: round(mine / overHttps) }) };
}

const HTTPS_BASELINE = 'the same SQL behind a plain node:https server, rows as JSON';

// A question that picks a thousandth of the fleet, beside SQL with the index that fits it best.
async function printSelective(https, db) {
  await sql(`CREATE INDEX ideal ON bench.twin ((tags->'building'), (tags->'floor'), device_id); ANALYZE bench.twin`);
  const server = await startSqlServer();
  const where = `WHERE tags.building = 'b42' AND tags.floor = 3`;
  const same = `WHERE tags->'building' = '"b42"' AND tags->'floor' = '3'`;
  const page = `SELECT t.*, d.* FROM bench.twin AS t JOIN twin.device AS d USING (device_id) ${same} AND t.device_id > $1 ORDER BY t.device_id LIMIT ${PAGE}`;
  const handWritten = (run) => async () => {
    let found = 0;
    for (let last = ''; ;) {
      const rows = await run(page, [last]);
      found += rows.length;
      if (rows.length < PAGE) return found;
      last = rows.at(-1).device_id;
    }
  };
  const rows = await inTurns(10 * repetitions, async () => (await allRows(https, `SELECT * FROM devices ${where}`)).length,
    handWritten(db), handWritten(server.query));
  print({ name: 'twins: selective query, whole twins', devices, ...rows, baseline: `SQL by hand, pages of ${PAGE}, index on building, floor, id`,
    https_baseline: HTTPS_BASELINE });
  const counted = (run) => async () => Number((await run(`SELECT count(*) AS n FROM bench.twin ${same}`))[0].n);
  const count = await inTurns(30 * repetitions, async () => (await allRows(https, `SELECT COUNT() AS n FROM devices ${where}`))[0].n,
    counted(db), counted(server.query));
  print({ name: 'twins: selective count', devices, ...count, baseline: 'SQL by hand, the same index', https_baseline: HTTPS_BASELINE });
  server.stop();
}

// What a call costs that finds nothing, or is not let in: no query over the same door can be faster.
async function printDoors(https) {
  const twins = await grpcClient(process.env.FLEETCAST_GRPC_TWINS, 'fleetcast.twins.v1.TwinService');
  const nothing = { query: `SELECT * FROM devices WHERE deviceId = 'nobody'` };
  const timesOf = async (action) => {
    const times = [];
    for (let i = 0; i < 100 * repetitions; ++i) times.push((await timed(action)).seconds * 1000);
    return percentiles(times);
  };
  print({ name: 'twins: doors', devices, https_refused: await timesOf(() => https('POST', `/devices/query?${V}`, { query: 'SELECT' })),
    https_nothing: await timesOf(() => https('POST', `/devices/query?${V}`, nothing)), grpc_nothing: await timesOf(() => twins('QueryTwins', nothing)) });
}

// A question that no index helps.
async function printScan(https, db) {
  const scan = await inTurns(repetitions,
    async () => (await allRows(https, 'SELECT COUNT() AS n FROM devices WHERE properties.reported.battery < 20'))[0].n,
    async () => Number((await db(`SELECT count(*) AS n FROM bench.twin WHERE jsonb_typeof(reported->'battery') = 'number'
      AND (reported->>'battery')::numeric < 20`))[0].n));
  print({ name: 'twins: full scan', devices, ...scan, baseline: 'SQL by hand without an index' });
}

// Pages of the whole fleet, at the beginning and far behind.
async function printPages(https) {
  const times = [];
  let token;
  const last = Math.min(given.page, Math.floor(devices / PAGE) - 1);
  for (let page = 1; page <= last; ++page) {
    const { seconds, value } = await timed(() => https('POST', `/devices/query?${V}`, { query: 'SELECT * FROM devices' },
      { 'x-ms-max-item-count': String(PAGE), ...(token && { 'x-ms-continuation': token }) }));
    if (value.status !== 200 || value.json.length !== PAGE) throw new Error(`page ${page}: ${value.status} ${value.text.slice(0, 200)}`);
    times.push(seconds * 1000);
    token = value.headers['x-ms-continuation'];
  }
  const around = Math.min(100, Math.floor(last / 4));
  const [first, far] = [percentiles(times.slice(1, around + 1)), percentiles(times.slice(-around))];
  print({ name: 'twins: pages', devices, page_size: PAGE, first_page: round(times[0]), first_pages: first, far_page: last, far_pages: far,
    ratio: round(far.p50 / first.p50) });
}

async function main() {
  await sql('DROP SCHEMA IF EXISTS bench CASCADE; CREATE SCHEMA bench');
  const { seconds, value: key } = await timed(() => registerTwins(prefix, devices, (count) => {
    if (count % 200000 === 0) say(`${count} of ${devices} twins made by SQL`);
  }));
  say(`made ${devices} twins in ${seconds.toFixed(0)} s`);
  await printSizes();
  await printReported(key);
  await printJob();
  const [https, db] = [keptHttps(), await session()];
  await printDoors(https);
  await printSelective(https, db);
  await printScan(https, db);
  await printPages(https);
  await db.end();
  await sql('DROP SCHEMA bench CASCADE');
}

main().then(() => process.exit(0), (error) => {
  console.error(`bench twins: ${error.message}`);
  process.exit(1);
});
