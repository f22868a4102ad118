'use strict';
// Import of a whole hub, export of the same, deletion, import of the export and a second export, which must be the first one
// again; beside COPY of as many rows into tables with the same columns, in the same database.

const { devices, modules } = require('./settings').settings({ devices: 1000000, modules: 20 }); // A module for each so-many-th device.

const { spawn } = require('node:child_process');
const crypto = require('node:crypto');
const fs = require('node:fs');
const path = require('node:path');
const readline = require('node:readline');
const { once } = require('node:events');
const { cpuSeconds, print, say, sql, timed } = require('./lib');

const work = path.join(process.env.FLEETCAST_DATA_DIR, 'bench-registry');
const fleetcast = path.join(process.env.FLEETCAST_BIN_DIR, 'fleetcast');
const file = (name) => path.join(work, name);

// Kilobytes that a process has used at most.
function peakOf(pid) {
  return Number(/VmHWM:\s+(\d+)/.exec(fs.readFileSync(`/proc/${pid}/status`, 'utf8'))[1]);
}

const processOf = (name) => Number(new RegExp(`(?:^| )${name}=(\\d+)`).exec(process.env.FLEETCAST_PIDS)[1]);

// Runs the command line; its progress goes on to standard error. Answers seconds, its own peak in KiB and processor time
// of each process for each line.
async function transfer(command, name) {
  const cpu = cpuSeconds();
  const child = spawn(fleetcast, ['device', command, file(name)], { stdio: ['ignore', 'inherit', 'pipe'] });
  let peak = 0;
  let text = '';
  child.stderr.on('data', (data) => { text += data; process.stderr.write(data); });
  const { seconds, value: [code] } = await timed(() => once(child, 'exit'));
  if (code !== 0) throw new Error(`fleetcast device ${command}: exit ${code}`);
  peak = Number(/peak memory (\d+) MiB/.exec(text)[1]);
  const lines = Number(/([\d,]+) lines in/.exec(text)[1].replaceAll(',', ''));
  const after = cpuSeconds();
  const microseconds = {};
  for (const each of ['twin', 'postgres', 'device_connection']) {
    microseconds[each] = Math.round((after[each] - cpu[each]) * 1e6 / lines);
  }
  return { lines, seconds: Number(seconds.toFixed(1)), rate: Math.round(lines / seconds), client_peak_mib: peak,
    cpu_microseconds_per_line: microseconds };
}

const key = (text) => crypto.createHash('sha256').update(text).digest('base64');

// What the fleet looks like: about 1 kB of twin, mixed types, some things missing.
function line(i) {
  const id = `bench-${String(i).padStart(7, '0')}`;
  const device = { id, status: i % 50 === 0 ? 'disabled' : 'enabled', tags: { building: String(i % 100), floor: i % 10,
    owner: { name: `Owner ${i} ü`, mail: `o${i}@example.net` } }, properties: {
    desired: { interval: { seconds: 60 + (i % 60) }, limits: { low: -i / 4, high: 20 }, notes: 'x'.repeat(200) },
    reported: { firmware: { version: `1.${i % 10}.${i % 100}` }, signal: -(i % 90), list: [1, 'two', true], notes: 'y'.repeat(300) } } };
  if (i % 50 === 0) device.statusReason = 'stolen; or lost';
  if (i % 11 === 0) delete device.tags;
  if (i % 13 === 0) delete device.properties;
  if (i % 17 === 0) device.authentication = { type: 'selfSigned', x509Thumbprint: { primaryThumbprint: crypto.createHash('sha1').update(id).digest('hex') } };
  else if (i % 19 === 0) device.authentication = { type: 'certificateAuthority' };
  else device.authentication = { type: 'sas', symmetricKey: { primaryKey: key(`p${i}`), secondaryKey: key(`s${i}`) } };
  if (i % 1000 === 0) device.capabilities = { iotEdge: true };
  let text = `${JSON.stringify(device)}\n`;
  if (modules > 0 && i % modules === 0) {
    text += `${JSON.stringify({ id, moduleId: 'agent', managedBy: 'bench', tags: { m: i }, properties: { desired: { on: true } },
      authentication: { type: 'sas', symmetricKey: { primaryKey: key(`mp${i}`), secondaryKey: key(`ms${i}`) } } })}\n`;
  }
  return text;
}

async function generate(name, lineOf) {
  const out = fs.createWriteStream(file(name), { mode: 0o600, highWaterMark: 1 << 20 });
  for (let i = 0; i < devices; ++i) {
    if (!out.write(lineOf(i))) await once(out, 'drain');
  }
  out.end();
  await once(out, 'finish');
}

