'use strict';
// The matrix of device-mqtt.md 9.6: each row with each client that can show it. README.md says which rows are where.

const assert = require('node:assert');
const crypto = require('node:crypto');
const { after, before, describe, test } = require('node:test');
const { waitFor } = require('../e2e/lib/hub');
const { metricOf, pidsNow } = require('../e2e/lib/processes');
const { Bench, call, edges, patchDesired, readTwin } = require('./lib/bench');
const { killPod } = require('./lib/kill_pod');
const { MISSING, SDKS } = require('./lib/sdks');

const benches = new Map(); // By name of the client; their devices stay connected until the end.

// The device that the rows share: connected, with every handler in place.
function everyday(sdk) {
  const bench = new Bench(sdk);
  benches.set(sdk.name, bench);
  before(async () => {
    await bench.open();
    bench.identity = await bench.register();
    bench.device = bench.start(bench.identity);
    await bench.device.do('open');
  }, { timeout: 60_000 });
  return bench;
}

function rows(sdk) {
  const bench = everyday(sdk);

  test('9.1–9.5: the life of a device', async () => {
    const { device, identity } = bench;
    const answer = await call(identity, 'echo', { n: 1 }, { connect: 10 }); // Node does not say when it has subscribed.
    assert.deepStrictEqual(answer.json, { status: 200, payload: [{ n: 1 }] });
    assert.strictEqual((await device.do('twin')).desired.$version, 1);
    await device.do('report', { patch: { fw: '1.1' } });
    assert.strictEqual((await readTwin(identity)).properties.reported.fw, '1.1');
    await patchDesired(identity, { interval: 5 });
    await device.hears('patch', ({ patch }) => patch.interval === 5);
    assert.strictEqual((await device.do('twin')).desired.interval, 5);
    await device.do('send', { payload: 'hello' });
  });

  test('T1 a drop, then another pod: the method is answered', { skip: sdk.clean && 'a clean session is not resumed' }, async () => {
    const { identity, proxy } = bench;
    const [first, second] = edges();
    const connections = proxy.accepted;
    bench.leadTo(second);
    proxy.cut();
    await bench.comesBack(identity, connections);
    bench.leadTo(first);
  });

  test('T2 a desired change one second after a reconnect is delivered', async () => {
    const { device, identity, proxy } = bench;
    const connections = proxy.accepted;
    proxy.cut();
    await bench.comesBack(identity, connections);
    await new Promise((resolve) => setTimeout(resolve, 1000)); // What the row says; nothing can be waited for.
    const from = device.events.length;
    await patchDesired(identity, { interval: 6 });
    await device.hears('patch', ({ patch }) => patch.interval === 6, { from });
  });

  test('T3 CONNACK 5, then 0', async () => {
    const { device, identity, proxy } = bench;
    const other = { symmetricKey: { primaryKey: crypto.randomBytes(32).toString('base64'), secondaryKey: crypto.randomBytes(32).toString('base64') } };
    await bench.update(identity, { authentication: { type: 'sas', ...other } });
    const connections = proxy.accepted;
    await bench.isRefused();
    await bench.update(identity, {});
    if (sdk.stopsAfter5) {
      const attempts = proxy.accepted;
      await new Promise((resolve) => setTimeout(resolve, 3000));
      assert.strictEqual(proxy.accepted, attempts);
      await device.do('connect');
    }
    await bench.comesBack(identity, connections);
  });

  // The identity was refused before: the edge may keep the CONNACK back for 20 s, and Python tries again after 10.
  test('T3 CONNACK 3 of a disabled device, then 0', { timeout: 150_000 }, async () => {
    const { identity, proxy } = bench;
    const { ended } = proxy;
    await bench.update(identity, { status: 'disabled' });
    await waitFor('it is told to go and refused', () => proxy.ended >= ended + 2, 60);
    const attempts = proxy.accepted;
    await bench.update(identity, {});
    await bench.comesBack(identity, attempts, 60);
  });

  test('T4 payloads: none, null, 128 KiB each way', async () => {
    const { device, identity } = bench;
    const from = device.events.length;
    for (const payload of [undefined, null]) assert.deepStrictEqual((await call(identity, 'echo', payload)).json, { status: 200, payload: [null] });
    assert.deepStrictEqual(device.events.slice(from).filter((each) => each.event === 'method').map(({ payload }) => payload), [null, null]);
    const length = 128 * 1024 - 2; // And two quotes.
    assert.deepStrictEqual((await call(identity, 'size', 'x'.repeat(length))).json, { status: 200, payload: { bytes: length } });
    const big = await call(identity, 'big', length);
    assert.strictEqual(big.status, 200, big.text);
    assert.strictEqual(big.json.payload.length, length);
  });

  test('T5 a patch that is refused with 400', async () => {
    const { device, identity } = bench;
    await assert.rejects(device.do('report', { patch: { 'a.b': 1 } }));
    await device.do('report', { patch: { fw: '1.2' } });
    assert.strictEqual((await call(identity, 'echo', 5)).status, 200);
  });

  test('a drop in the middle of a method', async () => {
    const { device, identity, proxy } = bench;
    const from = device.events.length;
    const connections = proxy.accepted;
    const answer = call(identity, 'hold', 1, { response: 15 });
    await device.hears('method', ({ name }) => name === 'hold', { from });
    proxy.cut();
    const { status } = await answer;
    assert.ok(status >= 400, `${status}`);
    await bench.comesBack(identity, connections);
    await device.do('answer', { payload: 'too late' }); // Dropped, whatever the client does with it.
    assert.strictEqual((await call(identity, 'echo', 14)).status, 200);
    assert.strictEqual(device.events.slice(from).filter(({ name }) => name === 'hold').length, 1);
  });

  test('a token is renewed, and the subscriptions are still there', { skip: !sdk.renews && 'it does not renew by itself', timeout: 60_000 }, async () => {
    const identity = await bench.register();
    const device = bench.start(identity, { token: sdk.renews });
    const connections = bench.proxy.accepted;
    await device.do('open');
    await bench.comesBack(identity, connections + 1);
    await device.stop();
  });

  test('T7 two processes, one identity: few takeovers, no call lost to the older one', { timeout: 60_000 }, () => takeover(bench));

  generic(sdk, bench);
}

