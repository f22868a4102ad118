'use strict';
// Bad input at each door gets the documented error and has no effect.

const assert = require('node:assert');
const net = require('node:net');
const tls = require('node:tls');
const { test } = require('node:test');
const { ca, host, mqttsPort, parts, request, sasToken, uniqueId, waitFor } = require('./lib/hub');

const V = 'api-version=2021-04-12';

// The error envelope: status, header and body agree.
function assertError(answer, status, code) {
  assert.strictEqual(answer.status, status, answer.text);
  assert.strictEqual(answer.headers['iothub-errorcode'], code, answer.text);
  assert.match(answer.headers['content-type'], /^application\/json/);
  assert.ok(answer.json, `not JSON: ${answer.text}`);
  assert.ok(answer.headers['x-ms-request-id']);
}

function methodJob(jobId, overrides = {}) {
  return { jobId, type: 'scheduleDeviceMethod', cloudToDeviceMethod: { methodName: 'lockDoor' }, queryCondition: "deviceId = 'nobody'", ...overrides };
}

async function assertNoJob(jobId) {
  const read = await request('GET', `/jobs/v2/${jobId}?${V}`);
  assert.strictEqual(read.status, 200);
  assert.strictEqual(read.json.status, 'unknown');
}

test('REST: malformed JSON', async () => {
  const id = uniqueId('bad');
  const answer = await request('PUT', `/jobs/v2/${id}?${V}`, { body: '{"type": "scheduleDeviceMethod",' });
  assertError(answer, 400, 'DeserializationError');
  await assertNoJob(id);
});

test('REST: JSON nested a hundred thousand deep', async () => {
  const answer = await request('PUT', `/jobs/v2/${uniqueId('deep')}?${V}`, { body: '['.repeat(100000) });
  assert.strictEqual(answer.status, 400);
});

test('REST: unknown job type, missing members, bad id', async () => {
  const id = uniqueId('bad');
  assertError(await request('PUT', `/jobs/v2/${id}?${V}`, { body: methodJob(id, { type: 'makeCoffee' }) }), 400, 'GenericBadRequest');
  assertError(await request('PUT', `/jobs/v2/${id}?${V}`, { body: methodJob(id, { cloudToDeviceMethod: undefined }) }), 400, 'ArgumentNull');
  assertError(await request('PUT', `/jobs/v2/${id}?${V}`, { body: methodJob(id, { queryCondition: undefined }) }), 400, 'ArgumentNull');
  assertError(await request('PUT', `/jobs/v2/${'x'.repeat(65)}?${V}`, { body: methodJob('x') }), 400, 'ArgumentInvalid');
  assertError(await request('PUT', `/jobs/v2/query?${V}`, { body: methodJob('query') }), 400, 'ArgumentInvalid');
  assertError(await request('PUT', `/jobs/v2/${id}?${V}`,
    { body: methodJob(id, { startTime: new Date(Date.now() + 200 * 3600e3).toISOString() }) }), 400, 'ArgumentInvalid');
  assertError(await request('PUT', `/jobs/v2/${id}?${V}`, { body: methodJob(id, { startTime: 'tomorrow' }) }), 400, 'ArgumentInvalid');
  await assertNoJob(id);
});

test('REST: a job id is taken once', async () => {
  const id = uniqueId('once');
  const first = await request('PUT', `/jobs/v2/${id}?${V}`, { body: methodJob(id) });
  assert.strictEqual(first.status, 200, first.text);
  assert.deepStrictEqual(first.json, { jobId: id, type: 'scheduleDeviceMethod', status: 'queued' });
  assertError(await request('PUT', `/jobs/v2/${id}?${V}`,
    { body: methodJob(id, { cloudToDeviceMethod: { methodName: 'openDoor' } }) }), 409, 'JobAlreadyExists');
  const read = await request('GET', `/jobs/v2/${id}?${V}`);
  assert.strictEqual(read.json.cloudToDeviceMethod.methodName, 'lockDoor');
});

