'use strict';
// How long people wait: a job to its first device, a scheduled job past its time, one method call, and everything that has to go on
// while a job over very many devices runs, up to its cancel.

const { devices, connected, submits, scheduled, calls } = require('./settings').settings({ devices: 1000000, connected: 100, submits: 200, scheduled: 1000,
  calls: 1000 });

const { uniqueId, waitFor } = require('../e2e/lib/hub');
const { grpcClient, keptHttps } = require('./clients');
const { registerBySql, startFleet } = require('./fleet');
const { V, percentiles, print, say, sleep, sql, wallClock } = require('./lib');

const prefix = `${uniqueId('lat')}-`;
const idOf = (n) => `${prefix}${String(n).padStart(7, '0')}`;
// Spread over the whole range of ids, which is the order in which a job meets its targets.
const online = Array.from({ length: connected }, (_, i) => idOf(Math.floor(i * devices / connected)));

// The time from just before a job is submitted to its call at the device; one device each, one after the other.
async function submitLatency(name, fleet, submit) {
  const names = [];
  const starts = [];
  for (let i = 0; i < submits; ++i) {
    names.push(`${name}${i}`);
    starts.push(wallClock());
    await submit(names[i], online[i % connected]);
    await sleep(20 + Math.random() * 20); // Out of step with whatever ticks.
  }
  const arrivals = await fleet.firstCalls(names, 30);
  return percentiles(arrivals.map((arrival, i) => arrival - starts[i]));
}

function submitters(rest, jobs) {
  return {
    rest: async (method, deviceId) => {
      const jobId = uniqueId('lat');
      const { status, text } = await rest('PUT', `/jobs/v2/${jobId}?${V}`, { jobId, type: 'scheduleDeviceMethod',
        cloudToDeviceMethod: { methodName: method, payload: null, responseTimeoutInSeconds: 30 }, queryCondition: `deviceId = '${deviceId}'` });
      if (status !== 200) throw new Error(`PUT job: ${status} ${text}`);
    },
    grpc: (method, deviceId) => jobs('CreateJob', { job: { id: uniqueId('lat'), condition: `deviceId = '${deviceId}'`,
      invoke_method: { method } } }),
  };
}

// How late jobs with a start time reach their device; they are due 20 ms apart.
async function dueLatency(fleet, jobs) {
  const first = wallClock() + 5000 + scheduled * 5;
  const due = Array.from({ length: scheduled }, (_, i) => Math.round(first + i * 20));
  const names = due.map((_, i) => `due${i}`);
  const create = (i) => jobs('CreateJob', { job: { id: uniqueId('due'), condition: `deviceId = '${online[i % connected]}'`,
    invoke_method: { method: names[i] }, start_time: { seconds: Math.floor(due[i] / 1000), nanos: (due[i] % 1000) * 1e6 } } });
  let next = 0;
  await Promise.all(Array.from({ length: 8 }, async () => { while (next < scheduled) await create(next++); }));
  if (wallClock() > first) throw new Error('creating the jobs took longer than planned');
  const arrivals = await fleet.firstCalls(names, 60 + (due.at(-1) - wallClock()) / 1000);
  return percentiles(arrivals.map((arrival, i) => arrival - due[i]));
}

async function methodLatency(rest) {
  const samples = [];
  for (let i = 0; i < calls; ++i) {
    const start = wallClock();
    const { status, text } = await rest('POST', `/twins/${online[i % connected]}/methods?${V}`, { methodName: 'ask', payload: null,
      responseTimeoutInSeconds: 30 });
    if (status !== 200) throw new Error(`method call: ${status} ${text}`);
    samples.push(wallClock() - start);
  }
  return percentiles(samples);
}

const isOver = (job) => ['STATE_COMPLETED', 'STATE_FAILED', 'STATE_CANCELLED'].includes(job.state);

