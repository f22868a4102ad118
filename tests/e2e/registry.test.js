'use strict';
// The registry with the unmodified azure-iothub client: devices, modules, bulk changes, thumbprints, statistics, twins of
// modules; over raw HTTPS what the client does not show; import and export with the command line.

const assert = require('node:assert');
const { execFile } = require('node:child_process');
const crypto = require('node:crypto');
const fs = require('node:fs');
const os = require('node:os');
const path = require('node:path');
const { after, test } = require('node:test');
const { Registry } = require('azure-iothub');
const { connectionString, request, skipWithoutSdkPorts, uniqueId, waitFor } = require('./lib/hub');

const skip = skipWithoutSdkPorts;
const V = 'api-version=2021-04-12';
const registry = Registry.fromConnectionString(connectionString);
const prefix = uniqueId('reg');
const made = [];

function id(name) {
  const full = `${prefix}-${name}`;
  made.push(full);
  return full;
}

// The SDK wraps what the service said, differently from class to class.
const said = (answer) => answer.responseBody || answer.result || answer;
const thumbprint = (text) => crypto.createHash('sha256').update(text).digest('hex');

// Runs the command line against the running Fleetcast (FLEETCAST_GRPC_TWINS).
const commandLine = (words) => new Promise((resolve) => {
  const program = path.join(process.env.FLEETCAST_BIN_DIR || path.join(__dirname, '../../build/release/bin'), 'fleetcast');
  execFile(program, words, (error, stdout, stderr) => resolve({ code: error ? error.code : 0, stdout, stderr }));
});

after(async () => {
  for (const deviceId of made) await request('DELETE', `/devices/${encodeURIComponent(deviceId)}?${V}`, { headers: { 'If-Match': '*' } });
});

test('a device is created, read, updated, listed and deleted', { skip }, async () => {
  const deviceId = `!${id('one')}`; // A list holds the first thousand in order of id: other tests register more.
  made.push(deviceId);
  const created = said(await registry.create({ deviceId, status: 'enabled', capabilities: { iotEdge: true } }));
  assert.strictEqual(Buffer.from(created.authentication.symmetricKey.primaryKey, 'base64').length, 32);
  assert.strictEqual(created.capabilities.iotEdge, true);
  await assert.rejects(registry.create({ deviceId }), { name: 'DeviceAlreadyExistsError' });

  const read = said(await registry.get(deviceId));
  assert.strictEqual(read.authentication.symmetricKey.primaryKey, created.authentication.symmetricKey.primaryKey);
  assert.match(read.deviceScope, new RegExp(`^ms-azure-iot-edge://${deviceId}-`));
  const updated = said(await registry.update({ ...JSON.parse(JSON.stringify(read)), status: 'disabled', statusReason: 'lost' }));
  assert.strictEqual(updated.statusReason, 'lost');
  assert.notStrictEqual(updated.etag, read.etag);
  assert.notStrictEqual(updated.statusUpdatedTime, '0001-01-01T00:00:00Z');
  assert.strictEqual(updated.authentication.symmetricKey.primaryKey, read.authentication.symmetricKey.primaryKey);

  const listed = said(await registry.list()).find((device) => device.deviceId === deviceId);
  assert.strictEqual(listed.status, 'disabled');
  assert.strictEqual(listed.authentication.symmetricKey.primaryKey, null, 'a list holds no keys');

  await registry.delete(deviceId);
  await assert.rejects(registry.get(deviceId), { name: 'DeviceNotFoundError' });
});

test('an update without authentication mints new keys, one with an old etag is refused', { skip }, async () => {
  const deviceId = id('etag');
  const created = said(await registry.create({ deviceId }));
  const put = (body, ifMatch) => request('PUT', `/devices/${deviceId}?${V}`, { body, headers: { 'If-Match': ifMatch } });
  const minted = await put({ deviceId }, `"${created.etag}"`);
  assert.strictEqual(minted.status, 200);
  assert.notStrictEqual(minted.json.authentication.symmetricKey.primaryKey, created.authentication.symmetricKey.primaryKey);
  const stale = await put({ deviceId }, `"${created.etag}"`);
  assert.strictEqual(stale.status, 412);
  assert.strictEqual(stale.headers['iothub-errorcode'], 'PreconditionFailed');
  assert.strictEqual((await request('DELETE', `/devices/${deviceId}?${V}`)).status, 412);
});

test('certificates: thumbprints are kept as given, a signed one needs none', { skip }, async () => {
  const selfSigned = id('self');
  const created = said(await registry.create({ deviceId: selfSigned, authentication: {
    type: 'selfSigned', x509Thumbprint: { primaryThumbprint: thumbprint('a').toUpperCase(), secondaryThumbprint: thumbprint('b').slice(0, 40) } } }));
  assert.strictEqual(created.authentication.type, 'selfSigned');
  assert.strictEqual(created.authentication.x509Thumbprint.primaryThumbprint, thumbprint('a').toUpperCase());
  const twin = said(await registry.getTwin(selfSigned));
  assert.strictEqual(twin.authenticationType, 'selfSigned');
  assert.strictEqual(twin.x509Thumbprint.secondaryThumbprint, thumbprint('b').slice(0, 40));
  await assert.rejects(registry.create({ deviceId: id('bad'), authentication: {
    type: 'selfSigned', x509Thumbprint: { primaryThumbprint: 'AA:BB', secondaryThumbprint: '' } } }), { name: 'ArgumentError' });
  const signed = said(await registry.create({ deviceId: id('signed'), authentication: { type: 'certificateAuthority' } }));
  assert.strictEqual(signed.authentication.type, 'certificateAuthority');
  assert.strictEqual(signed.authentication.symmetricKey.primaryKey, null);
});