test('REST: a bad condition is accepted and fails the job with its position', async () => {
  const id = uniqueId('query');
  const put = await request('PUT', `/jobs/v2/${id}?${V}`, { body: methodJob(id, { queryCondition: 'tags.building = = 43' }) });
  assert.strictEqual(put.status, 200, put.text);
  const job = await waitFor('the job fails', async () => {
    const read = await request('GET', `/jobs/v2/${id}?${V}`);
    return read.json.status === 'failed' ? read.json : undefined;
  });
  assert.match(job.failureReason, /Line 1/);
});

test('REST: a bad query is refused with its position', async () => {
  const bad = (query) => request('POST', `/devices/query?${V}`, { body: { query } });
  for (const query of ['SELECT', 'SELECT * devices', 'SELECT * FROM twins', 'SELECT * FROM devices WHERE', 'SELECT * FROM devices ORDER BY deviceId',
    'SELECT * FROM devices WHERE a = = 1', "SELECT * FROM devices WHERE 'unterminated", "SELECT * FROM devices WHERE a IN 'x'",
    'SELECT * FROM devices WHERE nosuch(deviceId)', 'SELECT TOP 0 * FROM devices', "SELECT * FROM devices WHERE deviceId = 'x'; DROP TABLE twin.device"]) {
    assertError(await bad(query), 400, 'ArgumentInvalid');
  }
  assertError(await request('POST', `/devices/query?${V}`, { body: {} }), 400, 'ArgumentNull');
});

test('REST: api-version missing or unknown', async () => {
  assertError(await request('GET', '/jobs/v2/x'), 400, 'InvalidProtocolVersion');
  assertError(await request('GET', '/jobs/v2/x?api-version=1999-01-01'), 400, 'InvalidProtocolVersion');
});

test('REST: bad credentials', async () => {
  const path = `/devices/${uniqueId('who')}?${V}`;
  const refused = async (token) => assertError(await request('GET', path, { token }), 401, 'IotHubUnauthorizedAccess');
  await refused(null);
  await refused('Bearer abc');
  await refused('SharedAccessSignature sr=x');
  await refused(sasToken({ key: Buffer.alloc(32, 7).toString('base64') }));
  await refused(sasToken({ policy: 'nosuchpolicy' }));
  await refused(sasToken({ policy: '' }));
  await refused(sasToken({ expiry: Math.floor(Date.now() / 1000) - 301 }));
  await refused(sasToken({ resource: 'other.example.net' }));
  const late = await request('GET', path, { token: sasToken({ expiry: Math.floor(Date.now() / 1000) - 290 }) });
  assertError(late, 404, 'DeviceNotFound'); // Within the clock skew of five minutes.
});

test('REST: unknown device', async () => {
  const id = uniqueId('nobody');
  assertError(await request('GET', `/devices/${id}?${V}`), 404, 'DeviceNotFound');
  assertError(await request('GET', `/twins/${id}?${V}`), 404, 'DeviceNotFound');
  assertError(await request('PATCH', `/twins/${id}?${V}`, { body: { tags: { a: 1 } } }), 404, 'DeviceNotFound');
  assertError(await request('POST', `/twins/${id}/methods?${V}`, { body: { methodName: 'x' } }), 404, 'DeviceNotFound');
});

test('REST: oversize', async () => {
  const id = uniqueId('big');
  const payload = 'x'.repeat(128 * 1024 + 1);
  const answer = await request('PUT', `/jobs/v2/${id}?${V}`,
    { body: methodJob(id, { cloudToDeviceMethod: { methodName: 'lockDoor', payload } }) });
  assertError(answer, 413, 'MessageTooLarge');
  await assertNoJob(id);
  const huge = await request('PUT', `/jobs/v2/${id}?${V}`, { body: 'x'.repeat(1024 * 1024 + 1) }).catch((error) => error);
  assert.ok(huge instanceof Error || huge.status === 413, String(huge.status));
  await assertNoJob(id);
});

