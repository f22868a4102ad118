'use strict';
// A small history in which every rule holds, made anew for each test that spoils it.

const DAY = 1_800_000_000;

// One API call as two entries.
function api(id, t, op, key, result, { args, body, status, took = 0.1 } = {}) {
  return [{ t, src: 'api', id, op, key, phase: 'invoke', args },
    { t: t + took, src: 'api', id, op, key, phase: result, status: status ?? { ok: 200, fail: 404, info: 0 }[result], body }];
}

const counts = (deviceCount, succeededCount, failedCount, runningCount, pendingCount) =>
  ({ deviceCount, succeededCount, failedCount, runningCount, pendingCount });

const iso = (t) => new Date(t * 1000).toISOString();
const bits = (set) => '0'.repeat(1000).replace(/^.{10}/, (zeros) => [...zeros].map((_, i) => (set.includes(i) ? '1' : '0')).join(''));

// A method job on two devices (scheduled), one that is cancelled before anything is sent, a twin job, a direct call, a patch.
function sample() {
  const t = DAY;
  const method = { jobId: 'm', type: 'scheduleDeviceMethod', queryCondition: '*', startTime: iso(t + 10), maxExecutionTimeInSeconds: 60,
    cloudToDeviceMethod: { methodName: 'chaos', payload: { token: 'm/1' }, responseTimeoutInSeconds: 10 } };
  const cancelled = { ...structuredClone(method), jobId: 'x' };
  cancelled.cloudToDeviceMethod.payload.token = 'x/1';
  delete cancelled.startTime;
  const twin = { jobId: 't', type: 'scheduleUpdateTwin', queryCondition: '*', updateTwin: { properties: { desired: { jobs: { t: 't/1' } } } } };
  const other = structuredClone(method);
  other.cloudToDeviceMethod.payload.token = 'm/other';
  const read = (job, status, stats) => ({ ...job, status, deviceJobStatistics: stats });
  const row = (deviceId, jobId, status) => ({ deviceId, jobId, status, endTimeUtc: iso(t + 12) });
  const entries = [
    { t, src: 'job', jobId: 'm', targets: ['a', 'b'], body: method },
    { t, src: 'job', jobId: 'x', targets: ['a', 'b'], body: cancelled },
    { t, src: 'job', jobId: 't', targets: ['a', 'b'], body: twin },
    ...api(1, t + 1, 'putJob', 'm', 'info', { args: { body: method, label: 'first' } }),
    ...api(2, t + 2, 'putJob', 'm', 'ok', { args: { body: method, label: 'again' } }),
    ...api(3, t + 3, 'putJob', 'm', 'fail', { args: { body: other, label: 'other' }, status: 409 }),
    ...api(4, t + 4, 'getJob', 'm', 'ok', { body: read(method, 'scheduled') }),
    ...api(5, t + 11, 'getJob', 'm', 'ok', { body: read(method, 'running', counts(2, 1, 0, 1, 0)) }),
    ...api(6, t + 14, 'getJob', 'm', 'ok', { body: read(method, 'completed', counts(2, 1, 1, 0, 0)) }),
    ...api(7, t + 15, 'rows', 'm', 'ok', { body: [row('a', 'm', 'completed'), row('b', 'm', 'failed')] }),
    ...api(8, t + 16, 'rows', 'm', 'ok', { body: [row('a', 'm', 'completed'), row('b', 'm', 'failed')] }),
    ...api(9, t + 1, 'putJob', 'x', 'ok', { args: { body: cancelled, label: 'first' } }),
    ...api(10, t + 2, 'cancelJob', 'x', 'ok', { took: 1 }),
    ...api(11, t + 4, 'getJob', 'x', 'ok', { body: read(cancelled, 'cancelled', counts(2, 0, 2, 0, 0)) }),
    ...api(12, t + 1, 'putJob', 't', 'ok', { args: { body: twin, label: 'first' } }),
    ...api(13, t + 6, 'getJob', 't', 'ok', { body: read(twin, 'completed', counts(2, 2, 0, 0, 0)) }),
    ...api(14, t + 20, 'method', 'a', 'ok', { args: { payload: { token: 'd/1' } }, body: { status: 200, payload: { n: 2 } }, took: 1 }),
    ...api(15, t + 22, 'method', 'c', 'fail', { args: { payload: { token: 'd/2' } }, body: { Message: '{"errorCode":404103}' } }),
    ...api(16, t + 24, 'patchTwin', 'a', 'ok', { args: { desired: { writers: { w: 'w/1' } } }, body: { properties: { desired: { $version: 3 } } } }),
    ...api(17, t + 26, 'getTwin', 'a', 'ok', { body: { properties: { desired: { $version: 3 } } } }),
    { t: t + 27, src: 'epochs', epochs: [{ device: 'a', presence: 5, reported: 5 }] },
    { t: t + 28, src: 'epochs', epochs: [{ device: 'a', presence: 7, reported: 5 }] },
    { t: t + 29, src: 'fault', event: 'begin', id: 1, kind: 'kill scheduler', names: ['scheduler'] },
    { t: t + 29.1, src: 'process', event: 'died', name: 'scheduler', how: 'signal 9 (Killed)' },
    { t: t + 32, src: 'fault', event: 'end', id: 1, kind: 'kill scheduler', names: ['scheduler'] },
    { t: t + 100, src: 'fault', event: 'begin', id: 2, kind: 'redis flush', names: ['redis'] },
    { t: t + 102, src: 'fault', event: 'end', id: 2, kind: 'redis flush', names: ['redis'] },
    { t: t + 200, src: 'database', tables: {
      jobs: [{ seq: 1, id: 'm', kind: 1, state: 6, stop: 0, frozen: true, due: t + 10, started: t + 10.1, deadline: t + 70.1, ended: t + 13, payload: '{"token":"m/1"}' },
        { seq: 2, id: 'x', kind: 1, state: 8, stop: 1, frozen: true, due: t + 1, started: t + 1.1, deadline: t + 61, ended: t + 3 },
        { seq: 3, id: 't', kind: 2, state: 6, stop: 0, frozen: true, due: t + 1, started: t + 1.1, deadline: t + 61, ended: t + 5 }],
      chunks: [{ job: 1, no: 0, size: 2, state: 3, succeeded: 1, failed: 0, timedOut: 1, canceled: 0, issued: bits([0, 1]) },
        { job: 2, no: 0, size: 2, state: 3, succeeded: 0, failed: 0, timedOut: 0, canceled: 2, issued: bits([]) },
        { job: 3, no: 0, size: 2, state: 3, succeeded: 2, failed: 0, timedOut: 0, canceled: 0, issued: bits([0, 1]) }],
      targets: [1, 2, 3].map((job) => ({ job, no: 0, devices: ['a', 'b'] })),
      outcomes: [{ job: 1, n: 0, state: 3, status: 200, code: 0, payload: '{"n":1}', started: t + 10.2, ended: t + 12 },
        { job: 1, n: 1, state: 5, status: null, code: 504101, reason: 'RESPONSE_TIMEOUT', started: t + 10.2, ended: t + 21 },
        { job: 3, n: 0, state: 3, code: 0, started: t + 3, ended: t + 4 }, { job: 3, n: 1, state: 3, code: 0, started: t + 3, ended: t + 4 }],
      twins: [{ device: 'a', version: 3, desired: { jobs: { t: 't/1' }, writers: { w: 'w/1' } } }, { device: 'b', version: 2, desired: { jobs: { t: 't/1' } } }],
      devices: [{ device: 'a', connected: true, epoch: 7 }, { device: 'b', connected: true, epoch: 4 }, { device: 'c', connected: false, epoch: 0 }],
      slices: [{ job: 3, chunk: 0, slice: 0, applied: t + 3 }],
    } },
    { t: t + 201, src: 'end' },
  ];
  const connect = (d, c, from) => ['connect', 'accepted', 'subscribed'].map((e, i) => ({ t: from + i / 10, d, c, e }));
  const packets = [
    ...connect('a', 1, t - 60), ...connect('b', 1, t - 60),
    { t: t + 3.2, d: 'a', c: 1, e: 'desired', version: 2 }, { t: t + 3.2, d: 'b', c: 1, e: 'desired', version: 2 },
    { t: t + 10.5, d: 'a', c: 1, e: 'call', rid: '1', payload: '{"token":"m/1"}' },
    { t: t + 10.6, d: 'b', c: 1, e: 'call', rid: '2', payload: '{"token":"m/1"}' },
    { t: t + 11.5, d: 'a', c: 1, e: 'answer', rid: '1', status: 200, payload: '{"n":1}' },
    { t: t + 20.2, d: 'a', c: 1, e: 'call', rid: '3', payload: '{"token":"d/1"}' },
    { t: t + 20.4, d: 'a', c: 1, e: 'answer', rid: '3', status: 200, payload: '{"n":2}' },
    { t: t + 24.2, d: 'a', c: 1, e: 'desired', version: 3 },
    { t: t + 60, d: 'a', c: 1, e: 'abandoned' },
    ...connect('a', 2, t + 60.1),
    { t: t + 60.4, d: 'a', c: 1, e: 'closed' },
  ];
  const history = { entries, packets, options: { permit: 1 } };
  // What tests spoil.
  const tables = entries.find(({ src }) => src === 'database').tables;
  const ends = (op, key) => entries.filter((entry) => entry.src === 'api' && entry.op === op && entry.key === key && entry.phase !== 'invoke');
  const packetOf = (e, d, rid) => packets.find((packet) => packet.e === e && packet.d === d && (rid === undefined || packet.rid === rid));
  const add = (...packet) => { packets.push(...packet); packets.sort((a, b) => a.t - b.t); };
  const insert = (...more) => { entries.splice(-2, 0, ...more); };
  return { history, t, tables, ends, packetOf, add, insert, entries, api };
}

module.exports = { sample };
