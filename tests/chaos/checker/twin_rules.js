'use strict';
// Rules of twins (reliability 2.4), as far as clients and devices see them.

const { groupBy } = require('./facts');

const patches = ({ ops }) => ops.filter(({ op }) => op === 'patchTwin');

// No lost update: the last token of each key is that of the last accepted patch, or of one that nobody knows about.
function T1(facts) {
  const bad = [];
  if (!facts.hasDatabase) return bad;
  const twins = new Map(facts.tables.twins.map((twin) => [twin.device, twin]));
  const writes = patches(facts).flatMap((op) => Object.entries(op.args.desired.writers || {}).map(([name, token]) => ({ op, name, token })));
  for (const [key, same] of groupBy(writes, ({ op, name }) => `${op.key} ${name}`)) {
    const [device, name] = key.split(' ');
    const accepted = same.filter(({ op }) => op.result === 'ok');
    const possible = new Set(same.filter(({ op }) => op.result === 'info').map(({ token }) => token));
    if (accepted.length > 0) possible.add(accepted.at(-1).token);
    else possible.add(undefined);
    const found = twins.get(device)?.desired?.writers?.[name];
    if (!possible.has(found)) bad.push(`${key}: holds ${found}, accepted last is ${accepted.at(-1)?.token}`);
  }
  return bad;
}

const versionOf = ({ body }) => body?.properties?.desired?.$version;

// Versions: no two changes share one, no reader sees them fall.
function T2(facts) {
  const bad = [];
  const seen = facts.ops.filter(({ op, result }) => ['patchTwin', 'getTwin'].includes(op) && result === 'ok');
  for (const [device, ops] of groupBy(seen, ({ key }) => key)) {
    const changes = ops.filter(({ op }) => op === 'patchTwin');
    for (const [version, same] of groupBy(changes, versionOf)) {
      if (version !== undefined && same.length > 1) bad.push(`${device}: ${same.length} patches were answered with version ${version}`);
    }
    let highest = { version: 0, end: 0 };
    for (const op of ops) {
      if (op.begin > highest.end && versionOf(op) < highest.version) bad.push(`${device}: version ${versionOf(op)} at ${op.begin} after ${highest.version}`);
      if (versionOf(op) > highest.version) highest = { version: versionOf(op), end: op.end };
    }
  }
  return bad;
}

// On one connection desired changes come in order and without a gap.
function T5({ connections }) {
  const bad = [];
  for (const { device, number, events } of connections.values()) {
    let last;
    for (const { e, version, t } of events) {
      if (e !== 'desired') continue;
      if (last !== undefined && version !== last + 1) bad.push(`${device} connection ${number}: version ${version} after ${last} at ${t}`);
      last = version;
    }
  }
  return bad;
}

// A job writes a twin once, and says so exactly when it did: the version is the number of changes.
function T8({ hasDatabase, tables, jobs, ops }) {
  const bad = [];
  if (!hasDatabase) return bad;
  const changes = new Map(tables.twins.map(({ device }) => [device, { sure: 1, perhaps: 0 }]));
  const add = (device, name) => { if (changes.has(device)) ++changes.get(device)[name]; };
  const twins = new Map(tables.twins.map((twin) => [twin.device, twin]));
  for (const job of jobs.filter(({ body, row }) => body.updateTwin && row)) {
    for (const { device, state, code } of job.executions) {
      const token = twins.get(device)?.desired?.jobs?.[job.id];
      if (state === 3) {
        add(device, 'sure');
        if (token !== job.body.updateTwin.properties.desired.jobs[job.id]) bad.push(`${job.id} ${device}: succeeded, but the twin holds ${token}`);
      } else if (state !== 6) {
        add(device, 'perhaps');
      }
      if (state === 6 && token !== undefined) bad.push(`${job.id} ${device}: canceled, but the twin holds ${token}`);
      if (state === 4 && code === 404001 && token !== undefined) bad.push(`${job.id} ${device}: "not found", but the twin holds ${token}`);
    }
  }
  for (const { key, result } of ops.filter(({ op }) => op === 'patchTwin')) {
    if (result !== 'fail') add(key, result === 'ok' ? 'sure' : 'perhaps');
  }
  for (const { device, version } of tables.twins) {
    const { sure, perhaps } = changes.get(device);
    if (version < sure || version > sure + perhaps) bad.push(`${device}: version ${version} after ${sure - 1} changes and ${perhaps} uncertain ones`);
  }
  return bad;
}

module.exports = { T1, T2, T5, T8 };
