'use strict';
// An operator empties one of two edges with `fleetcast edge drain`: its devices come back through the other one, none is told that its
// credentials are wrong, and calls that are under way meanwhile are answered.

const assert = require('node:assert');
const { execFile } = require('node:child_process');
const path = require('node:path');
const { after, before, test } = require('node:test');
const { host, request, uniqueId, waitFor } = require('./lib/hub');
const { pidsNow, startJsonLines } = require('./lib/processes');
const { registerDevices, startDevices } = require('./lib/simulated');

const V = 'api-version=2021-04-12';
const DEVICES = 300;
const ports = (process.env.FLEETCAST_MQTTS_PORTS || '').split(',').filter(Boolean);
const skip = ports.length === 2 ? false : 'this Fleetcast has not two edges';
const program = path.join(process.env.FLEETCAST_BIN_DIR, 'fleetcast');
let devices;
let fleet;

const commandLine = (words) => new Promise((resolve) => {
  execFile(program, words, (error, stdout, stderr) => resolve({ code: error ? error.code : 0, stdout, stderr }));
});
const edgesNow = async () => Object.fromEntries(JSON.parse((await commandLine(['edge', 'list', '-o', 'json'])).stdout).map((edge) => [edge.edgeId, edge]));

before(async () => {
  if (skip) return;
  devices = await registerDevices(`${uniqueId('drain')}-`, DEVICES);
  fleet = await startDevices(devices, DEVICES, { host, ports },
    ['--ca-file', process.env.FLEETCAST_CA_FILE, '--reconnect-limit', '1s', '--method-delay', '300ms']);
});

after(async () => {
  if (skip) return;
  if (fleet) await fleet.stop();
  process.kill(pidsNow().mqtt_edge, 'SIGTERM'); // What is empty stays so until it is started again.
  await waitFor('the edge takes devices again', async () => (await edgesNow())['edge-0']?.state === 'serving');
});

// Calls devices one after the other until `isOver`; answers each that was not answered with 200.
async function callUntil(isOver, first, step) {
  const failed = [];
  for (let i = first; !isOver(); i = (i + step) % DEVICES) {
    const answer = await request('POST', `/twins/${devices.prefix}${i + 1}/methods?${V}`,
      { body: { methodName: 'lockDoor', payload: null, responseTimeoutInSeconds: 30, connectTimeoutInSeconds: 30 } });
    if (answer.status !== 200 || answer.json.status !== 200) failed.push(`${devices.prefix}${i + 1}: ${answer.status} ${answer.text}`);
  }
  return failed;
}

test('a name that is none is refused with the one that was meant', { skip }, async () => {
  const typo = await commandLine(['edge', 'drain', 'egde-0']);
  assert.strictEqual(typo.code, 1);
  assert.match(typo.stderr, /no edge 'egde-0' is attached\ntry: {3}fleetcast edge drain edge-0/);
  const none = await commandLine(['edge', 'drain']);
  assert.strictEqual(none.code, 2);
  assert.match(none.stderr, /several edges: edge-0, edge-1/);
  const both = await commandLine(['edge', 'drain', 'edge-0', '--over', '1s', '--rate', '5']);
  assert.strictEqual(both.code, 2);
});

test('the devices of an edge that empties come back through the other one', { skip, timeout: 120000 }, async () => {
  const before = await waitFor('both edges say how many devices they have', async () => {
    const edges = await edgesNow();
    return edges['edge-0'].devices + edges['edge-1'].devices === DEVICES && edges['edge-0'].devices > 0 && edges;
  });
  const told = [];
  const drain = startJsonLines(program, ['edge', 'drain', 'edge-0', '--over', '4s', '-o', 'jsonl'], (line) => told.push(line));
  let isOver = false;
  const calls = [0, 1, 2, 3, 4, 5].map((first) => callUntil(() => isOver, first, 7));
  assert.strictEqual((await drain.ended).code, 0);
  assert.strictEqual(told.at(-1).state, 'drained');
  assert.strictEqual(told.at(-1).connections, 0);
  assert.ok(told.some((line) => line.state === 'draining' && line.devices > 0 && line.devices < before['edge-0'].devices), JSON.stringify(told));
  await waitFor('all devices are back', () => fleet.figures().connected === DEVICES);
  isOver = true;
  assert.deepStrictEqual((await Promise.all(calls)).flat(), []);
  assert.strictEqual(fleet.figures().refusedForGood, 0);
  const moved = await waitFor('they are at the other edge', async () => {
    const edges = await edgesNow();
    return edges['edge-1'].devices === DEVICES && edges;
  });
  assert.deepStrictEqual(moved['edge-0'], { edgeId: 'edge-0', state: 'drained', devices: 0, connections: 0 });
});