// A line of an export without what is new for each creation: the identity's etag and the number in a gateway's scope.
function comparable(text) {
  const cut = text.replace(/"eTag":"[^"]*",/, '');
  return cut.includes('"iotEdge":true') ? cut.replace(/,"deviceScope":"[^"]*"/, '') : cut;
}

// Compares two exports line by line, in bounded memory. Throws at the first difference.
async function compare(first, second) {
  const read = (name) => readline.createInterface({ input: fs.createReadStream(file(name)), crlfDelay: Infinity })[Symbol.asyncIterator]();
  const [a, b] = [read(first), read(second)];
  for (let lines = 0; ; ++lines) {
    const [x, y] = [await a.next(), await b.next()];
    if (x.done && y.done) return lines;
    if (x.done || y.done || comparable(x.value) !== comparable(y.value)) {
      throw new Error(`the round trip lost something at line ${lines + 1}:\n${x.value}\n${y.value}`);
    }
  }
}

// As many rows as were imported, by COPY, into tables with the same columns and indexes.
async function copyBaseline() {
  await sql('DROP SCHEMA IF EXISTS bench CASCADE; CREATE SCHEMA bench');
  for (const table of ['device', 'twin']) {
    await sql(`COPY (SELECT * FROM twin.${table}) TO PROGRAM 'cat > ${file(`${table}.copy`)}'`).catch(async () => {
      await copyOut(table);
    });
    await sql(`CREATE TABLE bench.${table} (LIKE twin.${table} INCLUDING ALL)`);
  }
  const { seconds } = await timed(async () => {
    for (const table of ['device', 'twin']) await copyIn(table);
  });
  await sql('DROP SCHEMA bench CASCADE');
  return { seconds: Number(seconds.toFixed(1)), rate: Math.round(devices / seconds) };
}

const psql = (command) => new Promise((resolve, reject) => {
  const child = spawn('psql', [process.env.FLEETCAST_POSTGRES, '-Xq', '-v', 'ON_ERROR_STOP=1', '-c', command], { stdio: ['ignore', 'ignore', 'inherit'] });
  child.on('exit', (code) => (code === 0 ? resolve() : reject(new Error(`psql: exit ${code}`))));
});
const copyOut = (table) => psql(`\\copy twin.${table} TO '${file(`${table}.copy`)}'`);
const copyIn = (table) => psql(`\\copy bench.${table} FROM '${file(`${table}.copy`)}'`);

async function main() {
  fs.mkdirSync(work, { recursive: true, mode: 0o700 });
  await generate('fleet.ndjson', line);
  say(`${devices} devices written to a file of ${Math.round(fs.statSync(file('fleet.ndjson')).size / 1e6)} MB`);
  const imported = await transfer('import', 'fleet.ndjson');
  fs.rmSync(file('fleet.ndjson'));
  await sql('VACUUM ANALYZE twin.device');
  const exported = await transfer('export', 'first.ndjson');
  const again = await transfer('import', 'first.ndjson');
  say('the export imported again over what is there: nothing to do');
  const baseline = await copyBaseline();
  await generate('delete.ndjson', (i) => `{"id":"bench-${String(i).padStart(7, '0')}","importMode":"delete"}\n`);
  const deleted = await transfer('import', 'delete.ndjson');
  const restored = await transfer('import', 'first.ndjson');
  await sql('VACUUM ANALYZE twin.device');
  const second = await transfer('export', 'second.ndjson');
  const lines = await compare('first.ndjson', 'second.ndjson');
  if (lines !== imported.lines) throw new Error(`${imported.lines} lines went in, ${lines} came back`);
  print({ name: 'registry', devices, lines, lost: 0, export_bytes: fs.statSync(file('second.ndjson')).size,
    import: imported, export: exported, import_of_what_is_there: again, delete: deleted, import_of_the_export: restored, second_export: second,
    twin_peak_mib: Math.round(peakOf(processOf('twin')) / 1024), device_connection_peak_mib: Math.round(peakOf(processOf('device_connection')) / 1024),
    baseline: 'COPY of the rows of twin.device and twin.twin into equal tables', baseline_seconds: baseline.seconds,
    baseline_rate: baseline.rate, ratio: Number((imported.seconds / baseline.seconds).toFixed(2)) });
}

main().catch((error) => {
  console.error(`bench registry: ${error.message}`);
  process.exit(1);
}).finally(() => fs.rmSync(work, { recursive: true, force: true }));