// Both programs connect as one identity, each time they are closed by the other's connection. Calls meanwhile: each is answered by a
// program that got it, or proven not to have been delivered.
async function takeover(bench) {
  const identity = await bench.register();
  const pair = [bench.start(identity), bench.start(identity)];
  const connections = bench.proxy.accepted;
  await pair[0].do('open');
  pair[1].do('open').catch(() => {}); // It may be replaced before it has subscribed.
  const began = Date.now();
  const results = [];
  while (Date.now() - began < 10_000) results.push(await call(identity, 'echo', results.length, { connect: 5, response: 5 }));
  const calls = (device) => device.of('method').map(({ payload }) => payload);
  const heard = [...calls(pair[0]), ...calls(pair[1])];
  await Promise.all(pair.map((device) => device.stop()));
  const seconds = (Date.now() - began) / 1000;
  const taken = bench.proxy.accepted - connections - 1; // The last of them may be waiting for its turn.
  console.log(`# ${bench.sdk.name}: ${taken} takeovers in ${seconds.toFixed(1)} s, ${results.filter(({ status }) => status === 200).length} of ${results.length} calls answered`);
  assert.ok(taken <= 10 + Math.floor(seconds / 6) + 1, `${taken} takeovers in ${seconds} s`); // Ten at once, others in their turn, one that waits.
  assert.strictEqual(new Set(heard).size, heard.length, 'a call reached both');
  results.forEach(({ status, json, text }, i) => {
    if (status === 200) assert.ok(heard.includes(i) && json.payload[0] === i, `${i} was not heard`);
    if (text.includes('404103')) assert.ok(!heard.includes(i), `${i} was heard and denied`); // 404104 says that it may have run.
  });
}

