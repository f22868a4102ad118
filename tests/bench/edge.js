'use strict';
// The MQTT edge beside Mosquitto, the same generator against both: TLS connects, memory and processor time of idle connections,
// request/reply, and how long a call takes at a steady rate. Each part is left out when its number is 0.

const { devices, connects, repetitions, idle, requests, seconds } = require('./settings').settings({ devices: 10000, connects: 3000, repetitions: 3, idle: 60,
  requests: 50000, seconds: 5 });

const path = require('node:path');
const { uniqueId } = require('../e2e/lib/hub');
const { registerDevices, startDevices } = require('../e2e/lib/simulated');
const { withServers } = require('./edge_parties');
const { cpuSeconds, fleetcastPids, median, memoryOf, print, run, say, sleep, startMosquitto } = require('./lib');
const { fleetcastRate, mosquittoRate } = require('./request_reply');

const bin = process.env.FLEETCAST_BIN_DIR;
const RATES = [1, 1000, 10000];
const AT_ONCE = 64; // Connections that are opening; Mosquitto's queue holds 100, and each that finds it full loses seconds.
const SLOWEST_SECONDS = 20; // Of the rate of one call a second, which needs time for some.

const rounded = (value, digits = 0) => Number(value.toFixed(digits));
const ratio = (ours, theirs) => rounded(ours / theirs, 2);

// Connects a second to one server: the median of some rounds, and what a connect cost each process.
async function connectRate(fleet, server, certificate, isResumed, pids) {
  const rounds = repetitions + (isResumed ? 1 : 0); // The first round gets the tickets.
  const before = cpuSeconds(pids);
  const running = await startDevices(fleet, connects, server, ['--ca-file', certificate.chain, '--rounds', String(rounds),
    '--connecting-max', String(AT_ONCE), ...(isResumed ? ['--resume-tls'] : [])]);
  const after = cpuSeconds(pids);
  const generator = cpuSeconds({ generator: running.pid }).generator;
  const rates = running.rounds.slice(isResumed ? 1 : 0).map((round) => rounded(connects / round.seconds));
  const { resumed, connectErrors } = running.rounds.at(-1);
  await running.stop();
  const each = (spent) => rounded(spent * 1e6 / (connects * rounds));
  const cpu = Object.fromEntries(Object.keys(pids).map((name) => [name, each(after[name] - before[name])]).filter(([, spent]) => spent > 0));
  return { rate: median(rates), rates, resumed, errors: connectErrors, cpu_microseconds_per_connect: { ...cpu, generator: each(generator) } };
}

async function connectFigures(fleet) {
  const figures = {};
  for (const kind of ['rsa2048', 'p256']) {
    await withServers(kind, async ({ certificate, edge, broker }) => {
      for (const isResumed of [false, true]) {
        const mosquitto = await connectRate(fleet, broker, certificate, isResumed, { mosquitto: broker.pid });
        const fleetcast = await connectRate(fleet, edge, certificate, isResumed, { ...fleetcastPids(), mqtt_edge: edge.pid });
        const name = `${kind}_${isResumed ? 'resumed' : 'full'}`;
        figures[name] = { fleetcast, mosquitto, ratio: ratio(fleetcast.rate, mosquitto.rate) };
        say(`${name}: ${fleetcast.rate}/s beside ${mosquitto.rate}/s of Mosquitto`);
      }
    });
  }
  print({ name: 'edge_connects', connects, repetitions, ...figures });
}