test('REST: methods to a device that is not connected, and timeouts out of range', async () => {
  const deviceId = uniqueId('quiet');
  const created = await request('PUT', `/devices/${deviceId}?${V}`, { body: { deviceId } });
  assert.strictEqual(created.status, 200, created.text);
  const call = (body) => request('POST', `/twins/${deviceId}/methods?${V}`, { body });
  const offline = await call({ methodName: 'lockDoor', responseTimeoutInSeconds: 5 });
  assertError(offline, 404, 'DeviceNotOnline');
  assert.strictEqual(JSON.parse(offline.json.Message).errorCode, 404103);
  for (const body of [{ methodName: 'lockDoor', responseTimeoutInSeconds: 4 }, { methodName: 'lockDoor', responseTimeoutInSeconds: 301 },
    { methodName: 'lockDoor', responseTimeoutInSeconds: 10, connectTimeoutInSeconds: 20 }, { methodName: 'a/b' }, { methodName: 'a#b' }]) {
    assertError(await call(body), 400, 'ArgumentInvalid');
  }
});

test('REST: twin limits', async () => {
  const deviceId = uniqueId('twin');
  await request('PUT', `/devices/${deviceId}?${V}`, { body: { deviceId } });
  const patch = (body) => request('PATCH', `/twins/${deviceId}?${V}`, { body });
  const before = (await request('GET', `/twins/${deviceId}?${V}`)).json;
  assertError(await patch({ tags: { 'a.b': 1 } }), 400, 'ArgumentInvalid');
  assertError(await patch({ tags: { a: 'x'.repeat(4097) } }), 400, 'ArgumentInvalid');
  assertError(await patch({ properties: { desired: { list: [1, null] } } }), 400, 'ArgumentInvalid');
  assertError(await patch('{"tags":{"a":"\\u0000"}}'), 400, 'ArgumentInvalid');
  assertError(await patch('{"tags":{"a":1e130000}}'), 400, 'ArgumentInvalid');
  assertError(await patch({ tags: Object.fromEntries([...Array(3)].map((_, i) => [`k${i}`, 'x'.repeat(4000)])) }), 400, 'ArgumentInvalid');
  const stale = await request('PATCH', `/twins/${deviceId}?${V}`, { body: { tags: { a: 1 } }, headers: { 'If-Match': '"AAAAAAAAAAk="' } });
  assertError(stale, 412, 'PreconditionFailed');
  assert.deepStrictEqual((await request('GET', `/twins/${deviceId}?${V}`)).json, before);
});

test('REST: a registered id is taken, deletion wants If-Match', async () => {
  const deviceId = uniqueId('reg');
  const created = await request('PUT', `/devices/${deviceId}?${V}`, { body: { deviceId } });
  assert.strictEqual(created.status, 200);
  assert.ok(created.headers.etag);
  assertError(await request('PUT', `/devices/${deviceId}?${V}`, { body: { deviceId } }), 409, 'DeviceAlreadyExists');
  assertError(await request('DELETE', `/devices/${deviceId}?${V}`), 412, 'PreconditionFailed');
  assert.strictEqual((await request('DELETE', `/devices/${deviceId}?${V}`, { headers: { 'If-Match': '*' } })).status, 204);
  assertError(await request('GET', `/devices/${deviceId}?${V}`), 404, 'DeviceNotFound');
});

// Sends bytes to the MQTT port and answers what came back until the peer closed.
function bytesTo(port, bytes, secure, timeout = 20000) {
  return new Promise((resolve, reject) => {
    const received = [];
    const socket = secure ? tls.connect({ host, port, ca }, () => socket.write(bytes)) : net.connect({ host, port }, () => socket.write(bytes));
    socket.on('data', (chunk) => received.push(chunk));
    socket.on('error', () => {});
    socket.on('close', () => resolve(Buffer.concat(received)));
    socket.setTimeout(timeout, () => { socket.destroy(); reject(new Error('the port did not close the connection')); });
  });
}

