'use strict';
// kill -9 of the scheduler in the middle of a job over 2,000 devices: the job completes, each device has exactly one outcome,
// and no device was called twice.

const assert = require('node:assert');
const fs = require('node:fs');
const os = require('node:os');
const path = require('node:path');
const { after, before, test } = require('node:test');
const { request, uniqueId, waitFor } = require('./lib/hub');
const { pidsNow, startJsonLines } = require('./lib/processes');

const V = 'api-version=2021-04-12';
const DEVICES = 2000;
const prefix = uniqueId('fault');
const scratch = fs.mkdtempSync(path.join(os.tmpdir(), 'fleetcast-fault-'));
const callLog = path.join(scratch, 'calls.jsonl');
let fleet;
let connected = 0;

function devicesCalled() {
  return fs.readFileSync(callLog, 'utf8').split('\n').filter(Boolean).map((line) => JSON.parse(line).device);
}

async function readAllRows(jobId) {
  const rows = [];
  let continuation;
  do {
    const headers = { 'x-ms-max-item-count': '100' };
    if (continuation) headers['x-ms-continuation'] = continuation;
    const page = await request('POST', `/devices/query?${V}`,
      { body: { query: `SELECT * FROM devices.jobs WHERE devices.jobs.jobId = '${jobId}'` }, headers });
    assert.strictEqual(page.status, 200, page.text);
    rows.push(...page.json);
    continuation = page.headers['x-ms-continuation'];
  } while (continuation);
  return rows;
}

before(async () => {
  const binary = path.join(process.env.FLEETCAST_BIN_DIR, 'fleetsim');
  fleet = startJsonLines(binary, ['--devices', String(DEVICES), '--prefix', prefix, '--register', '--method-delay', '3s',
    '--log-calls', callLog], (line) => { if (typeof line.connected === 'number') connected = line.connected; });
  await waitFor('the fleet is connected', () => connected >= DEVICES, 120);
});

after(async () => {
  if (fleet) await fleet.stop();
  fs.rmSync(scratch, { recursive: true, force: true });
});

test('kill -9 of the scheduler in the middle of a method job', { timeout: 240000 }, async () => {
  const jobId = uniqueId('crash');
  const put = await request('PUT', `/jobs/v2/${jobId}?${V}`, { body: { jobId, type: 'scheduleDeviceMethod',
    cloudToDeviceMethod: { methodName: 'lockDoor', payload: { n: 1 }, responseTimeoutInSeconds: 30 },
    queryCondition: `STARTSWITH(deviceId, '${prefix}')`, maxExecutionTimeInSeconds: 300 } });
  assert.strictEqual(put.status, 200, put.text);

  // Devices answer three seconds after they are called: when the first calls have arrived, no outcome is known, and some devices
  // may not have been called at all.
  const victim = pidsNow().scheduler;
  await waitFor('some devices were called', () => fs.existsSync(callLog) && devicesCalled().length >= 1, 60, 2);
  process.kill(victim, 'SIGKILL');
  const calledAtKill = devicesCalled().length;
  const atKill = await request('GET', `/jobs/v2/${jobId}?${V}`);
  assert.strictEqual(atKill.json.status, 'running', 'the job was over before the kill: nothing was tested');
  assert.strictEqual(atKill.json.deviceJobStatistics.succeededCount, 0);
  await waitFor('a new scheduler runs', () => { const now = pidsNow().scheduler; return now && now !== victim; }, 30);

  const job = await waitFor('the job ends', async () => {
    const read = await request('GET', `/jobs/v2/${jobId}?${V}`);
    const s = read.json.deviceJobStatistics;
    if (s) assert.strictEqual(s.succeededCount + s.failedCount + s.runningCount + s.pendingCount, s.deviceCount);
    return read.json.status === 'completed' ? read.json : undefined;
  }, 120);
  assert.strictEqual(job.deviceJobStatistics.deviceCount, DEVICES);

  const rows = await readAllRows(jobId);
  assert.strictEqual(rows.length, DEVICES);
  assert.strictEqual(new Set(rows.map((row) => row.deviceId)).size, DEVICES);
  assert.ok(rows.every((row) => row.status === 'completed' || row.status === 'failed'));
  const called = devicesCalled();
  assert.strictEqual(new Set(called).size, called.length, 'a device was called twice');
  const succeeded = rows.filter((row) => row.status === 'completed').map((row) => row.deviceId);
  const reached = new Set(called);
  assert.ok(succeeded.every((id) => reached.has(id)), 'success without a call');
  console.log(`called before the kill: ${calledAtKill}; succeeded ${succeeded.length}, outcome unknown ${DEVICES - succeeded.length}`);
});
