'use strict';
// A method job over connected devices, every outcome durable, beside Mosquitto's raw request/reply with as many connections and
// beside graphile-worker, which runs one no-op job per device on the same PostgreSQL. All over plain TCP on loopback, in turns in one
// run; the generators run on the same machine. A job's time is from its start, before its targets are known, to its end.

const { devices, repetitions, requests } = require('./settings').settings({ devices: 10000, repetitions: 5, requests: 50000 });

const path = require('node:path');
const { uniqueId, waitFor } = require('../e2e/lib/hub');
const { startJsonLines } = require('../e2e/lib/processes');
const { startGraphile } = require('./graphile');
const { median, print, say, startMosquitto } = require('./lib');
const { fleetcastRate, mosquittoRate } = require('./request_reply');

const bin = process.env.FLEETCAST_BIN_DIR;

// Each contender once, in this order; `rates` gets one more of each.
async function round(prefix, broker, graphile, rates) {
  rates.mosquitto.push(await mosquittoRate(broker.port, devices, requests));
  rates.fleetcast.push(await fleetcastRate(prefix, devices));
  rates.graphile.push(await graphile.rate('plain', devices));
  rates.graphileBatched.push(await graphile.rate('batched', devices));
  say(Object.entries(rates).map(([name, values]) => `${name} ${Math.round(values.at(-1))}/s`).join(', '));
}

const newRates = () => ({ mosquitto: [], fleetcast: [], graphile: [], graphileBatched: [] });

function report(rates) {
  const middle = Object.fromEntries(Object.entries(rates).map(([name, values]) => [name, median(values)]));
  const ratio = (name) => Number((middle.fleetcast / middle[name]).toFixed(2));
  const rounded = (values) => values.map(Math.round);
  print({ name: 'methods', devices, repetitions, rate: Math.round(middle.fleetcast), rates: rounded(rates.fleetcast),
    mosquitto: { what: 'raw request/reply, nothing stored', rate: Math.round(middle.mosquitto), rates: rounded(rates.mosquitto) },
    graphile_worker: { what: 'one no-op job per device, one statement to take and one to complete', rate: Math.round(middle.graphile),
      rates: rounded(rates.graphile) },
    graphile_worker_batched: { what: 'the same, 500 taken at once and completions gathered for 20 ms',
      rate: Math.round(middle.graphileBatched), rates: rounded(rates.graphileBatched) },
    ratio_mosquitto: ratio('mosquitto'), ratio_graphile_worker: ratio('graphile'),
    ratio_graphile_worker_batched: ratio('graphileBatched') });
}

async function main() {
  const prefix = `${uniqueId('bench')}-`;
  let connected = 0;
  const fleet = startJsonLines(path.join(bin, 'fleetsim'),
    ['--devices', String(devices), '--prefix', prefix, '--register', '--plain', '--connect-rate', '0'],
    (line) => { if (typeof line.connected === 'number') connected = line.connected; });
  const broker = await startMosquitto();
  const graphile = await startGraphile();
  try {
    await waitFor('the fleet is connected', () => { say(`${connected} of ${devices} devices connected`); return connected >= devices; }, 300);
    say('warm-up: caches, code pages, statistics of fresh tables');
    await round(prefix, broker, graphile, newRates());
    const rates = newRates();
    for (let i = 1; i <= repetitions; ++i) await round(prefix, broker, graphile, rates);
    report(rates);
  } finally {
    await graphile.stop();
    await broker.stop();
    await fleet.stop();
  }
}

main().catch((error) => {
  console.error(`bench methods: ${error.message}`);
  process.exit(1);
});