function mqttString(text) {
  const bytes = Buffer.from(text);
  return Buffer.concat([Buffer.from([bytes.length >> 8, bytes.length & 255]), bytes]);
}

function connectPacket({ clientId, user, password, level = 4, protocol = 'MQTT' }) {
  const body = Buffer.concat([mqttString(protocol), Buffer.from([level, 0xc0, 0, 180]), mqttString(clientId), mqttString(user), mqttString(password)]);
  const length = [];
  let rest = body.length;
  do {
    length.push((rest & 127) | (rest > 127 ? 128 : 0));
    rest >>= 7;
  } while (rest > 0);
  return Buffer.concat([Buffer.from([0x10, ...length]), body]);
}

test('MQTT: what is not TLS is closed', async () => {
  await bytesTo(mqttsPort, Buffer.from('GET / HTTP/1.1\r\n\r\n'), false);
});

test('MQTT: garbage after the handshake is closed without an answer', async () => {
  assert.strictEqual((await bytesTo(mqttsPort, Buffer.from('this is not MQTT at all'), true)).length, 0);
  assert.strictEqual((await bytesTo(mqttsPort, Buffer.from([0xc0, 0x00]), true)).length, 0);
  assert.strictEqual((await bytesTo(mqttsPort, Buffer.from([0x10, 0xff, 0xff, 0xff, 0xff, 0x01]), true)).length, 0);
});

test('MQTT: wrong protocol levels and credentials get their CONNACK', async () => {
  const id = uniqueId('mqtt');
  const user = `${parts.HostName}/${id}/?api-version=2021-04-12`;
  const password = sasToken({ resource: `${parts.HostName}/devices/${id}`, policy: '' });
  const code = async (packet) => (await bytesTo(mqttsPort, connectPacket(packet), true)).toString('hex');
  assert.strictEqual(await code({ clientId: id, user, password, level: 3, protocol: 'MQIsdp' }), '20020001');
  assert.strictEqual(await code({ clientId: id, user, password }), '20020005'); // Unknown device.
  assert.strictEqual(await code({ clientId: 'other', user, password }), '20020002');
  assert.strictEqual(await code({ clientId: id, user: `elsewhere.example/${id}/?api-version=2021-04-12`, password }), '20020005');

  const created = await request('PUT', `/devices/${id}?${V}`, { body: { deviceId: id } });
  const key = created.json.authentication.symmetricKey.primaryKey;
  const wrong = sasToken({ resource: `${parts.HostName}/devices/${id}x`, policy: '', key });
  await waitFor('the device is known, and a token for another one refused',
    async () => (await code({ clientId: id, user, password: wrong })) === '20020005');
  const expired = sasToken({ resource: `${parts.HostName}/devices/${id}`, policy: '', key, expiry: 1000 });
  assert.strictEqual(await code({ clientId: id, user, password: expired }), '20020005');
});

test('MQTT: each client gets the chain that it can check, RSA from end to end or ECDSA', async () => {
  const keyOf = (sigalgs) => new Promise((resolve, reject) => {
    const socket = tls.connect({ host, port: mqttsPort, ca, sigalgs }, () => {
      const { asn1Curve, bits } = socket.getPeerCertificate();
      socket.destroy();
      resolve(asn1Curve || `RSA ${bits}`);
    });
    socket.on('error', reject);
  });
  assert.strictEqual(await keyOf('rsa_pss_rsae_sha256:rsa_pkcs1_sha256'), 'RSA 2048');
  assert.strictEqual(await keyOf('rsa_pss_rsae_sha256:ecdsa_secp256r1_sha256'), 'prime256v1'); // Whatever it prefers.
});
