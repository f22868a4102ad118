'use strict';
// The test vectors of the query language (libs/query/testdata/vectors.json), through REST and gRPC, and what the wire adds to
// queries: item types, pages, tokens, errors with their place.

const assert = require('node:assert');
const fs = require('node:fs');
const path = require('node:path');
const { after, before, test } = require('node:test');
const { openDoorDevice } = require('./lib/door_device');
const { openService } = require('./lib/grpc_client');
const { deviceConnectionString, request, skipWithoutSdkPorts, uniqueId, waitFor } = require('./lib/hub');

const V = 'api-version=2021-04-12';
const skip = skipWithoutSdkPorts;
const vectors = JSON.parse(fs.readFileSync(path.join(__dirname, '../../libs/query/testdata/vectors.json'), 'utf8'));
const ids = vectors.documents.map((document) => document.deviceId);
const list = ids.map((id) => `'${id}'`).join(', ');
let twins;

async function rest(query, headers = {}) {
  return request('POST', `/devices/query?${V}`, { body: { query }, headers });
}

// A device whose twin is `document`: tags from the service, reported properties from the device itself.
async function makeTwin(document) {
  const id = document.deviceId;
  const created = await request('PUT', `/devices/${id}?${V}`, { body: { deviceId: id } });
  assert.strictEqual(created.status, 200, created.text);
  const tagged = await request('PATCH', `/twins/${id}?${V}`, { body: { tags: document.tags } });
  assert.strictEqual(tagged.status, 200, tagged.text);
  if (Object.keys(document.properties.reported).length === 0) return;
  const device = await openDoorDevice(deviceConnectionString(id, created.json.authentication.symmetricKey.primaryKey));
  await new Promise((resolve, reject) => {
    device.twin.properties.reported.update(document.properties.reported, (error) => (error ? reject(error) : resolve()));
  });
  await device.close();
}

before(async () => {
  if (skip) return;
  twins = await openService(process.env.FLEETCAST_GRPC_TWINS, 'fleetcast.twins.v1.TwinService');
  for (const document of vectors.documents) await makeTwin(document);
  await waitFor('the report is stored', async () => {
    const { json } = await rest(`SELECT deviceId FROM devices WHERE deviceId IN [${list}] AND IS_DEFINED(properties.reported.list)`);
    return json.length === 1;
  });
});

after(async () => {
  if (skip) return;
  for (const id of ids) await request('DELETE', `/devices/${id}?${V}`, { headers: { 'If-Match': '*' } });
});

test('every vector, through REST and gRPC', { skip }, async () => {
  for (const { text, matches } of vectors.conditions) {
    const query = `SELECT deviceId FROM devices WHERE deviceId IN [${list}] AND (${text})`;
    const answer = await rest(query);
    assert.strictEqual(answer.status, 200, `${text}: ${answer.text}`);
    assert.deepStrictEqual(answer.json.map((row) => row.deviceId), matches, text);
    const { rows } = await twins('QueryTwins', { query });
    assert.deepStrictEqual(rows.map((row) => JSON.parse(row).deviceId), matches, text);
  }
});

test('every text that must be refused is, with its place', { skip }, async () => {
  for (const query of vectors.refused) {
    const answer = await rest(query);
    assert.strictEqual(answer.status, 400, query);
    assert.strictEqual(answer.headers['iothub-errorcode'], query === '' ? 'ArgumentNull' : 'ArgumentInvalid', query);
    if (query !== '') assert.match(answer.text, /Line 1:\d+/, query);
    await assert.rejects(twins('QueryTwins', { query }), /Line 1:\d+/, query);
  }
});

test('item types, rows and groups', { skip }, async () => {
  const where = `WHERE deviceId IN [${list}]`;
  const whole = await rest(`SELECT * FROM devices ${where}`);
  assert.strictEqual(whole.headers['x-ms-item-type'], 'Twin');
  assert.deepStrictEqual(whole.json.map((twin) => twin.deviceId), ids);
  const raw = await rest(`SELECT DeviceId, tags.site AS place, tags FROM devices ${where}`);
  assert.strictEqual(raw.headers['x-ms-item-type'], 'Raw');
  assert.deepStrictEqual(raw.json, [{ deviceId: 'd1', place: 'munich', tags: vectors.documents[0].tags }, { deviceId: 'd2' }]);
  const counted = await rest(`SELECT COUNT() AS n, SUM(tags.floor) AS s, MAX(tags.site) FROM devices ${where}`);
  assert.deepStrictEqual(counted.json, [{ n: 2, s: 2, $1: 'munich' }]);
  const grouped = await rest(`SELECT tags.site, COUNT() AS n FROM devices ${where} GROUP BY tags.site`);
  assert.deepStrictEqual(grouped.json, [{ site: 'munich', n: 1 }, { n: 1 }]);
});

test('pages, TOP over pages, and tokens of other queries', { skip }, async () => {
  const query = `SELECT TOP 2 deviceId FROM devices WHERE deviceId IN [${list}]`;
  const first = await rest(query, { 'x-ms-max-item-count': '1' });
  assert.deepStrictEqual(first.json, [{ deviceId: 'd1' }]);
  const token = first.headers['x-ms-continuation'];
  assert.ok(token);
  const second = await rest(query, { 'x-ms-max-item-count': '1', 'x-ms-continuation': token });
  assert.deepStrictEqual(second.json, [{ deviceId: 'd2' }]);
  assert.strictEqual(second.headers['x-ms-continuation'], undefined);
  const foreign = await rest(`${query} AND true`, { 'x-ms-continuation': token });
  assert.strictEqual(foreign.status, 400);
  assert.strictEqual(foreign.headers['iothub-errorcode'], 'ArgumentInvalid');
});

test('job records: one job, all jobs, counts', { skip }, async () => {
  const jobId = uniqueId('q');
  const created = await request('PUT', `/jobs/v2/${jobId}?${V}`, {
    body: { jobId, type: 'scheduleUpdateTwin', updateTwin: { etag: '*', tags: { job: 1 } }, queryCondition: `deviceId IN [${list}]` },
  });
  assert.strictEqual(created.status, 200, created.text);
  const ofJob = `devices.jobs.jobId = '${jobId}'`;
  await waitFor('the job has ended', async () => {
    const { json } = await rest(`SELECT * FROM devices.jobs WHERE ${ofJob} AND devices.jobs.status = 'completed'`);
    return json.length === ids.length;
  });
  const all = await rest(`SELECT deviceId FROM devices.jobs WHERE ${ofJob} OR deviceId = 'nobody'`);
  assert.strictEqual(all.headers['x-ms-item-type'], 'Raw');
  assert.deepStrictEqual(all.json.map((row) => row.deviceId).sort(), ids);
  const counts = await rest(`SELECT status, COUNT() AS n FROM devices.jobs WHERE ${ofJob} GROUP BY status`);
  assert.deepStrictEqual(counts.json, [{ status: 'completed', n: ids.length }]);
});
