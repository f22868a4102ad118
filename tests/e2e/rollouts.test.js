'use strict';
// What docs/jobs.md promises to operators, on a simulated fleet over gRPC: pace, pause, change, abort, retry, waiting, cancel.

const assert = require('node:assert');
const fs = require('node:fs');
const os = require('node:os');
const path = require('node:path');
const { after, before, test } = require('node:test');
const grpc = require('@grpc/grpc-js');
const { openService } = require('./lib/grpc_client');
const { uniqueId, waitFor } = require('./lib/hub');
const { startJsonLines } = require('./lib/processes');

const DEVICES = 200;
const PERMIT_MS = 1000; // How long an order may be under way: what Pause and Cancel wait for.
const scratch = fs.mkdtempSync(path.join(os.tmpdir(), 'fleetcast-rollouts-'));
const fleets = [];
let jobs;
let good; // Devices that answer 200.
let flawed; // Devices of which every second one answers 500.

// Starts a fleet and resolves when it is connected. `calls()` gives the method calls that its devices have received.
async function startFleet(name, devices, flags = []) {
  const prefix = uniqueId(name);
  const log = path.join(scratch, `${name}.jsonl`);
  let connected = 0;
  const fleet = startJsonLines(path.join(process.env.FLEETCAST_BIN_DIR, 'fleetsim'),
    ['--devices', String(devices), '--prefix', prefix, '--register', '--plain', '--log-calls', log, ...flags],
    (line) => { if (typeof line.connected === 'number') connected = line.connected; });
  fleets.push(fleet);
  await waitFor(`the fleet ${name} is connected`, () => connected >= devices, 60);
  const calls = (jobMethod) => (fs.existsSync(log) ? fs.readFileSync(log, 'utf8').split('\n').filter(Boolean)
    .map((line) => JSON.parse(line)).filter((call) => call.name === jobMethod) : []);
  return { condition: `STARTSWITH(deviceId, '${prefix}')`, calls };
}

// Each job calls a method of its own name, so that its calls can be told apart.
async function create(fleet, job = {}, action = {}) {
  const id = uniqueId('rollout');
  await jobs('CreateJob', { job: { id, condition: fleet.condition, invoke_method: { method: id, ...action }, ...job } });
  return id;
}

const read = async (id) => (await jobs('GetJob', { job_id: id })).job;

function untilEnd(id, seconds = 60) {
  return waitFor(`job ${id} ends`, async () => {
    const job = await read(id);
    return ['STATE_COMPLETED', 'STATE_FAILED', 'STATE_CANCELLED'].includes(job.state) ? job : undefined;
  }, seconds);
}

// Resolves after `ms`, during which `probe` must never fail.
async function holdsFor(ms, probe) {
  const end = Date.now() + ms;
  await waitFor('the time is over', () => { probe(); return Date.now() >= end; }, ms / 1000 + 10);
}

before(async () => {
  jobs = await openService(process.env.FLEETCAST_GRPC_JOBS, 'fleetcast.jobs.v1.JobService');
  good = await startFleet('good', DEVICES);
  flawed = await startFleet('flawed', DEVICES, ['--method-fail-share', '0.5']);
});

after(async () => {
  await Promise.all(fleets.map((fleet) => fleet.stop()));
  fs.rmSync(scratch, { recursive: true, force: true });
});

test('a dry run says how many match and are connected', async () => {
  const dry = await jobs('CreateJob', { job: { id: uniqueId('dry'), condition: good.condition, invoke_method: { method: 'm' } },
    validate_only: true });
  assert.strictEqual(dry.matching_devices, DEVICES);
  assert.strictEqual(dry.connected_devices, DEVICES);
  assert.strictEqual(dry.sample_device_ids.length, 10);
});

test('a constant rate is kept within a tenth', async () => {
  const perMinute = 1200;
  const id = await create(good, { rollout: { maximum_per_minute: perMinute } });
  const job = await untilEnd(id);
  assert.strictEqual(job.statistics.succeeded, DEVICES);
  const times = good.calls(id).map((call) => Date.parse(call.time)).sort((a, b) => a - b);
  assert.strictEqual(times.length, DEVICES);
  const measured = (DEVICES - 1) / ((times.at(-1) - times[0]) / 60000);
  assert.ok(Math.abs(measured - perMinute) <= perMinute / 10, `${measured.toFixed(0)} a minute instead of ${perMinute}`);
});

test('nothing reaches a device after the answer to pause, and resume goes on', async () => {
  const id = await create(good, { rollout: { maximum_per_minute: 1200 } });
  await waitFor('some devices were called', () => good.calls(id).length >= 20);
  const paused = (await jobs('PauseJob', { job_id: id })).job;
  assert.strictEqual(paused.state, 'STATE_RUNNING');
  assert.ok(paused.pause_time);
  const called = good.calls(id).length;
  assert.ok(called < DEVICES, 'the job was over before the pause: nothing was tested');
  await holdsFor(2 * PERMIT_MS, () => assert.strictEqual(good.calls(id).length, called));
  assert.ok(!(await jobs('ResumeJob', { job_id: id })).job.pause_time);
  const job = await untilEnd(id);
  assert.strictEqual(job.statistics.succeeded, DEVICES);
  assert.strictEqual(good.calls(id).length, DEVICES);
});

