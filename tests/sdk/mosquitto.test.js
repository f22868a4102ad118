'use strict';
// mosquitto_sub and mosquitto_pub of Debian 12, as somebody would try the hub from a shell: user name and password as for any device.

const assert = require('node:assert');
const { execFile } = require('node:child_process');
const { before, test } = require('node:test');
const { host, mqttsPort, parts, request, sasToken, uniqueId, waitFor } = require('../e2e/lib/hub');
const { call, patchDesired } = require('./lib/bench');

const V = 'api-version=2021-04-12';
const deviceId = uniqueId('mosquitto');
const METHODS = '$iothub/methods/POST/#';
const DESIRED = '$iothub/twin/PATCH/properties/desired/#';
let identity;

// Runs one of the two for `seconds` at most; resolves to { code, out, error }.
function mosquitto(program, args, seconds = 20) {
  const token = sasToken({ resource: `${parts.HostName}/devices/${deviceId}`, key: identity.authentication.symmetricKey.primaryKey, policy: '' });
  const all = ['-V', '311', '-h', host, '-p', String(mqttsPort), '--cafile', process.env.FLEETCAST_CA_FILE, '-i', deviceId,
    '-u', `${parts.HostName}/${deviceId}/?api-version=2021-04-12`, '-P', token, ...args];
  return new Promise((resolve) => {
    execFile(`mosquitto_${program}`, all, { timeout: seconds * 1000 }, (failure, out, error) => resolve({ code: failure ? failure.code : 0, out, error }));
  });
}

before(async () => {
  const created = await request('PUT', `/devices/${deviceId}?${V}`, { body: { deviceId } });
  assert.strictEqual(created.status, 200, created.text);
  identity = created.json;
});

const telemetry = (...more) => mosquitto('pub', ['-t', `devices/${deviceId}/messages/events/`, '-m', 'hello', ...more]);

test('T10 telemetry at QoS 1 is taken, also with RETAIN; QoS 2 closes the connection', async () => {
  assert.strictEqual((await telemetry('-q', '1')).code, 0);
  assert.strictEqual((await telemetry('-q', '1', '-r')).code, 0);
  assert.notStrictEqual((await telemetry('-q', '2')).code, 0);
});

test('a persistent session keeps its subscriptions', async () => {
  await mosquitto('sub', ['-c', '-E', '-q', '1', '-t', DESIRED]); // Ends when it is subscribed.
  let heard;
  mosquitto('sub', ['-c', '-C', '1', '-W', '15', '-t', METHODS]).then((result) => { heard = result; });
  let interval = 0;
  await waitFor('it hears of its desired properties', async () => {
    await patchDesired(identity, { interval: interval += 1 });
    return heard;
  }, 20, 200);
  assert.ok(JSON.parse(heard.out).interval > 0);
});

test('a clean session has only what it subscribes to', async () => {
  const heard = mosquitto('sub', ['-C', '2', '-W', '8', '-t', METHODS]);
  assert.strictEqual((await call(identity, 'echo', 1, { response: 5, connect: 5 })).status, 504); // It cannot answer.
  await patchDesired(identity, { interval: 0 });
  assert.strictEqual((await heard).out, '1\n');
});

test('T9 a foreign filter closes the connection', async () => {
  const refused = await mosquitto('sub', ['-C', '1', '-W', '2', '-t', 'devices/other/#']);
  assert.notStrictEqual(refused.code, 0);
  assert.doesNotMatch(refused.error, /denied/); // Which a SUBACK would have said.
});
