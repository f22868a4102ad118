'use strict';
// Programs that a test starts and stops: the simulated fleet, and the processes of the running Fleetcast by name.

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

module.exports = { startJsonLines, pidsNow };
