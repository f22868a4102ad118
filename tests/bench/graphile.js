'use strict';
// The baseline graphile-worker: one no-op job per device on the PostgreSQL server that Fleetcast uses, in a schema of its own. Only
// the running is timed, not the adding of the jobs. Two ways of running:
//   plain    one statement to take a job and one to complete it, as the library does unless told otherwise
//   batched  jobs are taken 500 at a time and completions gathered for 20 ms, which is also how long Fleetcast gathers outcomes;
//            a crash repeats what was gathered

const { Logger, makeWorkerUtils, runOnce } = require('graphile-worker');
const { Pool } = require('pg');
const { sql, timed } = require('./lib');
const { connectionUrl } = require('./postgres');

const SCHEMA = 'bench_graphile';
const CONNECTIONS = 16;
const WAYS = {
  plain: { concurrentJobs: CONNECTIONS },
  batched: { concurrentJobs: CONNECTIONS, localQueue: { size: 500 }, completeJobBatchDelay: 20, failJobBatchDelay: 20 },
};

// Answers { rate(way, jobs), stop }.
async function startGraphile() {
  const pgPool = new Pool({ connectionString: connectionUrl(), max: CONNECTIONS + 4 });
  pgPool.on('error', () => {}); // The library asks for both handlers.
  pgPool.on('connect', (client) => client.on('error', () => {}));
  const logger = new Logger(() => () => {});
  await (await makeWorkerUtils({ pgPool, schema: SCHEMA, logger })).migrate();
  async function rate(way, jobs) {
    await sql(`SELECT count(*) FROM ${SCHEMA}.add_jobs((SELECT array_agg(('noop', json_build_object('n', n), NULL, NULL, 1, NULL, NULL, NULL)
      ::${SCHEMA}.job_spec) FROM generate_series(1, ${jobs}) AS n))`);
    await sql(`VACUUM ANALYZE ${SCHEMA}._private_jobs`);
    let done = 0;
    const taskList = { noop: async () => { ++done; } };
    const { seconds } = await timed(() => runOnce({ pgPool, schema: SCHEMA, taskList, logger, noHandleSignals: true,
      preset: { worker: WAYS[way] } }));
    const left = Number(await sql(`SELECT count(*) FROM ${SCHEMA}._private_jobs`));
    if (done !== jobs || left !== 0) throw new Error(`graphile-worker ran ${done} of ${jobs} jobs, ${left} are left`);
    return jobs / seconds;
  }
  async function stop() {
    await pgPool.end();
    await sql(`DROP SCHEMA IF EXISTS ${SCHEMA} CASCADE`);
  }
  return { rate, stop };
}

module.exports = { startGraphile };
