'use strict';
// What docs/jobs.md promises to operators, on simulated fleets over gRPC: pace, cap, pause, change, abort, retries, waiting, cancel,
// dry run, watch. The evidence is what the devices received (fleetsim's call log), not what the services say of themselves.

const assert = require('node:assert');
const fs = require('node:fs');
const os = require('node:os');
const path = require('node:path');
const { after, before, test } = require('node:test');
const grpc = require('@grpc/grpc-js');
const { openService } = require('./lib/grpc_client');
const { host, request, uniqueId, waitFor } = require('./lib/hub');
const { commandLine, metricOf, pidsNow, startJsonLines } = require('./lib/processes');

const DEVICES = 200;
const PERMIT_MS = 1000; // How long an order may be under way: what Pause and Cancel wait for.
const SLOW_MS = 1500; // How long the devices of `slow` take to answer.
const STALL_MS = 500; // How long a machine with other work may keep one of the processes waiting.
const SILENT = 2000;
const FEW = 10;
const scratch = fs.mkdtempSync(path.join(os.tmpdir(), 'fleetcast-rollouts-'));
const programs = []; // What is to be stopped at the end.
let jobs;
let good; // Devices that answer 200.
let flawed; // Devices of which every second one answers 500.

// Starts fleetsim and resolves when all devices are connected.
async function connectFleet(prefix, devices, flags = []) {
  let connected = 0;
  const fleet = startJsonLines(path.join(process.env.FLEETCAST_BIN_DIR, 'fleetsim'),
    ['--devices', String(devices), '--prefix', prefix, '--register', '--plain', '--connect-rate', '2000', ...flags],
    (line) => { if (typeof line.connected === 'number') connected = line.connected; });
  programs.push(fleet);
  await waitFor(`the fleet ${prefix} is connected`, () => connected >= devices, 60);
  return fleet;
}

// A fleet with a call log. `calls(method)` gives the calls of that method that its devices have received.
async function startFleet(name, devices, flags = []) {
  const prefix = uniqueId(name);
  const log = path.join(scratch, `${name}.jsonl`);
  await connectFleet(prefix, devices, ['--log-calls', log, ...flags]);
  const calls = (jobMethod) => (fs.existsSync(log) ? fs.readFileSync(log, 'utf8').split('\n').slice(0, -1)
    .map((line) => JSON.parse(line)).filter((call) => call.name === jobMethod) : []);
  return { condition: `STARTSWITH(deviceId, '${prefix}')`, calls };
}

// The details of a gRPC error as text: google.rpc.ErrorInfo has its reason in clear.
const detailsOf = (error) => error.metadata.get('grpc-status-details-bin')[0].toString('latin1');

// What the ids of all calls of one execution begin with: all but the last 16 bits.
const prefixOf = (rid) => rid.slice(0, -4);

// Instants of calls in milliseconds, ascending.
const timesOf = (calls) => calls.map((call) => Date.parse(call.time)).sort((a, b) => a - b);

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

async function executionsOf(id) {
  const { executions } = await jobs('ListExecutions', { job_id: id, page_size: 1000 });
  return executions;
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
  await Promise.all(programs.map((program) => program.stop()));
  fs.rmSync(scratch, { recursive: true, force: true });
});

test('a dry run says how many match and are connected', async () => {
  const ask = () => jobs('CreateJob', { job: { id: uniqueId('dry'), condition: good.condition, invoke_method: { method: 'm' } },
    validate_only: true });
  // Who is connected is written in batches, a moment after the fact.
  const dry = await waitFor('all are counted as connected', async () => {
    const answer = await ask();
    return answer.connected_devices === DEVICES && answer;
  });
  assert.strictEqual(dry.matching_devices, DEVICES);
  assert.strictEqual(dry.sample_device_ids.length, 10);
});

