'use strict';
// Programs that a test starts and stops: the simulated fleet, and the processes of the running Fleetcast by name.

const assert = require('node:assert');
const { spawn } = require('node:child_process');
const fs = require('node:fs');
const readline = require('node:readline');

// Starts a program; `lines` receives each line of its output as JSON.
function startJsonLines(command, args, onLine) {
  const child = spawn(command, args, { stdio: ['ignore', 'pipe', 'inherit'] });
  readline.createInterface({ input: child.stdout }).on('line', (line) => {
    try { onLine(JSON.parse(line)); } catch { /* not JSON: a remark for people */ }
  });
  const ended = new Promise((resolve) => child.on('exit', (code, signal) => resolve({ code, signal })));
  return {
    child,
    ended,
    async stop() {
      if (child.exitCode === null) child.kill('SIGTERM');
      return ended;
    },
  };
}

// The process ids that `fleetcast dev` states now (FLEETCAST_PIDS of its env file), by name.
function pidsNow() {
  const text = fs.readFileSync(process.env.FLEETCAST_ENV_FILE, 'utf8');
  const line = text.split('\n').find((each) => /^(export )?FLEETCAST_PIDS=/.test(each));
  const value = line.slice(line.indexOf('=') + 1).replace(/^['"]|['"]$/g, '');
  return Object.fromEntries(value.split(/[\s,]+/).filter(Boolean).map((pair) => pair.split('=')).map(([name, pid]) => [name, Number(pid)]));
}

// The command line of a running process.
const commandLine = (pid) => fs.readFileSync(`/proc/${pid}/cmdline`, 'utf8').split('\0').slice(0, -1);

// The value of `--flag` in a command line as `fleetcast dev` writes them.
const flagOf = (command, flag) => command[command.indexOf(flag) + 1];

// A metric of a service of the running Fleetcast, summed over its labels and processes; with `label` (`name="value"`) only those.
async function metricOf(service, name, label = '') {
  const processes = Object.entries(pidsNow()).filter(([each]) => each === service || each.startsWith(`${service}_`));
  const texts = await Promise.all(processes.map(async ([, pid]) => {
    const address = flagOf(commandLine(pid), '--metrics-listen');
    return (await fetch(`http://${address}/metrics`)).text();
  }));
  const lines = texts.join('').split('\n').filter((line) => (line.startsWith(`${name} `) || line.startsWith(`${name}{`))
    && line.includes(label));
  assert.ok(lines.length > 0, `${service} has no metric ${name}`);
  return lines.reduce((sum, line) => sum + Number(line.slice(line.lastIndexOf(' ') + 1)), 0);
}

module.exports = { startJsonLines, pidsNow, commandLine, flagOf, metricOf };
