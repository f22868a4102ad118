'use strict';
// Simulated devices of one group key: registered once, connected as often as a test or benchmark wants.

const crypto = require('node:crypto');
const path = require('node:path');
const { execFile } = require('node:child_process');
const { promisify } = require('node:util');
const { waitFor } = require('./hub');
const { startJsonLines } = require('./processes');

const bin = process.env.FLEETCAST_BIN_DIR;

// The devices of a run, registered once.
async function registerDevices(prefix, count) {
  const groupKey = crypto.randomBytes(32).toString('base64');
  await promisify(execFile)(path.join(bin, 'fleetsim'), ['--register', '--devices', String(count), '--prefix', prefix, '--group-key', groupKey,
    '--plain', '--duration', '1s', '--connect-rate', '1'], { maxBuffer: 1 << 26 });
  return { prefix, groupKey };
}

// The key of one of them, base64.
const keyOf = (devices, id) => crypto.createHmac('sha256', Buffer.from(devices.groupKey, 'base64')).update(id).digest('base64');

// `count` of them, from number `first`, connected to `host` and `port` when this answers; with `ports` each connection takes any. `flags`:
// more of fleetsim's. `rounds`: what `connected` said each time.
async function startDevices(devices, count, { host = '127.0.0.1', port, ports = [port], first = 1 }, flags) {
  const rounds = [];
  let last = { connected: 0 };
  const fleet = startJsonLines(path.join(bin, 'fleetsim'), ['--host', host, '--mqtts-ports', ports.join(),
    '--mqtt-ports', ports.join(), '--first', String(first), '--hub-name', process.env.FLEETCAST_HOST, '--prefix', devices.prefix,
    '--group-key', devices.groupKey, '--devices', String(count), '--connect-rate', '0', ...flags],
  (line) => { last = line; if (line.event === 'connected') rounds.push(line); });
  const expected = flags.includes('--rounds') ? Number(flags[flags.indexOf('--rounds') + 1]) : 1;
  await waitFor(`${count} devices connect ${expected} times`, () => {
    if (fleet.child.exitCode !== null) throw new Error('fleetsim ended');
    return rounds.length >= expected;
  }, 240);
  return { rounds, figures: () => last, pid: fleet.child.pid, stop: () => fleet.stop() };
}

module.exports = { keyOf, registerDevices, startDevices };