test('a constant rate is kept within a tenth, and a stall', async () => {
  const perMinute = 2400;
  const id = await create(good, { rollout: { maximum_per_minute: perMinute } });
  const job = await untilEnd(id);
  assert.strictEqual(job.statistics.succeeded, DEVICES);
  const times = timesOf(good.calls(id));
  assert.strictEqual(times.length, DEVICES);
  const expected = (DEVICES - 1) * 60000 / perMinute; // Milliseconds from the first to the last device.
  const measured = times.at(-1) - times[0];
  assert.ok(Math.abs(measured - expected) <= expected / 10 + STALL_MS, `${measured} ms instead of ${expected}`);
});

test('a ramp doubles the rate with every fifty devices', async () => {
  const step = 50;
  const id = await create(good, { rollout: { exponential_rate: { base_rate_per_minute: 1200, increment_factor: 2,
    number_of_notified_devices: step } } });
  const job = await untilEnd(id);
  assert.strictEqual(job.statistics.succeeded, DEVICES);
  const times = timesOf(good.calls(id));
  for (let stage = 0; stage < DEVICES / step; stage += 1) {
    const expected = (step - 1) * 1000 / (20 * 2 ** stage); // Milliseconds from the first to the last device of the stage.
    const measured = times[(stage + 1) * step - 1] - times[stage * step];
    assert.ok(Math.abs(measured - expected) <= expected / 10 + STALL_MS, `stage ${stage}: ${measured} ms instead of ${expected}`);
  }
});

test('no more devices are called at a time than the cap allows', async () => {
  const slow = await startFleet('slow', DEVICES, ['--method-delay', `${SLOW_MS}ms`]);
  const cap = 40;
  const id = await create(slow, { rollout: { in_flight_max: cap } });
  const job = await untilEnd(id);
  assert.strictEqual(job.statistics.succeeded, DEVICES);
  const times = timesOf(slow.calls(id));
  assert.strictEqual(times.length, DEVICES);
  // A device is in flight from its call until it answers: the call `cap` places later cannot come before that.
  for (let i = cap; i < times.length; i += 1) {
    assert.ok(times[i] - times[i - cap] >= SLOW_MS, `call ${i} came ${times[i] - times[i - cap]} ms after call ${i - cap}`);
  }
  assert.ok(times[cap - 1] - times[0] < SLOW_MS, 'the cap was never reached: nothing was tested');
});