test('bulk: add, update, remove, each for itself', { skip }, async () => {
  const devices = ['b1', 'b2', 'b3'].map((name) => ({ deviceId: id(name) }));
  const added = said(await registry.addDevices(devices));
  assert.deepStrictEqual({ ok: added.isSuccessful, errors: added.errors }, { ok: true, errors: [] });
  await assert.rejects(registry.addDevices([devices[0], { deviceId: id('b4') }]));
  assert.strictEqual(said(await registry.get(`${prefix}-b4`)).status, 'enabled', 'what could be added was');

  const failed = await request('POST', `/devices?${V}`, { body: [{ id: devices[0].deviceId, importMode: 'create' }] });
  assert.strictEqual(failed.status, 400);
  assert.strictEqual(failed.headers.iothuberrorcode, 'BulkRegistryOperationFailure');
  assert.strictEqual(failed.json.errors[0].errorCode, 'DeviceAlreadyExists');

  await registry.updateDevices(devices.map((device) => ({ ...device, status: 'disabled' })), true);
  assert.strictEqual(said(await registry.get(devices[2].deviceId)).status, 'disabled');
  await registry.removeDevices(devices.map((device) => ({ deviceId: device.deviceId, etag: '*' })), true);
  await assert.rejects(registry.get(devices[1].deviceId), { name: 'DeviceNotFoundError' });
});

test('modules: identities and twins of their own that go with their device', { skip }, async () => {
  const deviceId = id('parent');
  await assert.rejects(registry.addModule({ deviceId, moduleId: 'm' }), { name: 'DeviceNotFoundError' });
  await registry.create({ deviceId });
  const added = said(await registry.addModule({ deviceId, moduleId: 'm', managedBy: 'me' }));
  assert.strictEqual(added.managedBy, 'me');
  assert.strictEqual(Buffer.from(added.authentication.symmetricKey.primaryKey, 'base64').length, 32);
  await assert.rejects(registry.addModule({ deviceId, moduleId: 'm' }), /ModuleAlreadyExistsOnDevice|already/);
  await assert.rejects(registry.addModule({ deviceId, moduleId: '$edgeAgent' }), { name: 'ArgumentError' });

  const read = said(await registry.getModule(deviceId, 'm'));
  assert.strictEqual(read.authentication.symmetricKey.secondaryKey, added.authentication.symmetricKey.secondaryKey);
  const updated = said(await registry.updateModule({ ...JSON.parse(JSON.stringify(read)), managedBy: 'you' }, true));
  assert.strictEqual(updated.managedBy, 'you');
  await registry.addModule({ deviceId, moduleId: 'n' });
  const modules = said(await registry.getModulesOnDevice(deviceId));
  assert.deepStrictEqual(modules.map((module) => module.moduleId), ['m', 'n']);

  const twin = said(await registry.getModuleTwin(deviceId, 'm'));
  assert.strictEqual(twin.moduleId, 'm');
  assert.strictEqual(twin.version, 2);
  const patched = said(await registry.updateModuleTwin(deviceId, 'm', { tags: { a: 1 }, properties: { desired: { b: 2 } } }, twin.etag));
  assert.strictEqual(patched.properties.desired.$version, 2);
  assert.deepStrictEqual(said(await registry.getTwin(deviceId)).tags, {}, 'the device has a twin of its own');

  const found = said(await registry.createQuery(`SELECT * FROM devices.modules WHERE deviceId = '${deviceId}' AND tags.a = 1`).next());
  assert.deepStrictEqual((found.result || found).map((row) => row.moduleId), ['m']);

  await registry.removeModule(deviceId, 'n');
  await registry.delete(deviceId);
  assert.strictEqual((await request('GET', `/twins/${deviceId}/modules/m?${V}`)).status, 404);
  await registry.create({ deviceId });
  assert.deepStrictEqual(said(await registry.getModulesOnDevice(deviceId)), []);
});

test('statistics count what is there', { skip }, async () => {
  const { json: devices } = await request('POST', `/devices/query?${V}`, { body: { query: 'SELECT COUNT() AS n FROM devices' } });
  const before = await waitFor('earlier changes are counted', async () => {
    const counted = said(await registry.getRegistryStatistics());
    return counted.totalDeviceCount === devices[0].n ? counted : undefined;
  });
  await registry.create({ deviceId: id('counted'), status: 'disabled' });
  await waitFor('the device is counted', async () => {
    const now = said(await registry.getRegistryStatistics());
    return now.totalDeviceCount === before.totalDeviceCount + 1 && now.disabledDeviceCount === before.disabledDeviceCount + 1;
  });
});

