'use strict';
// Rules of the whole (reliability 2.6).

const { parse } = require('./facts');

// A refused request has no effect.
function A1({ jobs, tables }) {
  const bad = [];
  for (const job of jobs) {
    for (const put of job.puts.filter(({ result }) => result === 'fail')) {
      const { cloudToDeviceMethod, updateTwin } = put.args.body;
      const token = cloudToDeviceMethod ? cloudToDeviceMethod.payload.token : updateTwin.properties.desired.jobs[job.id];
      if (put.args.label !== 'other') continue;
      if (job.calls.some((call) => call.token === token)) bad.push(`${job.id}: refused at ${put.end}, devices were called with ${token}`);
      if (tables.twins.some(({ desired }) => desired?.jobs?.[job.id] === token)) bad.push(`${job.id}: refused at ${put.end}, twins hold ${token}`);
    }
  }
  return bad;
}

// A repeated request leaves what one would have left.
function A2({ jobs, tables, hasDatabase }) {
  const bad = [];
  if (!hasDatabase) return bad;
  for (const job of jobs.filter(({ puts }) => puts.length > 1)) {
    const rows = tables.jobs.filter(({ id }) => id === job.id);
    if (rows.length > 1) bad.push(`${job.id}: is there ${rows.length} times`);
    const token = job.body.cloudToDeviceMethod?.payload.token;
    if (rows.length === 1 && token && parse(rows[0].payload)?.token !== token) bad.push(`${job.id}: holds ${rows[0].payload}`);
  }
  return bad;
}

const MATTERS = 20; // Seconds after a fault in which a server may fail to start because the old one is not gone yet.

// Nobody dies by himself.
function A7({ entries, faults }) {
  const bad = [];
  const left = faults.map((fault) => ({ ...fault, names: [...fault.names] }));
  for (const { t, name, how } of entries.filter(({ src, event }) => src === 'process' && event === 'died')) {
    const wanted = (fault) => {
      if (!fault.names.includes(name) || t < fault.from - 1) return false;
      if (fault.kind.startsWith('kill') || fault.kind === 'redis kill') return how.startsWith('signal 9');
      if (fault.kind.startsWith('drain')) return how === 'exit code 0' && t < fault.from + 60;
      return fault.kind === 'postgres crash' && t < fault.from + 10;
    };
    const found = left.find(wanted);
    if (found) found.names.splice(found.names.indexOf(name), 1);
    const isStarting = ['postgres', 'redis'].includes(name)
      && faults.some((fault) => fault.names.includes(name) && t >= fault.from && t < fault.from + MATTERS);
    if (!found && !isStarting) bad.push(`${name} died at ${t}: ${how}`);
  }
  return bad;
}

// Three counts agree: rows of outcomes, counters of chunks, what the API says.
function A11({ jobs, tables }) {
  const bad = [];
  const names = { 3: 'succeeded', 4: 'failed', 5: 'timedOut', 6: 'canceled' };
  for (const job of jobs.filter(({ row }) => row && [6, 7, 8].includes(row.state))) {
    const rows = { succeeded: 0, failed: 0, timedOut: 0, canceled: 0 };
    for (const { state } of job.executions) if (names[state]) ++rows[names[state]];
    const chunks = { succeeded: 0, failed: 0, timedOut: 0, canceled: 0 };
    for (const chunk of tables.chunks.filter(({ job: seq }) => seq === job.row.seq)) {
      for (const name of Object.keys(chunks)) chunks[name] += chunk[name];
    }
    const said = job.gets.filter(({ result }) => result === 'ok').at(-1)?.body.deviceJobStatistics;
    for (const name of Object.keys(rows)) {
      if (rows[name] !== chunks[name]) bad.push(`${job.id}: ${rows[name]} devices ${name}, the counters say ${chunks[name]}`);
    }
    const failed = rows.failed + rows.timedOut + rows.canceled;
    if (said && job.executions.length > 0 && (said.succeededCount !== rows.succeeded || said.failedCount !== failed)) {
      bad.push(`${job.id}: ${rows.succeeded} succeeded and ${failed} not, the API says ${JSON.stringify(said)}`);
    }
  }
  return bad;
}

module.exports = { A1, A2, A7, A11 };
