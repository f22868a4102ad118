'use strict';
// Attacks one edge of a running Fleetcast while devices of its own go on, and fails unless the edge lives, they do not notice, its memory
// stays flat, and each hostile connection is treated as it has to be. Prints one line of JSON.
//   node hostile.js [packets=100000] [connections=1000] [seed=1] [slow=1] [devices=200]
// The seed repeats what is sent and where it is spoilt; when it arrives depends on the machine.

const assert = require('node:assert');
const fs = require('node:fs');
const path = require('node:path');
const { execFile } = require('node:child_process');
const { promisify } = require('node:util');
const { Random } = require('../chaos/lib/random');
const { memoryOf } = require('../bench/lib');
const { settings } = require('../bench/settings');
const { host, parts, sasToken, uniqueId } = require('../e2e/lib/hub');
const { metricOf, pidsNow } = require('../e2e/lib/processes');
const { keyOf, registerDevices, startDevices } = require('../e2e/lib/simulated');
const { kinds } = require('./kinds');
const { runMutations } = require('./mutations');
const { connect } = require('./packets');
const { Peer } = require('./peer');

const { packets, connections, seed, slow, devices } = settings({ packets: 100000, connections: 1000, seed: 1, slow: 1, devices: 200 });
const WORKERS = 96;
const ATTACKERS = WORKERS * 5; // Identities that the mutations use; the other kinds have as many of their own.
const AT_ONCE = 400; // Hostile connections by kind, each with an identity.
const PROBE = { rate: 100, seconds: 3 };
const P99_MAX_MS = 250; // Of the devices' method calls during the attack; generators and Fleetcast share the machine.
const MEMORY_MAX_KB = 48 * 1024; // More than before, once the attack is over.
const VIOLATIONS_SHOWN = 20;

const say = (words) => console.error(`  ${words}`);
const violations = [];
const fail = (what, bytes) => {
  violations.push(what);
  if (violations.length <= VIOLATIONS_SHOWN) say(`VIOLATION: ${what}${bytes ? ` after ${bytes.subarray(0, 600).toString('latin1').replace(/[^ -~]/g, '.')}` : ''}`);
};

function identityOf(fleet, id) {
  return { id, host: parts.HostName, password: sasToken({ resource: `${parts.HostName}/devices/${id}`, key: keyOf(fleet, id), policy: '' }) };
}

// Method calls to the devices that are not hostile: { p50, p99 } in milliseconds. Fails if one is not answered.
async function probe(fleet) {
  const { stdout } = await promisify(execFile)(path.join(process.env.FLEETCAST_BIN_DIR, 'fleetcast-bench-calls'),
    ['--address', process.env.FLEETCAST_GRPC_METHODS, '--prefix', fleet.prefix, '--devices', String(devices),
      '--rate', String(PROBE.rate), '--seconds', String(PROBE.seconds)]);
  const { p50_ms: p50, p99_ms: p99 } = JSON.parse(stdout);
  return { p50, p99 };
}

// Probes again and again until `stop` is called, which gives all that was seen.
function keepProbing(fleet) {
  let isOver = false;
  const seen = [];
  const loop = (async () => { while (!isOver) seen.push(await probe(fleet)); })();
  return async () => { isOver = true; await loop; return seen; };
}

// `connections` hostile connections, each kind as often as the others.
async function runKinds(random, doors, identities) {
  const names = Object.keys(kinds).filter((name) => slow || !kinds[name].slow);
  const tally = { connections: 0, kinds: names.length };
  const plan = [];
  for (let planned = 0; planned < connections; planned += kinds[plan.at(-1)].connections || 1) plan.push(names[plan.length % names.length]);
  let next = 0;
  const worker = async (_, number) => {
    for (let i = next++; i < plan.length; i = next++) await runKind(plan[i], i, number, random.fork(), doors, identities, tally);
  };
  await Promise.all(Array.from({ length: Math.min(AT_ONCE, plan.length) }, worker));
  return tally;
}