test('nothing reaches a device after the answer to pause, and resume goes on', async () => {
  const id = await create(good, { rollout: { maximum_per_minute: 2400 } });
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
  const { job } = await jobs('UpdateJob', { job: { id, rollout: { maximum_per_minute: 12000 } },
    update_mask: { paths: ['rollout'] } });
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

test('a silent or failing device is called 1 + n times under ids of one prefix', async () => {
  const some = await startFleet('some', 20, ['--method-fail-share', '0.3', '--method-ignore-share', '0.2']);
  const id = await create(some, { retry: { idempotent: true, backoff_min: { nanos: 100e6 }, backoff_max: { nanos: 200e6 },
    criteria: [{ failure_type: 'FAILURE_TYPE_TIMED_OUT', number_of_retries: 1 },
      { failure_type: 'FAILURE_TYPE_DEVICE_ERROR', number_of_retries: 2 }] } }, { response_timeout: { seconds: 5 } });
  const { statistics } = await untilEnd(id);
  assert.deepStrictEqual([statistics.succeeded, statistics.device_errors, statistics.timed_out], [16, 6, 4]);
  const calls = some.calls(id);
  const prefixes = new Set();
  for (const execution of await executionsOf(id)) {
    const ids = calls.filter((call) => call.device === execution.device_id).map((call) => call.rid);
    const tries = execution.state === 'STATE_TIMED_OUT' ? 2 : execution.device_status === 500 ? 3 : 1;
    assert.strictEqual(ids.length, tries, JSON.stringify({ execution, ids }));
    assert.strictEqual(new Set(ids).size, tries, `an id was used twice: ${ids}`);
    assert.strictEqual(new Set(ids.map((each) => prefixOf(each))).size, 1, `${ids}`);
    prefixes.add(prefixOf(ids[0]));
  }
  assert.strictEqual(prefixes.size, 20);
});

test('a retry is a new job over exactly the devices that did not succeed', async () => {
  const first = await create(flawed);
  await untilEnd(first);
  const failed = (await executionsOf(first)).filter((each) => each.device_status !== 200).map((each) => each.device_id).sort();
  assert.strictEqual(failed.length, DEVICES / 2);
  const calledBefore = flawed.calls(first).length;
  const again = uniqueId('again');
  const { job } = await jobs('RetryJob', { job_id: first, new_job_id: again, device_errors: true });
  assert.strictEqual(job.retried_job_id, first);
  assert.strictEqual((await untilEnd(again)).statistics.total, failed.length);
  assert.deepStrictEqual((await executionsOf(again)).map((each) => each.device_id).sort(), failed);
  assert.deepStrictEqual(flawed.calls(first).slice(calledBefore).map((call) => call.device).sort(), failed);
  const none = uniqueId('none');
  await jobs('RetryJob', { job_id: first, new_job_id: none, states: ['STATE_CANCELED'] });
  assert.strictEqual((await untilEnd(none)).statistics.total, 0);
});

// Reads a watch until `enough` of its messages say so, then gives it up; all messages are answered.
async function watchUntil(message, enough) {
  const stream = jobs.stream('WatchJob', message);
  const messages = [];
  try {
    for await (const each of stream) {
      messages.push(each);
      if (enough(each)) break;
    }
  } finally {
    stream.cancel();
  }
  return messages;
}

test('a watch begins with the job, goes on where it was, and ends with the job', async () => {
  const id = await create(good, { rollout: { maximum_per_minute: 1200 } });
  const seen = await watchUntil({ job_id: id }, (each) => each.delta?.statistics?.succeeded > 0);
  assert.strictEqual(seen[0].job.id, id);
  const resumed = await watchUntil({ job_id: id, resume_token: seen.at(-1).resume_token }, () => false);
  assert.ok(resumed.length >= 2, 'the job was over before the watch went on: nothing was tested');
  assert.ok(resumed.every((each) => !each.job && each.delta), 'a resumed watch begins with what has changed');
  const succeeded = [...seen, ...resumed].map((each) => (each.job || each.delta).statistics?.succeeded ?? 0);
  assert.deepStrictEqual(succeeded, [...succeeded].sort((a, b) => a - b));
  assert.strictEqual(succeeded.at(-1), DEVICES);
  assert.strictEqual(resumed.at(-1).delta.state, 'STATE_COMPLETED');
  const late = await watchUntil({ job_id: id }, () => false);
  assert.deepStrictEqual(late.map((each) => each.job.state), ['STATE_COMPLETED']);
});

test('ten devices do not wait for a job over many silent ones', async () => {
  const silent = await startFleet('silent', SILENT, ['--method-ignore-share', '1']);
  const few = await startFleet('few', FEW);
  const large = await create(silent, {}, { response_timeout: { seconds: 60 } });
  await waitFor('all the silent devices were called', () => silent.calls(large).length >= SILENT);
  const small = await create(few);
  const job = await untilEnd(small);
  assert.strictEqual(job.statistics.succeeded, FEW);
  assert.strictEqual((await read(large)).statistics.running, SILENT);
  await jobs('CancelJob', { job_id: large });
});

// Alone: what it counts are calls to all devices.
test('a waiting job calls nobody until a device connects', async () => {
  const devices = 20;
  const prefix = uniqueId('late');
  const flags = ['--group-key', Buffer.alloc(32, 7).toString('base64')];
  await (await connectFleet(prefix, devices, flags)).stop();
  const late = { condition: `STARTSWITH(deviceId, '${prefix}')` };
  const dry = () => jobs('CreateJob', { job: { id: 'dry', condition: late.condition, invoke_method: { method: 'm' } },
    validate_only: true });
  await waitFor('the devices are away', async () => (await dry()).connected_devices === 0);
  const before = await metricOf('device_connection', 'fleetcast_delivery_calls_total');
  const id = await create(late, {}, { offline_policy: 'OFFLINE_POLICY_WAIT' });
  await waitFor('the devices are waited for', async () => await metricOf('scheduler', 'fleetcast_job_devices_waiting') === devices);
  await new Promise((resolve) => setTimeout(resolve, 2 * PERMIT_MS));
  assert.strictEqual(await metricOf('device_connection', 'fleetcast_delivery_calls_total'), before);
  assert.strictEqual((await read(id)).statistics.pending, devices);
  const log = path.join(scratch, 'late.jsonl');
  await connectFleet(prefix, devices, [...flags, '--log-calls', log]);
  const job = await untilEnd(id, 30); // Those that are waited for are looked at once a minute anyway.
  assert.strictEqual(job.statistics.succeeded, devices, JSON.stringify(job.statistics));
  const called = fs.readFileSync(log, 'utf8').split('\n').slice(0, -1).map((line) => JSON.parse(line).device);
  assert.strictEqual(called.length, devices);
  assert.strictEqual(new Set(called).size, devices);
});

test('cancel with reject over gRPC leaves a running job alone and stops one that waits', async () => {
  const id = await create(good, { rollout: { maximum_per_minute: 60 } });
  await waitFor('the job runs', async () => (await read(id)).state === 'STATE_RUNNING');
  await assert.rejects(jobs('CancelJob', { job_id: id, reject_running: true }), (error) => error.code === grpc.status.FAILED_PRECONDITION
    && detailsOf(error).includes('JOB_RUNNING'));
  assert.strictEqual((await read(id)).state, 'STATE_RUNNING');
  await jobs('CancelJob', { job_id: id });
  assert.strictEqual((await untilEnd(id)).state, 'STATE_CANCELLED');
  const called = good.calls(id).length;
  await holdsFor(PERMIT_MS, () => assert.strictEqual(good.calls(id).length, called));
  const later = await create(good, { start_time: { seconds: Math.floor(Date.now() / 1000) + 3600 } });
  assert.strictEqual((await jobs('CancelJob', { job_id: later, reject_running: true })).job.state, 'STATE_CANCELLED');
});


// A second door beside the first, as strict as IoT Hub; resolves to its port.
async function openStrictDoor() {
  const [program, ...flags] = commandLine(pidsNow().rest_gateway);
  for (const flag of ['--listen', '--metrics-listen', '--https-listen']) flags[flags.indexOf(flag) + 1] = `${host}:0`;
  let port;
  programs.push(startJsonLines(program, [...flags, '--cancel-running', 'reject'], (line) => { if (line.tls) port = line.port; }));
  return waitFor('the second door serves', () => port);
}

test('a door that rejects answers 405 to the cancel of a running job, which goes on', async () => {
  const port = await openStrictDoor();
  const cancel = (id) => request('POST', `/jobs/v2/${id}/cancel?api-version=2021-04-12`, { port });
  const id = await create(good, { rollout: { maximum_per_minute: 600 } });
  await waitFor('a device was called', () => good.calls(id).length >= 1);
  const refused = await cancel(id);
  assert.strictEqual(refused.status, 405, refused.text);
  assert.match(refused.text, /OperationNotAllowedInCurrentState/);
  const called = good.calls(id).length;
  await waitFor('more devices are called', () => good.calls(id).length > called);
  assert.strictEqual((await request('POST', `/jobs/v2/${id}/cancel?api-version=2021-04-12`)).status, 200); // The other door stops it.
  assert.strictEqual((await untilEnd(id)).state, 'STATE_CANCELLED');
  const later = await create(good, { start_time: { seconds: Math.floor(Date.now() / 1000) + 3600 } });
  assert.strictEqual((await cancel(later)).status, 200);
  assert.strictEqual((await read(later)).state, 'STATE_CANCELLED');
});
