'use strict';
// Each rule holds in the sample, and fails when the sample is spoilt in one place.

const assert = require('node:assert');
const { test } = require('node:test');
const { check, RULES } = require('.');
const { sample } = require('./sample');

// Rule, what is spoilt, how.
const SPOILT = [
  ['J1', 'a read finds nothing', ({ ends }) => { ends('getJob', 'm')[0].body = { jobId: 'm', status: 'unknown' }; }],
  ['J1', 'a read finds another start', ({ ends }) => { ends('getJob', 'm')[0].body.startTime = '2020-01-01T00:00:00Z'; }],
  ['J1', 'the database has lost it', ({ tables }) => { tables.jobs.shift(); }],
  ['J2', 'another body is accepted', ({ ends }) => { Object.assign(ends('putJob', 'm')[2], { phase: 'ok', status: 200 }); }],
  ['J2', 'the same body is refused', ({ ends }) => { Object.assign(ends('putJob', 'm')[1], { phase: 'fail', status: 409 }); }],
  ['J2', 'devices see two tokens', ({ packetOf }) => { packetOf('call', 'b').payload = '{"token":"m/2"}'; }],
  ['J3', 'deviceCount changes', ({ ends }) => { ends('getJob', 'm')[1].body.deviceJobStatistics.deviceCount = 3; }],
  ['J3', 'a device is missing', ({ tables }) => { tables.targets[0].devices = ['a', 'c']; }],
  ['J3', 'a device is there twice', ({ tables }) => { tables.targets[0].devices = ['a', 'a', 'b']; }],
  ['J4', 'a device has no end', ({ tables }) => { tables.outcomes.splice(1, 1); tables.chunks[0].state = 0; }],
  ['J4', 'two reads differ', ({ ends }) => { ends('rows', 'm')[1].body[0].endTimeUtc = 'later'; }],
  ['J4', 'API and database differ', ({ tables }) => { tables.outcomes[1].state = 3; }],
  ['J5', 'completed with one running', ({ ends }) => { ends('getJob', 'm')[2].body.deviceJobStatistics.runningCount = 1; }],
  ['J5', 'it never ends', ({ tables }) => { tables.jobs[0].state = 4; }],
  ['J6', 'the sum is wrong', ({ ends }) => { ends('getJob', 'm')[1].body.deviceJobStatistics.succeededCount = 2; }],
  ['J6', 'succeeded falls', ({ ends }) => { Object.assign(ends('getJob', 'm')[2].body.deviceJobStatistics, { succeededCount: 0, failedCount: 2 }); }],
  ['J7', 'running again', ({ ends }) => { ends('getJob', 'm')[0].body.status = 'completed'; }],
  ['J8', 'a call comes early', ({ packetOf, t }) => { packetOf('call', 'a').t = t + 9; }],
  ['J9', 'a call comes late', ({ packetOf, t }) => { packetOf('call', 'b').t = t + 72; }],
  ['J10', 'a call after the cancel', ({ add, t }) => { add({ t: t + 4, d: 'a', c: 1, e: 'call', rid: '9', payload: '{"token":"x/1"}' }); }],
  ['J10', 'a twin is written after the cancel', ({ tables, t }) => { tables.slices[0] = { job: 2, chunk: 0, slice: 0, applied: t + 3.2 }; }],
  ['J11', 'a canceled device was called', ({ add, t }) => { add({ t: t + 2, d: 'a', c: 1, e: 'call', rid: '9', payload: '{"token":"x/1"}' }); }],
  ['J14', 'a schedule starts early', ({ tables, t }) => { tables.jobs[0].started = t + 9; }],
  ['J14', 'a schedule never starts', ({ tables }) => { Object.assign(tables.jobs[0], { started: null, state: 2 }); }],
  ['M1', 'a device is called twice', ({ add, t }) => { add({ t: t + 13, d: 'a', c: 1, e: 'call', rid: '9', payload: '{"token":"m/1"}' }); }],
  ['M2', 'a call after the outcome', ({ tables, t }) => { tables.outcomes[0].ended = t + 9; }],
  ['M3', 'an answer that nobody sent', ({ tables }) => { tables.outcomes[0].payload = '{"n":9}'; }],
  ['M3', 'an answer on another connection', ({ packetOf }) => { packetOf('answer', 'a', '1').c = 2; }],
  ['M3', 'a direct call hears what nobody sent', ({ ends }) => { ends('method', 'a')[0].body.payload = { n: 9 }; }],
  ['M5', 'an answer is lost', ({ tables }) => { Object.assign(tables.outcomes[0], { state: 5, status: null, code: 504101 }); }],
  ['M6', 'a request id is used again', ({ packetOf }) => { packetOf('call', 'a', '3').rid = '1'; }],
  ['M7', '"not online" after a call', ({ packetOf }) => { packetOf('call', 'b').payload = '{"token":"d/2"}'; }],
  ['M9', 'delivered is reported as not delivered', ({ tables }) => { Object.assign(tables.outcomes[1], { state: 4, code: 404103 }); }],
  ['T1', 'a patch is lost', ({ tables }) => { delete tables.twins[0].desired.writers; }],
  ['T2', 'two patches share a version', ({ insert, api, t }) => {
    insert(...api(90, t + 25, 'patchTwin', 'a', 'ok', { args: { desired: { writers: { w: 'w/1' } } }, body: { properties: { desired: { $version: 3 } } } }));
  }],
  ['T2', 'a reader sees an older version', ({ ends }) => { ends('getTwin', 'a')[0].body.properties.desired.$version = 2; }],
  ['T5', 'a change is skipped', ({ packets }) => { packets.find(({ version }) => version === 3).version = 4; }],
  ['T5', 'a change comes again', ({ packets }) => { packets.find(({ version }) => version === 3).version = 2; }],
  ['T8', 'a job writes twice', ({ tables }) => { tables.twins[1].version = 3; }],
  ['T8', 'success without a write', ({ tables }) => { delete tables.twins[1].desired.jobs; }],
  ['S1', 'the older connection gets a call', ({ add, t }) => { add({ t: t + 61, d: 'a', c: 1, e: 'call', rid: '9', payload: '{}' }); }],
  ['S1', 'the older connection stays', ({ packetOf, t }) => { packetOf('closed', 'a').t = t + 90; }],
  ['S2', 'an epoch falls', ({ entries }) => { entries.filter(({ src }) => src === 'epochs')[1].epochs[0].presence = 4; }],
  ['S3', 'a connected device is not online', ({ ends }) => { Object.assign(ends('method', 'a')[0], { phase: 'fail', status: 404, body: { Message: '404103' } }); }],
  ['S5', 'presence is wrong', ({ tables }) => { tables.devices[1].connected = false; }],
  ['S6', 'a flush closes a connection', ({ add, t }) => { add({ t: t + 101, d: 'b', c: 1, e: 'closed' }); }],
  ['A1', 'a refused job is seen on a device', ({ packetOf }) => { packetOf('call', 'b').payload = '{"token":"m/other"}'; }],
  ['A2', 'a repeated job holds another payload', ({ tables }) => { tables.jobs[0].payload = '{"token":"m/other"}'; }],
  ['A7', 'a process ends itself', ({ insert, t }) => { insert({ t: t + 40, src: 'process', event: 'died', name: 'twin', how: 'signal 6 (Aborted)' }); }],
  ['A7', 'a killed process dies again', ({ insert, t }) => { insert({ t: t + 40, src: 'process', event: 'died', name: 'scheduler', how: 'signal 9 (Killed)' }); }],
  ['A11', 'a counter is wrong', ({ tables }) => { tables.chunks[0].succeeded = 2; }],
  ['A11', 'the API counts otherwise', ({ ends }) => { Object.assign(ends('getJob', 'm')[2].body.deviceJobStatistics, { succeededCount: 2, failedCount: 0 }); }],
];

const rulesOf = (history) => new Set(check(history).map(({ rule }) => rule));

test('every rule holds in the sample', () => {
  assert.deepStrictEqual(check(sample().history), []);
});

test('every rule has a way to fail', () => {
  const spoilt = new Set(SPOILT.map(([rule]) => rule));
  assert.deepStrictEqual(Object.keys(RULES).filter((rule) => !spoilt.has(rule)), []);
});

for (const [rule, what, spoil] of SPOILT) {
  test(`${rule} fails when ${what}`, () => {
    const made = sample();
    spoil({ ...made, packets: made.history.packets });
    assert.ok(rulesOf(made.history).has(rule), `${rule} did not notice; these did: ${[...rulesOf(made.history)].join(' ') || 'none'}`);
  });
}