async function runKind(name, source, worker, random, doors, identities, tally) {
  const peers = [];
  const open = async ({ secure = false, raw = false, as, keepAlive = 180 }) => {
    tally.connections += 1;
    const peer = new Peer({ ...(secure || raw ? doors.secure : doors.plain), secure, raw, source });
    peers.push(peer);
    if (!(await peer.opened()) || !peer.isOpen) throw new Error('the edge took no connection');
    if (!as) return peer;
    peer.write(connect(as, { keepAlive }));
    await peer.until(() => peer.isClosed || peer.connack !== undefined, 30);
    if (peer.connack !== 0) throw new Error(`a good CONNECT was answered with ${peer.connack}`);
    return peer;
  };
  const expect = (what, good) => { if (!good) fail(`${name}: ${what}`); };
  try {
    await kinds[name].run({ open, random, expect, identity: identities[worker], other: identities[(worker + 1) % identities.length] });
    for (const peer of peers) expect(`an answer that no server may send: ${peer.illegal}`, !peer.illegal);
  } catch (error) {
    fail(`${name}: ${error.message}`);
  }
  for (const peer of peers) expect('the edge lets go', await peer.leave());
}

// Waits until the memory of a process has not grown for a while; gives it.
async function settled(pid) {
  for (let last = memoryOf(pid).now, quiet = 0; ; ) {
    await new Promise((resolve) => setTimeout(resolve, 500));
    const { now } = memoryOf(pid);
    quiet = now > last ? 0 : quiet + 1;
    last = now;
    if (quiet >= 4) return now;
  }
}

async function attack(random, fleet, attackers) {
  const doors = { plain: { host, port: Number(process.env.FLEETCAST_MQTT_PORT) }, secure: { host, port: Number(process.env.FLEETCAST_MQTTS_PORT) } };
  const ids = (from, count) => Array.from({ length: count }, (_, i) => identityOf(attackers, `${attackers.prefix}${from + i + 1}`));
  const stop = keepProbing(fleet);
  const started = Date.now();
  const [mutations, hostile] = await Promise.all([
    runMutations({ random: random.fork(), total: packets, workers: WORKERS, identities: ids(0, ATTACKERS), door: doors.plain, fail }),
    runKinds(random.fork(), doors, ids(ATTACKERS, ATTACKERS)),
  ]);
  return { seconds: (Date.now() - started) / 1000, mutations, hostile, probes: await stop() };
}

async function main() {
  const random = new Random(seed);
  const edge = pidsNow().mqtt_edge;
  const fleet = await registerDevices(`${uniqueId('calm')}-`, devices);
  const attackers = await registerDevices(`${uniqueId('wild')}-`, 2 * ATTACKERS);
  const calm = await startDevices(fleet, devices, { host, port: process.env.FLEETCAST_MQTTS_PORT }, ['--ca-file', process.env.FLEETCAST_CA_FILE]);
  await probe(fleet); // What has to be loaded is loaded.
  const before = await probe(fleet);
  fs.writeFileSync(`/proc/${edge}/clear_refs`, '5'); // The peak counts from here.
  const memoryBefore = memoryOf(edge).now;
  say(`seed ${seed}: ${packets} spoilt packets, ${connections} hostile connections`);
  const { seconds, mutations, hostile, probes } = await attack(random, fleet, attackers);
  const memory = { before_kb: memoryBefore, peak_kb: memoryOf(edge).peak, after_kb: await settled(edge) };
  const sockets = await metricOf('mqtt_edge', 'fleetcast_edge_connections');

  const p99 = probes.map((each) => each.p99).sort((a, b) => a - b);
  const lost = calm.figures().disconnects;
  await calm.stop();
  console.log(JSON.stringify({ name: 'hostile', seed, seconds: Number(seconds.toFixed(1)), mutations, hostile, violations: violations.length,
    memory, calls_ms: { before, during: { p99_median: p99[Math.floor(p99.length / 2)], p99_worst: p99.at(-1), probes: p99.length } },
    devices_that_lost_their_connection: lost }));
  assert.strictEqual(pidsNow().mqtt_edge, edge, 'the edge has died');
  assert.deepStrictEqual(violations, []);
  assert.strictEqual(lost, 0, 'devices that were not hostile lost their connection');
  assert.strictEqual(sockets, devices, 'hostile connections are still open');
  assert.ok(memory.after_kb - memory.before_kb < MEMORY_MAX_KB, `the edge grew: ${JSON.stringify(memory)}`);
  assert.ok(p99[Math.floor(p99.length / 2)] < P99_MAX_MS, 'devices that were not hostile waited');
}

main().then(() => process.exit(0), (error) => {
  console.error(`hostile: ${error.stack}`);
  process.exit(1);
});
