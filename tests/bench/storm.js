'use strict';
// A reconnect storm: all edges killed at once while very many devices are connected over TLS, and how long until all are back. Fails
// when a device is told that its credentials are wrong, or when sessions, edges and devices do not agree in the end.

const { devices, generators, repetitions } = require('./settings').settings({ devices: 50000, generators: 4, repetitions: 2 });

const { host, uniqueId } = require('../e2e/lib/hub');
const { pidsNow } = require('../e2e/lib/processes');
const { registerDevices, startDevices } = require('../e2e/lib/simulated');
const { checkSessions, edgesNow, killAllEdges } = require('../e2e/lib/storm');
const { memoryOf, print, say } = require('./lib');

const WATCHED = /^(mqtt_edge|device_connection|twin|redis)/;

const memory = () => Object.fromEntries(Object.entries(pidsNow()).filter(([name]) => WATCHED.test(name))
  .map(([name, pid]) => { const { now, peak } = memoryOf(pid); return [name, { now_mb: now >> 10, peak_mb: peak >> 10 }]; }));

const sum = (fleets, name) => fleets.reduce((total, fleet) => total + fleet.figures()[name], 0);

async function main() {
  const ports = process.env.FLEETCAST_MQTTS_PORTS.split(',');
  const group = await registerDevices(`${uniqueId('storm')}-`, devices);
  say(`connecting ${devices} devices to ${ports.length} edges`);
  const each = Math.ceil(devices / generators);
  const started = Date.now();
  const fleets = await Promise.all(Array.from({ length: generators }, (_, i) => startDevices(group, Math.min(each, devices - i * each),
    { host, ports, first: 1 + i * each }, ['--ca-file', process.env.FLEETCAST_CA_FILE, '--resume-tls'])));
  const connectSeconds = (Date.now() - started) / 1000;
  await checkSessions(group.prefix, devices);
  const storms = [];
  for (let i = 0; i < repetitions; ++i) {
    const times = await killAllEdges(fleets, devices, 300);
    await checkSessions(group.prefix, devices);
    storms.push(times);
    say(`storm ${i + 1}: ${JSON.stringify(times)}`);
  }
  const figures = { name: 'storm', devices, edges: edgesNow().length, first_connect_seconds: Number(connectSeconds.toFixed(1)), storms,
    refused: sum(fleets, 'refused'), refused_for_good: sum(fleets, 'refusedForGood'), resumed: sum(fleets, 'resumed'),
    connects: sum(fleets, 'connects'), memory: memory() };
  print(figures);
  await Promise.all(fleets.map((fleet) => fleet.stop()));
  if (figures.refused_for_good > 0) throw new Error('devices were told that their credentials are wrong');
}

main().then(() => process.exit(0), (error) => {
  console.error(`bench storm: ${error.stack}`);
  process.exit(1);
});
