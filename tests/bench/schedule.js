'use strict';
// Jobs that wait for their time: what they cost meanwhile, and how late they start when everything was killed and started again.

const { jobs, spread, watch } = require('./settings').settings({ jobs: 10000, spread: 120, watch: 20 });

const fs = require('node:fs');
const { spawn } = require('node:child_process');
const { uniqueId, waitFor } = require('../e2e/lib/hub');
const { pidsNow } = require('../e2e/lib/processes');
const { grpcClient } = require('./clients');
const { registerBySql } = require('./fleet');
const { median, percentiles, print, say, sleep, sql } = require('./lib');

const prefix = `${uniqueId('sched')}-`;
const DEVICES = 100;
const TICKS_PER_SECOND = 100; // USER_HZ, the unit of /proc.

// Processor seconds that a process and those that it has started used so far.
function processorSeconds(pid) {
  const fields = (id) => { const text = fs.readFileSync(`/proc/${id}/stat`, 'utf8'); return text.slice(text.lastIndexOf(')') + 2).split(' ').map(Number); };
  const own = fields(pid);
  const children = fs.readFileSync(`/proc/${pid}/task/${pid}/children`, 'utf8').split(' ').filter(Boolean);
  const ticks = children.reduce((sum, child) => {
    try { const of = fields(child); return sum + of[11] + of[12]; } catch { return sum; } // It has just ended.
  }, own[11] + own[12] + own[13] + own[14]);
  return ticks / TICKS_PER_SECOND;
}

// Processor milliseconds a second: the median of three times `watch` seconds, so that one autovacuum or checkpoint is not counted as the
// price of waiting.
async function load() {
  const loads = [await loadOnce(), await loadOnce(), await loadOnce()];
  return Object.fromEntries(Object.keys(loads[0]).map((name) => [name, median(loads.map((each) => each[name]))]));
}

async function loadOnce() {
  const { scheduler, postgres } = pidsNow();
  const before = [scheduler, postgres].map(processorSeconds);
  await sleep(watch * 1000);
  const [ofScheduler, ofPostgres] = [scheduler, postgres].map((pid, i) => Math.round((processorSeconds(pid) - before[i]) * 1000 / watch));
  return { scheduler_ms_per_s: ofScheduler, postgres_ms_per_s: ofPostgres };
}

async function createJobs(first) {
  const client = await grpcClient(process.env.FLEETCAST_GRPC_JOBS, 'fleetcast.jobs.v1.JobService');
  let next = 0;
  const worker = async () => {
    while (next < jobs) {
      const i = next++;
      const due = Math.round(first + i * spread * 1000 / jobs);
      await client('CreateJob', { job: { id: `${prefix}${i}`, condition: `deviceId = '${prefix}${String(i % DEVICES).padStart(7, '0')}'`,
        update_twin: { desired_patch: `{"round":${i}}` }, start_time: { seconds: Math.floor(due / 1000), nanos: (due % 1000) * 1e6 } } });
      if (i % 2000 === 0) say(`${i} of ${jobs} jobs created`);
    }
  };
  await Promise.all(Array.from({ length: 16 }, worker));
}

const lives = (pid) => { try { process.kill(pid, 0); return true; } catch { return false; } };

// kill -9 of everything, the database too, and `fleetcast dev` on the same data once more. Answers the new process.
async function restart() {
  const pids = [Number(process.env.FLEETCAST_STACK_PID), ...Object.values(pidsNow())];
  for (const pid of pids) if (lives(pid)) process.kill(pid, 'SIGKILL');
  await waitFor('everything is dead', () => !pids.slice(1).some(lives), 30);
  fs.rmSync(process.env.FLEETCAST_ENV_FILE, { force: true });
  const child = spawn(`${process.env.FLEETCAST_BIN_DIR}/fleetcast`, ['dev', '--host', process.env.FLEETCAST_HOST, '--data-dir',
    process.env.FLEETCAST_DATA_DIR, '--env-file', process.env.FLEETCAST_ENV_FILE], { stdio: ['ignore', 'ignore', 'inherit'] });
  await waitFor('everything is back', () => fs.existsSync(process.env.FLEETCAST_ENV_FILE), 120);
  const text = fs.readFileSync(process.env.FLEETCAST_ENV_FILE, 'utf8');
  const postgres = /^(?:export )?FLEETCAST_POSTGRES=(.*)$/m.exec(text)[1].replace(/^'|'$/g, '');
  process.env.FLEETCAST_POSTGRES = postgres;
  return child;
}

const count = async (condition) => Number(await sql(`SELECT count(*) FROM jobs.job WHERE id LIKE '${prefix}%' AND ${condition}`));

async function main() {
  await registerBySql(prefix, DEVICES);
  await sleep(5000); // Until what starting brought is over.
  const idle = await load();
  say(`without waiting jobs: ${JSON.stringify(idle)}`);
  const first = Date.now() + jobs * 8 + (3 * watch + 70) * 1000;
  await createJobs(first);
  await sleep(2000);
  const waiting = await load();
  say(`with ${jobs} waiting jobs: ${JSON.stringify(waiting)}`);
  const child = await restart();
  try {
    const slack = (first - Date.now()) / 1000;
    if (slack < 0) throw new Error(`the restart was over ${-slack} s after the first start time: fewer jobs, please`);
    say(`restarted ${slack.toFixed(0)} s before the first start time`);
    await sleep(first + spread * 1000 - Date.now());
    await waitFor('all jobs have ended', async () => await count('end_time IS NOT NULL') === jobs, 300, 1000);
    const lateness = (await sql(`SELECT extract(epoch FROM started_time - start_time) * 1000 FROM jobs.job WHERE id LIKE '${prefix}%'`))
      .split('\n').map(Number);
    print({ name: 'schedule', jobs, spread_seconds: spread, idle, waiting, late_ms: percentiles(lateness),
      early: lateness.filter((milliseconds) => milliseconds < 0).length, succeeded: await count('succeeded = 1') });
  } finally {
    child.kill('SIGTERM');
    await new Promise((resolve) => { child.on('exit', resolve); });
  }
}

main().then(() => process.exit(0), (error) => {
  console.error(`bench schedule: ${error.stack}`);
  process.exit(1);
});
