'use strict';
// kill -9 of the edge while 2,000 devices are connected over TLS: all come back, none is told that its credentials are wrong, and each
// can be called. (50,000 devices over several edges: scripts/bench storm.)

const assert = require('node:assert');
const { after, before, test } = require('node:test');
const { host, uniqueId } = require('./lib/hub');
const { registerDevices, startDevices } = require('./lib/simulated');
const { checkSessions, killAllEdges } = require('./lib/storm');

const DEVICES = 2000;
let devices;
let fleet;

before(async () => {
  devices = await registerDevices(`${uniqueId('storm')}-`, DEVICES);
  fleet = await startDevices(devices, DEVICES, { host, port: process.env.FLEETCAST_MQTTS_PORT },
    ['--ca-file', process.env.FLEETCAST_CA_FILE, '--reconnect-limit', '2s', '--resume-tls']);
});

after(async () => { if (fleet) await fleet.stop(); });

test('all devices come back by themselves', { timeout: 120000 }, async () => {
  await killAllEdges([fleet], DEVICES, 60);
  assert.strictEqual(fleet.figures().refusedForGood, 0);
  await checkSessions(devices.prefix, DEVICES);
});
