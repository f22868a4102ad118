'use strict';
// A history, put in order for the rules: operations, jobs, calls, connections, faults, database. Pure.

// After a fault: leases have run out, edges and devices are back (reliability 2.1, R).
const SETTLE = 15;

function operations(entries) {
  const open = new Map();
  const done = [];
  for (const entry of entries.filter(({ src }) => src === 'api')) {
    if (entry.phase === 'invoke') {
      open.set(entry.id, { id: entry.id, op: entry.op, key: entry.key, args: entry.args, begin: entry.t });
      continue;
    }
    const operation = open.get(entry.id);
    if (!operation) continue;
    Object.assign(operation, { end: entry.t, result: entry.phase, status: entry.status, body: entry.body });
    open.delete(entry.id);
    done.push(operation);
  }
  // What never came back may have happened, and may still.
  for (const operation of open.values()) done.push({ ...operation, end: Infinity, result: 'info', status: 0 });
  return done.sort((a, b) => a.begin - b.begin);
}

// Intervals in which something was broken.
function faults(entries) {
  const all = new Map();
  for (const entry of entries.filter(({ src }) => src === 'fault')) {
    if (entry.event === 'begin') all.set(entry.id, { kind: entry.kind, names: entry.names, from: entry.t, to: Infinity });
    else if (all.has(entry.id)) all.get(entry.id).to = entry.t;
  }
  return [...all.values()];
}

function parse(text) {
  try { return JSON.parse(text); } catch { return undefined; }
}

// Whether a direct call was refused because the device is not connected. (404104 is: the connection was lost while waiting.)
const isNotOnline = ({ op, status, body }) => op === 'method' && status === 404 && JSON.stringify(body).includes('404103');

const connectionKey = ({ d, c }) => `${d}#${c}`;

// The connections of all devices, each with what came and went on it.
function connections(packets) {
  const all = new Map();
  for (const packet of packets) {
    const key = connectionKey(packet);
    if (!all.has(key)) all.set(key, { key, device: packet.d, number: packet.c, events: [] });
    const connection = all.get(key);
    connection.events.push(packet);
    if (['connect', 'accepted', 'subscribed', 'abandoned', 'dropped', 'closed'].includes(packet.e)) connection[packet.e] = packet.t;
  }
  return all;
}

// Method calls that devices received, each with the answers that its device sent to it on the same connection.
function calls(packets) {
  const all = [];
  const latest = new Map();
  for (const packet of packets) {
    const key = `${connectionKey(packet)}/${packet.rid}`;
    if (packet.e === 'call') {
      const token = parse(packet.payload)?.token;
      const call = { t: packet.t, device: packet.d, connection: packet.c, rid: packet.rid, token, answers: [] };
      latest.set(key, call);
      all.push(call);
    } else if (packet.e === 'answer') {
      latest.get(key)?.answers.push({ t: packet.t, status: packet.status, payload: packet.payload });
    }
  }
  return all;
}

function groupBy(values, keyOf) {
  const groups = new Map();
  for (const value of values) {
    const key = keyOf(value);
    if (!groups.has(key)) groups.set(key, []);
    groups.get(key).push(value);
  }
  return groups;
}

// How each target of a stored job ended, from its outcome or, without one, from its chunk (libs/job_store/chunk.h).
function executions(job, database) {
  const chunks = new Map(database.chunks.filter((chunk) => chunk.job === job.seq).map((chunk) => [chunk.no, chunk]));
  const outcomes = new Map(database.outcomes.filter((outcome) => outcome.job === job.seq).map((outcome) => [outcome.n, outcome]));
  const all = [];
  for (const target of database.targets.filter(({ job: seq }) => seq === job.seq)) {
    const chunk = chunks.get(target.no);
    target.devices.forEach((device, position) => {
      const outcome = outcomes.get(target.no * 1000 + position);
      const issued = chunk?.issued[position] === '1';
      if (outcome) all.push({ device, issued, ...outcome, outcome: true });
      else if (!chunk || chunk.state === 0) all.push({ device, issued, state: issued ? 2 : 1 });
      else if (!issued) all.push({ device, issued, state: job.stop === 1 ? 6 : 5, code: job.stop === 1 ? 0 : 400024 });
      else all.push({ device, issued, state: chunk.state === 3 ? 5 : 2, code: 504101 });
    });
  }
  return all;
}

const EMPTY = { jobs: [], chunks: [], targets: [], outcomes: [], twins: [], devices: [], slices: [] };

// `entries`: the history; `packets`: the log of the devices; `options.permit`: life of a permit, seconds.
function gather({ entries, packets = [], options = {} }) {
  const ops = operations(entries);
  const database = entries.find(({ src }) => src === 'database')?.tables;
  const tables = database || EMPTY;
  const stored = new Map(tables.jobs.map((job) => [job.id, job]));
  const allCalls = calls(packets);
  const callsOfJob = groupBy(allCalls, ({ token }) => String(token).split('/')[0]);
  const byKey = groupBy(ops, ({ op, key }) => `${op} ${key}`);
  const jobs = entries.filter(({ src }) => src === 'job').map((spec) => {
    const of = (op) => byKey.get(`${op} ${spec.jobId}`) || [];
    const row = stored.get(spec.jobId);
    return { id: spec.jobId, body: spec.body, targets: spec.targets, last: spec.last, puts: of('putJob'), gets: of('getJob'),
      cancels: of('cancelJob'), pages: of('rows'), calls: callsOfJob.get(spec.jobId) || [], row,
      executions: row ? executions(row, tables) : [] };
  });
  const allFaults = faults(entries);
  // Whether nothing was broken from `settle` before `from` until `to`.
  const isHealthy = (from, to, settle = SETTLE) => allFaults.every((fault) => fault.from > to || fault.to + settle < from);
  return { entries, ops, jobs, calls: allCalls, connections: connections(packets), faults: allFaults, isHealthy, tables,
    hasDatabase: database !== undefined, permit: options.permit ?? 1, end: entries.at(-1)?.t ?? 0 };
}

module.exports = { gather, groupBy, isNotOnline, parse, SETTLE };
