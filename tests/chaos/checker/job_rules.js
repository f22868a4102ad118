'use strict';
// Rules of jobs (reliability 2.2). Each is a function of the facts that gives its evidence, one entry a violation.

const { groupBy } = require('./facts');

const EPS = 0.5; // Clocks and transport on one host.
const ENDED = ['completed', 'failed', 'cancelled'];
const STATE_ENDED = [6, 7, 8];
const RANK = { queued: 0, scheduled: 0, running: 1, completed: 2, failed: 2, cancelled: 2 };

const stored = (job) => job.puts.find(({ result, args }) => result === 'ok' && args.label !== 'other');
const reads = (job) => job.gets.filter(({ result }) => result === 'ok');
const startOf = (job) => (job.body.startTime ? Date.parse(job.body.startTime) / 1000 : undefined);

// Pairs of reads of which the first had ended before the second began.
function* inOrder(operations) {
  for (let i = 1; i < operations.length; ++i) {
    for (let j = i - 1; j >= 0; --j) {
      if (operations[j].end >= operations[i].begin) continue;
      yield [operations[j], operations[i]];
      break;
    }
  }
}

// Accepted is kept.
function J1({ jobs, hasDatabase }) {
  const bad = [];
  for (const job of jobs) {
    const put = stored(job);
    if (!put) continue;
    for (const get of job.gets.filter(({ begin }) => begin > put.end)) {
      if (get.result === 'fail' || get.body?.status === 'unknown') bad.push(`${job.id}: accepted at ${put.end}, unknown at ${get.begin}`);
      if (get.result !== 'ok' || get.body.status === 'unknown') continue;
      const same = get.body.jobId === job.id && get.body.type === job.body.type && get.body.queryCondition === job.body.queryCondition
        && (!job.body.startTime || Date.parse(get.body.startTime) === Date.parse(job.body.startTime))
        && (!job.body.cloudToDeviceMethod
          || get.body.cloudToDeviceMethod?.payload?.token === job.body.cloudToDeviceMethod.payload.token);
      if (!same) bad.push(`${job.id}: read back as another job at ${get.begin}: ${JSON.stringify(get.body)}`);
    }
    if (hasDatabase && !job.row) bad.push(`${job.id}: accepted at ${put.end}, not in the database at the end`);
  }
  return bad;
}

// Creation is idempotent.
function J2({ jobs }) {
  const bad = [];
  for (const job of jobs) {
    for (const put of job.puts) {
      if (put.args.label === 'other' && put.result === 'ok') bad.push(`${job.id}: another body was accepted at ${put.end}`);
      if (put.args.label === 'again' && put.status === 409) bad.push(`${job.id}: the same request was refused at ${put.end}`);
    }
    const tokens = new Set(job.calls.map(({ token }) => token));
    if (tokens.size > 1) bad.push(`${job.id}: devices saw ${[...tokens].join(' and ')}`);
  }
  return bad;
}

// The target set is fixed once, and is the right one.
function J3({ jobs }) {
  const bad = [];
  for (const job of jobs) {
    const counts = new Set(reads(job).filter(({ body }) => body.deviceJobStatistics?.deviceCount > 0)
      .map(({ body }) => body.deviceJobStatistics.deviceCount));
    if (counts.size > 1) bad.push(`${job.id}: deviceCount was ${[...counts].join(' and ')}`);
    if (!job.row?.frozen) continue;
    const devices = job.executions.map(({ device }) => device);
    const set = new Set(devices);
    if (set.size !== devices.length) bad.push(`${job.id}: ${devices.length - set.size} devices twice in the target set`);
    const missing = job.targets.filter((device) => !set.has(device));
    if (missing.length > 0) bad.push(`${job.id}: ${missing.length} matching devices are not in the target set: ${missing.slice(0, 3)}`);
    if (set.size > job.targets.length) bad.push(`${job.id}: ${set.size - job.targets.length} devices too many in the target set`);
  }
  return bad;
}

// Exactly one terminal status for each device, always the same one.
function J4({ jobs }) {
  const bad = [];
  const nameOf = { 3: 'completed', 4: 'failed', 5: 'failed', 6: 'canceled' };
  for (const job of jobs) {
    const open = job.executions.filter(({ state }) => state < 3);
    if (job.row && STATE_ENDED.includes(job.row.state) && open.length > 0) {
      bad.push(`${job.id}: ended, but ${open.length} devices have no end: ${open.slice(0, 3).map(({ device }) => device)}`);
    }
    const seen = new Map();
    const ends = new Map(job.executions.map((execution) => [execution.device, execution]));
    for (const row of job.pages.filter(({ result }) => result === 'ok').flatMap(({ body }) => body)) {
      if (!['completed', 'failed', 'canceled'].includes(row.status)) continue;
      const text = JSON.stringify([row.status, row.outcome, row.error, row.endTimeUtc]);
      if (seen.has(row.deviceId) && seen.get(row.deviceId) !== text) bad.push(`${job.id} ${row.deviceId}: ${seen.get(row.deviceId)}, later ${text}`);
      seen.set(row.deviceId, text);
      const end = ends.get(row.deviceId);
      if (end && nameOf[end.state] !== row.status) bad.push(`${job.id} ${row.deviceId}: the API said ${row.status}, stored is ${nameOf[end.state] || 'no end'}`);
    }
  }
  return bad;
}