test('import and export jobs over blob containers say what there is instead', async () => {
  const answer = await request('POST', `/jobs/create?${V}`, { body: { type: 'export', outputBlobContainerUri: 'https://x.example/c?sig=s' } });
  assert.strictEqual(answer.status, 403);
  assert.strictEqual(answer.headers['iothub-errorcode'], 'OperationNotAvailableInCurrentTier');
  assert.match(answer.json.Message, /fleetcast device export/);
  assert.deepStrictEqual((await request('GET', `/jobs?${V}`)).json, []);
});

test('the command line exports a hub and puts it back', async () => {
  const work = fs.mkdtempSync(path.join(os.tmpdir(), 'fleetcast-registry-'));
  const file = path.join(work, 'in.ndjson');
  const lines = [];
  for (let i = 0; i < 1500; ++i) {
    const deviceId = id(`imp-${String(i).padStart(4, '0')}`);
    lines.push(JSON.stringify({ id: deviceId, tags: { i }, properties: { desired: { d: 1.5 }, reported: { r: [i] } } }));
    if (i % 100 === 0) lines.push(JSON.stringify({ id: deviceId, moduleId: 'm', tags: { m: i } }));
  }
  fs.writeFileSync(file, `${lines.join('\n')}\nnot json\n`);
  const imported = await commandLine(['device', 'import', file]);
  assert.strictEqual(imported.code, 1);
  assert.match(imported.stderr, /1,516 lines .* 1,515 created, 0 updated, 0 unchanged, 0 deleted, 1 failed/);
  assert.match(imported.stderr, /line 1516: INVALID_JSON/);

  const out = path.join(work, 'out.ndjson');
  assert.strictEqual((await commandLine(['device', 'export', out])).code, 0);
  assert.strictEqual(fs.statSync(out).mode & 0o777, 0o600);
  const exported = fs.readFileSync(out, 'utf8').split('\n').filter((line) => line.includes(`"${prefix}-imp-`));
  assert.strictEqual(exported.length, 1515);
  const first = JSON.parse(exported[0]);
  assert.strictEqual(first.properties.reported.$version, 2);
  assert.strictEqual(first.authentication.symmetricKey.primaryKey.length, 44);
  assert.ok(exported.every((line) => line.includes('"d":1.5') || line.includes('"moduleId":"m"')));

  const again = await commandLine(['device', 'import', out]);
  assert.strictEqual(again.code, 0);
  assert.match(again.stderr, / 0 created, 0 updated, [\d,]+ unchanged, 0 deleted, 0 failed/);

  const dropped = path.join(work, 'drop.ndjson');
  fs.writeFileSync(dropped, lines.filter((line) => !line.includes('moduleId')).map((line) => `{"id":"${JSON.parse(line).id}","importMode":"delete"}\n`).join(''));
  assert.match((await commandLine(['device', 'import', dropped])).stderr, / 1,500 deleted, 0 failed/);
  fs.rmSync(work, { recursive: true });
});

test('the command line knows modules', async () => {
  const deviceId = id('cli');
  await commandLine(['device', 'create', deviceId]);
  const created = await commandLine(['module', 'create', `${deviceId}/m`, '--managed-by', 'me', '-o', 'json']);
  assert.strictEqual(JSON.parse(created.stdout).primaryKey.length, 44);
  assert.match((await commandLine(['module', 'list', deviceId])).stdout, /m +me +no/);
  await commandLine(['twin', 'update', `${deviceId}/m`, '--desired', '{"a":1}']);
  assert.strictEqual(JSON.parse((await commandLine(['twin', 'get', `${deviceId}/m`, '-o', 'jsonl'])).stdout).properties.desired.a, 1);
  assert.strictEqual((await commandLine(['module', 'delete', `${deviceId}/m`])).code, 0);
  const gone = await commandLine(['module', 'get', `${deviceId}/m`]);
  assert.deepStrictEqual({ code: gone.code, isNamed: gone.stderr.includes('MODULE_NOT_FOUND') }, { code: 1, isNamed: true });
});

test('no key stands in a log', async () => {
  const deviceId = id('secret');
  const created = (await request('PUT', `/devices/${deviceId}?${V}`, { body: { deviceId } })).json;
  const secrets = Object.values(created.authentication.symmetricKey);
  await request('PUT', `/devices/${deviceId}?${V}`, { body: { deviceId, authentication: { type: 'sas', symmetricKey: { primaryKey: 'c2VjcmV0LWNhbmFyeQ==', secondaryKey: '' } } }, headers: { 'If-Match': '*' } });
  const logs = path.join(process.env.FLEETCAST_DATA_DIR, 'logs');
  for (const name of fs.readdirSync(logs)) {
    const text = fs.readFileSync(path.join(logs, name), 'utf8');
    for (const secret of [...secrets, 'c2VjcmV0LWNhbmFyeQ==']) assert.ok(!text.includes(secret), `${name} holds a key`);
  }
});
