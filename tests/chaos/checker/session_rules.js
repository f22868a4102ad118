'use strict';
// Rules of sessions (reliability 2.5), as far as devices, callers and samples of the database see them.

const { groupBy, isNotOnline } = require('./facts');

const EPS = 0.5;
const CLOSED_WITHIN = 5; // After a newer connection was accepted, when nothing is broken.
const STABLE = 10;       // A connection this old is known everywhere.

const byDevice = (connections) => groupBy([...connections.values()].filter(({ accepted }) => accepted), ({ device }) => device);

// Newest wins.
function S1({ connections, isHealthy, end }) {
  const bad = [];
  for (const [device, all] of byDevice(connections)) {
    const sorted = all.sort((a, b) => a.accepted - b.accepted);
    for (let i = 0; i + 1 < sorted.length; ++i) {
      const [older, newer] = [sorted[i], sorted[i + 1]];
      for (const { e, t } of older.events) {
        if (['call', 'desired'].includes(e) && t > newer.accepted + EPS) {
          bad.push(`${device}: connection ${older.number} received a ${e} at ${t}, connection ${newer.number} was accepted at ${newer.accepted}`);
        }
      }
      const limit = newer.accepted + CLOSED_WITHIN;
      if ((older.closed ?? Infinity) > limit && limit < end && isHealthy(newer.accepted, limit)) {
        bad.push(`${device}: connection ${older.number} was closed at ${older.closed}, connection ${newer.number} was accepted at ${newer.accepted}`);
      }
    }
  }
  return bad;
}

// Epochs of sessions never fall.
function S2({ entries }) {
  const bad = [];
  const highest = new Map();
  for (const { t, epochs } of entries.filter(({ src }) => src === 'epochs')) {
    for (const { device, ...values } of epochs) {
      for (const [name, value] of Object.entries(values)) {
        const key = `${device} ${name}`;
        if (value < (highest.get(key) ?? 0)) bad.push(`${key}: epoch ${value} at ${t} after ${highest.get(key)}`);
        highest.set(key, Math.max(value, highest.get(key) ?? 0));
      }
    }
  }
  return bad;
}

// The connection of `device` that was up, and the newest, from STABLE before `from` until `to`.
function stableConnection(of, device, from, to) {
  return (of.get(device) || []).find(({ accepted, closed = Infinity, abandoned = Infinity, dropped = Infinity }) =>
    accepted < from - STABLE && Math.min(closed, abandoned, dropped) > to + 1);
}

// The end of an old connection takes nothing from a new one: a device that has been connected for a while is not "offline".
function S3(facts) {
  const bad = [];
  const of = byDevice(facts.connections);
  for (const op of facts.ops.filter(isNotOnline)) {
    const stable = stableConnection(of, op.key, op.begin, op.end);
    if (stable && facts.isHealthy(op.begin, op.end)) bad.push(`${op.key}: "not online" at ${op.end}, connection ${stable.number} is up since ${stable.accepted}`);
  }
  for (const job of facts.jobs) {
    for (const { device, code, started, ended } of job.executions) {
      if (code !== 404103) continue;
      const from = started ?? job.row.started;
      const stable = stableConnection(of, device, from, ended);
      if (stable && facts.isHealthy(from, ended)) bad.push(`${job.id} ${device}: 404103 at ${ended}, connection ${stable.number} is up since ${stable.accepted}`);
    }
  }
  return bad;
}

// Presence is right when nothing has been broken for a while.
function S5({ connections, tables, entries, isHealthy }) {
  const looked = entries.find(({ src }) => src === 'database')?.t;
  if (!looked || !isHealthy(looked - STABLE, looked)) return [];
  const of = byDevice(connections);
  const bad = [];
  for (const { device, connected } of tables.devices) {
    const stable = stableConnection(of, device, looked, looked);
    if (stable && !connected) bad.push(`${device}: connection ${stable.number} is up since ${stable.accepted}, the registry says disconnected`);
    if (!of.has(device) && connected) bad.push(`${device}: never connected, the registry says connected`);
  }
  return bad;
}

// Redis is only speed: what happens to it alone closes no connection.
function S6({ connections, faults }) {
  const bad = [];
  for (const fault of faults.filter(({ kind }) => kind.startsWith('redis'))) {
    const [from, to] = [fault.from, fault.to + 5];
    const alone = faults.every((other) => other === fault || other.from > to || other.to + 30 < from);
    if (!alone) continue;
    for (const { device, number, closed, dropped, abandoned, accepted } of connections.values()) {
      if (accepted && closed > from && closed < to && accepted < from && !dropped && !abandoned) {
        bad.push(`${device}: connection ${number} was closed at ${closed}, during "${fault.kind}"`);
      }
    }
  }
  return bad;
}

module.exports = { S1, S2, S3, S5, S6 };