// Completion is exact; and, when all is well at the end, everything has ended.
function J5({ jobs, hasDatabase }) {
  const bad = [];
  for (const job of jobs) {
    for (const { body, begin } of reads(job)) {
      const counts = body.deviceJobStatistics;
      if (counts && ENDED.includes(body.status) && counts.pendingCount + counts.runningCount > 0) {
        bad.push(`${job.id}: ${body.status} with ${counts.pendingCount} pending and ${counts.runningCount} running at ${begin}`);
      }
    }
    if (hasDatabase && job.row && !STATE_ENDED.includes(job.row.state)) {
      const open = job.executions.filter(({ state }) => state < 3).length;
      bad.push(`${job.id}: not ended at the end of the run (state ${job.row.state}, ${open} of ${job.executions.length} devices open)`);
    }
  }
  return bad;
}

// Sums. That pending never grows is not asked: proof that nothing was sent makes a device pending again.
function J6({ jobs }) {
  const bad = [];
  const countsOf = ({ body }) => body.deviceJobStatistics;
  for (const job of jobs) {
    const counted = reads(job).filter((get) => countsOf(get));
    for (const get of counted) {
      const { deviceCount, succeededCount, failedCount, runningCount, pendingCount } = countsOf(get);
      const parts = [succeededCount, failedCount, runningCount, pendingCount];
      if (parts.reduce((a, b) => a + b) !== deviceCount || parts.some((part) => part < 0 || part > deviceCount)) {
        bad.push(`${job.id} at ${get.begin}: ${JSON.stringify(countsOf(get))}`);
      }
    }
    for (const [before, after] of inOrder(counted)) {
      for (const name of ['succeededCount', 'failedCount']) {
        if (countsOf(after)[name] < countsOf(before)[name]) {
          bad.push(`${job.id}: ${name} fell from ${countsOf(before)[name]} to ${countsOf(after)[name]} at ${after.begin}`);
        }
      }
    }
  }
  return bad;
}

// Statuses come in order.
function J7({ jobs }) {
  const bad = [];
  for (const job of jobs) {
    for (const [before, after] of inOrder(reads(job))) {
      const [from, to] = [before.body.status, after.body.status];
      if (RANK[to] < RANK[from] || (RANK[from] === 2 && to !== from)) bad.push(`${job.id}: ${from}, then ${to} at ${after.begin}`);
    }
  }
  return bad;
}

// Not before its time.
function J8({ jobs }) {
  return jobs.filter((job) => startOf(job) !== undefined).flatMap((job) => job.calls.filter(({ t }) => t < startOf(job) - EPS)
    .map(({ t, device }) => `${job.id}: ${device} was called at ${t}, ${(startOf(job) - t).toFixed(3)} s too early`));
}

// Not after its time.
function J9({ jobs, permit }) {
  const bad = [];
  for (const job of jobs) {
    if (!job.row?.deadline) continue;
    const last = job.row.deadline + permit + EPS;
    for (const { t, device } of job.calls.filter((call) => call.t > last)) {
      bad.push(`${job.id}: ${device} was called at ${t}, its time was over at ${job.row.deadline}`);
    }
  }
  return bad;
}

// Cancel is a barrier.
function J10({ jobs, tables }) {
  const bad = [];
  for (const job of jobs) {
    const cancel = job.cancels.find(({ result }) => result === 'ok');
    if (!cancel) continue;
    for (const { t, device } of job.calls.filter((call) => call.t > cancel.end + EPS)) {
      bad.push(`${job.id}: ${device} was called at ${t}, the cancel was acknowledged at ${cancel.end}`);
    }
    for (const slice of tables.slices.filter(({ job: seq, applied }) => job.row?.seq === seq && applied > cancel.end)) {
      bad.push(`${job.id}: slice ${slice.chunk}/${slice.slice} was written at ${slice.applied}, the cancel was acknowledged at ${cancel.end}`);
    }
  }
  return bad;
}

// Cancel is honest: who is canceled was not called, and who answered before the cancel keeps the answer.
function J11({ jobs }) {
  const bad = [];
  for (const job of jobs) {
    const calls = groupBy(job.calls, ({ device }) => device);
    for (const execution of job.executions) {
      if (execution.state === 6 && calls.has(execution.device)) bad.push(`${job.id}: ${execution.device} is canceled, but was called`);
    }
  }
  return bad;
}

// Scheduled jobs start, once, and not early.
function J14({ jobs, hasDatabase, end }) {
  const bad = [];
  for (const job of jobs.filter((each) => startOf(each) !== undefined && stored(each))) {
    if (job.row?.started && job.row.started < job.row.due) bad.push(`${job.id}: due at ${job.row.due}, started at ${job.row.started}`);
    const never = job.row && !job.row.started && !STATE_ENDED.includes(job.row.state);
    if (hasDatabase && never && startOf(job) < end - 10) bad.push(`${job.id}: due at ${startOf(job)}, never started`);
  }
  return bad;
}

module.exports = { J1, J2, J3, J4, J5, J6, J7, J8, J9, J10, J11, J14 };