// What `devices` connections add to the memory of a server, in bytes each; then what they cost while they only ping.
async function idleFigures(fleet) {
  await withServers('p256', async ({ certificate, edge, broker }) => {
    const memory = {};
    const grow = async (name, pid, port, flags) => {
      const before = memoryOf(pid).now;
      const running = await startDevices(fleet, devices, { port }, ['--keep-alive', '60s', ...flags]);
      await sleep(3000);
      memory[name] = rounded((memoryOf(pid).now - before) * 1024 / devices);
      say(`${name}: ${memory[name]} bytes a connection`);
      return running;
    };
    const tls = ['--ca-file', certificate.chain];
    await (await grow('mosquitto_plain', broker.plainPid, broker.plainPort, ['--plain'])).stop();
    const theirs = await grow('mosquitto_tls', broker.pid, broker.port, tls);
    const ours = await grow('fleetcast_tls', edge.pid, edge.port, tls);
    const pids = { fleetcast: edge.pid, mosquitto: broker.pid };
    const before = cpuSeconds(pids);
    await sleep(idle * 1000);
    const after = cpuSeconds(pids);
    const cpu = (name) => rounded((after[name] - before[name]) * 1000 / idle, 1);
    await Promise.all([ours.stop(), theirs.stop()]);
    await withServers('p256', async (fresh) => {
      await (await grow('fleetcast_plain', fresh.edge.pid, fresh.edge.plainPort, ['--plain'])).stop();
    });
    print({ name: 'edge_idle', devices, bytes_per_connection: memory, ratio_tls: ratio(memory.fleetcast_tls, memory.mosquitto_tls),
      ratio_plain: ratio(memory.fleetcast_plain, memory.mosquitto_plain), keep_alive_seconds: 60, seconds: idle,
      cpu_ms_per_s: { fleetcast: cpu('fleetcast'), mosquitto: cpu('mosquitto') } });
  });
}

async function requestReplyFigures(fleet, broker) {
  const rates = { fleetcast: [], mosquitto: [] };
  for (let i = -1; i < repetitions; ++i) {
    const [theirs, ours] = [await mosquittoRate(broker.port, devices, requests), await fleetcastRate(fleet.prefix, devices)];
    say(`request/reply: ${rounded(ours)}/s beside ${rounded(theirs)}/s of Mosquitto${i < 0 ? ' (warm-up)' : ''}`);
    if (i < 0) continue;
    rates.mosquitto.push(rounded(theirs));
    rates.fleetcast.push(rounded(ours));
  }
  print({ name: 'edge_request_reply', devices, repetitions, fleetcast: { rate: median(rates.fleetcast), rates: rates.fleetcast },
    mosquitto: { rate: median(rates.mosquitto), rates: rates.mosquitto }, ratio: ratio(median(rates.fleetcast), median(rates.mosquitto)) });
}

async function latencyFigures(fleet, broker) {
  const measure = async (program, target, rate, wait) => {
    const { stdout } = await run(path.join(bin, program), [...target, '--devices', String(devices), '--rate', String(rate), '--seconds', String(wait)]);
    const { calls, p50_ms: p50, p99_ms: p99, max_ms: max } = JSON.parse(stdout);
    return { calls, p50, p99, max };
  };
  const figures = {};
  for (const rate of RATES) {
    const wait = rate === 1 ? SLOWEST_SECONDS : seconds;
    const fleetcast = await measure('fleetcast-bench-calls', ['--address', process.env.FLEETCAST_GRPC_METHODS, '--prefix', fleet.prefix], rate, wait);
    const mosquitto = await measure('fleetcast-bench-broker', ['--port', String(broker.port)], rate, wait);
    figures[`at_${rate}_per_s`] = { fleetcast, mosquitto };
    say(`${rate} calls/s: ${JSON.stringify(figures[`at_${rate}_per_s`])}`);
  }
  print({ name: 'edge_call_latency_ms', devices, ...figures });
}

async function main() {
  say('registering devices');
  const fleet = await registerDevices(`${uniqueId('edge')}-`, Math.max(devices, connects));
  if (requests > 0 || seconds > 0) {
    const broker = await startMosquitto();
    const running = await startDevices(fleet, devices, { host: process.env.FLEETCAST_HOST, port: process.env.FLEETCAST_MQTT_PORT }, ['--plain']);
    if (requests > 0) await requestReplyFigures(fleet, broker);
    if (seconds > 0) await latencyFigures(fleet, broker);
    await Promise.all([running.stop(), broker.stop()]);
  }
  if (connects > 0) await connectFigures(fleet);
  if (idle > 0) await idleFigures(fleet);
}

main().then(() => process.exit(0), (error) => {
  console.error(`bench edge: ${error.stack}`);
  process.exit(1);
});