// What goes on beside a running job over all devices, then its cancel.
async function beside(fleet, jobs) {
  const id = uniqueId('big');
  await jobs('CreateJob', { job: { id, condition: `STARTSWITH(deviceId, '${prefix}')`, update_twin: { desired_patch: '{"round":1}' } } });
  const done = async () => (await jobs('GetJob', { job_id: id })).job;
  await waitFor('the big job writes', async () => (await done()).statistics?.succeeded > 0, 120, 20);
  const small = smallJob(jobs);
  const reads = [];
  const refusals = [];
  while (reads.length < 500) {
    const start = wallClock();
    const job = await done();
    reads.push(wallClock() - start);
    if (isOver(job)) break;
    await sleep(3);
    refusals.push(await refusal(jobs));
    await sleep(3);
  }
  const smallSeconds = await small;
  const running = await done();
  if (isOver(running)) throw new Error(`the big job was over too soon (${running.state}): give it more devices`);
  return { get_job_ms: percentiles(reads), refused_rpc_ms: percentiles(refusals), small_job_seconds: smallSeconds, ...await cancel(id, fleet, jobs) };
}

// Milliseconds of an RPC to the same service that is refused before it reads anything: what the machine leaves to any RPC now.
async function refusal(jobs) {
  const start = wallClock();
  await jobs('ListJobs', { page_size: -1 }).then(() => { throw new Error('a negative page size was taken'); },
    (error) => { if (error.code !== 3) throw error; });
  return wallClock() - start;
}

// A job over ten connected devices, from submit to its end.
async function smallJob(jobs) {
  const id = uniqueId('small');
  const start = wallClock();
  await jobs('CreateJob', { job: { id, condition: `deviceId IN [${online.slice(0, 10).map((each) => `'${each}'`).join(', ')}]`,
    invoke_method: { method: 'small' } } });
  const job = await waitFor('the small job ends', async () => {
    const read = (await jobs('GetJob', { job_id: id })).job;
    return isOver(read) ? read : undefined;
  }, 60, 10);
  if (job.statistics.succeeded !== 10) throw new Error(`small job: ${JSON.stringify(job.statistics)}`);
  return Number(((wallClock() - start) / 1000).toFixed(3));
}

// Cancels and looks for effects after the answer: twins written, and desired changes that reach a device.
async function cancel(id, fleet, jobs) {
  const written = () => sql(`SELECT count(*) FROM twin.twin WHERE device_id LIKE '${prefix}%' AND desired ? 'round'`);
  const slices = () => sql('SELECT count(*) FROM twin.applied_slice');
  const before = Number(await slices());
  const start = wallClock();
  await jobs('CancelJob', { job_id: id });
  const seconds = (wallClock() - start) / 1000;
  const atAnswer = Number(await slices());
  const twins = Number(await written());
  await sleep(1500); // The simulator tells its figures once a second.
  const heard = fleet.figures().desired;
  await sleep(3000);
  const effects = Number(await slices()) - atAnswer + Number(await written()) - twins + fleet.figures().desired - heard;
  return { cancel_seconds: Number(seconds.toFixed(3)), twins_written_before_cancel: twins, slices_during_cancel: atAnswer - before,
    effects_after_answer: effects };
}

async function main() {
  say(`registering ${devices} devices`);
  const key = await registerBySql(prefix, devices);
  const fleet = await startFleet(online, key);
  const jobs = await grpcClient(process.env.FLEETCAST_GRPC_JOBS, 'fleetcast.jobs.v1.JobService');
  const rest = keptHttps();
  const submit = submitters(rest, jobs);
  try {
    await submitLatency('warm', fleet, submit.rest);
    const figures = { name: 'latency', devices, connected };
    const measure = async (name, action) => {
      Object.assign(figures, await action());
      say(`${name}: ${JSON.stringify(figures)}`);
    };
    await measure('submit', async () => ({ submit_rest_ms: await submitLatency('rest', fleet, submit.rest),
      submit_grpc_ms: await submitLatency('grpc', fleet, submit.grpc) }));
    await measure('method', async () => ({ method_rest_ms: await methodLatency(rest) }));
    await measure('due', async () => ({ due_ms: await dueLatency(fleet, jobs) }));
    await measure('beside', () => beside(fleet, jobs));
    print(figures);
  } finally {
    await fleet.stop();
  }
}

main().then(() => process.exit(0), (error) => {
  console.error(`bench latency: ${error.stack}`);
  process.exit(1);
});
