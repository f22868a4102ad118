'use strict';
// Devices of a benchmark: rows put into the registry by SQL, and simulated devices that log what they are asked.

const fs = require('node:fs');
const os = require('node:os');
const path = require('node:path');
const { request, waitFor } = require('../e2e/lib/hub');
const { startJsonLines } = require('../e2e/lib/processes');
const { V, inClearText, sql } = require('./lib');

const bin = process.env.FLEETCAST_BIN_DIR;

// Copies what the registry made of one device: `fill(model)` puts rows into the tables of the private database, since a million through
// the API takes minutes. `model.copy(table, first, last)` copies its row of that table as the devices prefix and seven digits, keys in
// clear text. Answers the key that all of them have.
async function withModel(prefix, fill) {
  const model = `${prefix}model`;
  const made = await request('PUT', `/devices/${model}?${V}`, { body: { deviceId: model } });
  if (made.status !== 200) throw new Error(`cannot register ${model}: ${made.status} ${made.text}`);
  const copy = async (table, first, last) => {
    const names = await sql(`SELECT string_agg(column_name, ', ' ORDER BY ordinal_position) FROM information_schema.columns
      WHERE table_schema = 'twin' AND table_name = '${table}' AND column_name <> 'device_id'`);
    await sql(`INSERT INTO twin.${table} (device_id, ${names}) SELECT '${prefix}' || lpad(n::text, 7, '0'), ${inClearText(names, made.json)}
      FROM twin.${table} AS model, generate_series(${first}, ${last}) AS n WHERE model.device_id = '${model}'`);
  };
  await fill({ copy });
  await request('DELETE', `/devices/${model}?${V}`, { headers: { 'If-Match': '*' } });
  await sql('VACUUM ANALYZE twin.device');
  await sql('VACUUM ANALYZE twin.twin');
  await sql('CHECKPOINT'); // Else writing all this out would fall into what is measured.
  return made.json.authentication.symmetricKey.primaryKey;
}

// Registers `count` devices with the twin of a device that the registry made. Answers their key.
const registerBySql = (prefix, count) => withModel(prefix, async (model) => {
  for (const table of ['device', 'twin']) await model.copy(table, 0, count - 1);
});

// Simulated devices over plain TCP, connected when this answers. `calls()` reads the log of the method calls that they got, as
// { device, name, rid, time } with `time` in milliseconds; `figures()` gives what the simulator counted last. `flags`: more of fleetsim's.
async function startFleet(ids, key, flags = []) {
  const scratch = fs.mkdtempSync(path.join(os.tmpdir(), 'fleetcast-bench-'));
  const keyFile = path.join(scratch, 'keys');
  const log = path.join(scratch, 'calls');
  fs.writeFileSync(keyFile, ids.map((id) => `${id} ${key}\n`).join(''));
  let figures = { connected: 0 };
  const fleet = startJsonLines(path.join(bin, 'fleetsim'),
    ['--key-file', keyFile, '--devices', String(ids.length), '--plain', '--connect-rate', '0', '--log-calls', log, ...flags],
    (line) => { if (typeof line.connected === 'number') figures = line; });
  await waitFor('the devices are connected', () => figures.connected >= ids.length, 60);
  const calls = () => fs.readFileSync(log, 'utf8').split('\n').filter(Boolean).map((line) => {
    const call = JSON.parse(line);
    const [seconds, fraction] = call.time.slice(0, -1).split('.');
    return { ...call, time: Date.parse(`${seconds}Z`) + Number(`0.${fraction}`) * 1000 };
  });
  return {
    calls,
    figures: () => figures,
    // The first call of each method name, once all `names` were called.
    async firstCalls(names, seconds) {
      const first = new Map();
      await waitFor(`${names.length} methods reach their devices`, () => {
        first.clear();
        for (const call of calls()) if (!first.has(call.name)) first.set(call.name, call.time);
        return names.every((name) => first.has(name));
      }, seconds, 500);
      return names.map((name) => first.get(name));
    },
    async stop() {
      await fleet.stop();
      fs.rmSync(scratch, { recursive: true, force: true });
    },
  };
}

module.exports = { registerBySql, startFleet, withModel };