// What only a client can show that sends what it is told to.
function generic(sdk, bench) {
  const skip = !sdk.generic && 'an SDK cannot be made to do it';
  const onItsOwn = async () => {
    const identity = await bench.register();
    const device = bench.start(identity);
    await device.do('open');
    return { device, identity };
  };

  test('T9 SUBSCRIBE to another device: closed without a SUBACK', { skip }, async () => {
    const { device } = await onItsOwn();
    const from = device.events.length;
    const granted = device.do('subscribe', { filter: 'devices/other/#', qos: 0 });
    granted.catch(() => {});
    await device.hears('disconnected', undefined, { from });
    await device.stop();
    await assert.rejects(granted);
  });

  test('T10 PUBLISH at QoS 2: closed; with RETAIN: taken', { skip }, async () => {
    const { device, identity } = await onItsOwn();
    const topic = `devices/${identity.deviceId}/messages/events/`;
    await device.do('publish', { topic, payload: 'x', qos: 1, retain: true });
    const from = device.events.length;
    device.do('publish', { topic, payload: 'x', qos: 2 }).catch(() => {});
    await device.hears('disconnected', undefined, { from });
    await device.stop();
  });

  test('T11 answers twice, late and to no call: one result', { skip, timeout: 60_000 }, async () => {
    const { device, identity } = bench;
    const late = () => metricOf('mqtt_edge', 'fleetcast_edge_dropped_total', 'kind="late_answer"');
    const dropped = await late();
    const publish = (rid, payload) => device.do('publish', { topic: `$iothub/methods/res/200/?$rid=${rid}`, payload: JSON.stringify(payload), qos: 1 });
    const from = device.events.length;
    const answer = call(identity, 'hold', 11);
    const { rid } = await device.hears('method', ({ name }) => name === 'hold', { from });
    await publish(rid, 'first');
    await publish(rid, 'second');
    assert.deepStrictEqual((await answer).json, { status: 200, payload: 'first' });
    const silent = await call(identity, 'hold', 12, { response: 5 });
    assert.strictEqual(silent.status, 504, silent.text);
    const { rid: over } = await device.hears('method', ({ payload }) => payload === 12, { from });
    await publish(over, 'late');
    await publish('abc', 'to no call');
    await waitFor('three are counted', async () => (await late()) >= dropped + 3);
    assert.strictEqual((await call(identity, 'echo', 13)).status, 200);
  });
}

describe('devices', { concurrency: SDKS.length }, () => {
  for (const sdk of SDKS) describe(sdk.name, { concurrency: 1 }, () => rows(sdk));
});

// One after the other, with every client at once.
describe('all devices', { concurrency: 1 }, () => {
  test('T5 GET while twins cannot be read: 503, nobody crashes', { timeout: 60_000 }, async () => {
    const twins = Object.entries(pidsNow()).filter(([name]) => name === 'twin' || name.startsWith('twin_')).map(([, pid]) => pid);
    let outcomes;
    try {
      for (const pid of twins) process.kill(pid, 'SIGSTOP');
      outcomes = await Promise.allSettled([...benches.values()].map(({ device }) => device.do('twin')));
    } finally {
      for (const pid of twins) process.kill(pid, 'SIGCONT');
    }
    const names = [...benches.keys()];
    outcomes.forEach(({ status, value }, i) => assert.strictEqual(status, 'rejected', `${names[i]} took ${JSON.stringify(value)} for a twin`));
    for (const { device, identity } of benches.values()) {
      assert.strictEqual((await device.do('twin')).desired.interval, 6);
      assert.strictEqual((await call(identity, 'echo', 5, { connect: 20 })).status, 200);
    }
  });

  test('T13 kill -9 of the pod of all: every method is answered again within 30 s', { timeout: 300_000 }, () => killPod([...benches.values()]));
});

after(async () => { await Promise.all([...benches.values()].map((bench) => bench.close())); });

for (const { name, needs } of MISSING) test(name, { skip: `its packages could not be installed: build/sdk/${needs}.log` }, () => {});