test('a new rate holds while the job runs', async () => {
  const id = await create(good, { rollout: { maximum_per_minute: 60 } });
  await waitFor('a device was called', () => good.calls(id).length >= 1);
  const { job } = await jobs('UpdateJob', { job: { id, rollout: { maximum_per_minute: 12000 } }, update_mask: { paths: ['rollout'] } });
  assert.strictEqual(job.rollout.maximum_per_minute, 12000);
  const ended = await untilEnd(id, 30); // At the old rate it would take 200 s.
  assert.strictEqual(ended.statistics.succeeded, DEVICES);
});

test('too many device errors stop a job by themselves', async () => {
  const id = await create(flawed, { rollout: { maximum_per_minute: 1200,
    abort_criteria: [{ failure_type: 'FAILURE_TYPE_DEVICE_ERROR', threshold_percentage: 20, min_number_of_executed_devices: 20 }] } });
  const job = await untilEnd(id);
  assert.strictEqual(job.state, 'STATE_CANCELLED');
  assert.match(job.failure_reason, /^Aborted: \d+ of \d+ finished devices answered with an error/);
  assert.ok(job.statistics.device_errors >= 4, JSON.stringify(job.statistics));
  assert.ok(job.statistics.canceled > 0, JSON.stringify(job.statistics));
  const s = job.statistics;
  assert.strictEqual(s.succeeded + s.failed + s.timed_out + s.canceled, s.total);
  await holdsFor(PERMIT_MS, () => assert.ok(flawed.calls(id).length <= s.total - s.canceled));
});

test('a retry is a new job over the devices that did not succeed', async () => {
  const first = await create(flawed);
  const ended = await untilEnd(first);
  assert.ok(ended.statistics.device_errors > 0);
  const again = uniqueId('again');
  const { job } = await jobs('RetryJob', { job_id: first, new_job_id: again, device_errors: true });
  assert.strictEqual(job.retried_job_id, first);
  const retried = await untilEnd(again);
  assert.strictEqual(retried.statistics.total, ended.statistics.device_errors + ended.statistics.failed + ended.statistics.timed_out);
  const none = uniqueId('none');
  await jobs('RetryJob', { job_id: first, new_job_id: none, states: ['STATE_CANCELED'] });
  assert.strictEqual((await untilEnd(none)).statistics.total, 0);
});

test('a waiting job reaches a device when it connects', async () => {
  const prefix = uniqueId('late');
  const flags = ['--devices', '1', '--prefix', prefix, '--register', '--plain', '--group-key', Buffer.alloc(32, 7).toString('base64')];
  const binary = path.join(process.env.FLEETCAST_BIN_DIR, 'fleetsim');
  let connected = 0;
  const first = startJsonLines(binary, flags, (line) => { if (typeof line.connected === 'number') connected = line.connected; });
  await waitFor('the device is known', () => connected >= 1);
  await first.stop();
  const late = { condition: `STARTSWITH(deviceId, '${prefix}')` };
  const dry = () => jobs('CreateJob', { job: { id: 'dry', condition: late.condition, invoke_method: { method: 'm' } }, validate_only: true });
  await waitFor('the device is away', async () => (await dry()).connected_devices === 0);
  const id = await create(late, {}, { offline_policy: 'OFFLINE_POLICY_WAIT' });
  await waitFor('the job runs', async () => (await read(id)).state === 'STATE_RUNNING');
  fleets.push(startJsonLines(binary, flags, () => {}));
  const job = await untilEnd(id);
  assert.strictEqual(job.statistics.succeeded, 1, JSON.stringify(job.statistics));
});

test('cancel with reject leaves a running job alone and stops one that waits', async () => {
  const id = await create(good, { rollout: { maximum_per_minute: 60 } });
  await waitFor('the job runs', async () => (await read(id)).state === 'STATE_RUNNING');
  await assert.rejects(jobs('CancelJob', { job_id: id, reject_running: true }), (error) => error.code === grpc.status.FAILED_PRECONDITION);
  assert.strictEqual((await read(id)).state, 'STATE_RUNNING');
  await jobs('CancelJob', { job_id: id });
  assert.strictEqual((await untilEnd(id)).state, 'STATE_CANCELLED');
  const called = good.calls(id).length;
  await holdsFor(PERMIT_MS, () => assert.strictEqual(good.calls(id).length, called));
  const later = await create(good, { start_time: { seconds: Math.floor(Date.now() / 1000) + 3600 } });
  assert.strictEqual((await jobs('CancelJob', { job_id: later, reject_running: true })).job.state, 'STATE_CANCELLED');
});
