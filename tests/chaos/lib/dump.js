'use strict';
// What the database holds at the end of a run, and samples of session epochs while it runs.

const QUERIES = {
  jobs: `SELECT json_build_object('seq', seq, 'id', id, 'kind', kind, 'state', state, 'stop', stop, 'frozen', frozen, 'condition', condition,
    'targetCount', target_count, 'succeeded', succeeded, 'failed', failed, 'timedOut', timed_out, 'canceled', canceled,
    'due', extract(epoch FROM due_time), 'started', extract(epoch FROM started_time), 'deadline', extract(epoch FROM deadline),
    'ended', extract(epoch FROM end_time), 'stopped', extract(epoch FROM stop_time),
    'payload', payload, 'desired', desired_patch) FROM jobs.job ORDER BY seq`,
  chunks: `SELECT json_build_object('job', job_seq, 'no', chunk_no, 'size', size, 'state', state, 'succeeded', succeeded, 'failed', failed,
    'timedOut', timed_out, 'canceled', canceled, 'issued', issued::text) FROM jobs.chunk ORDER BY job_seq, chunk_no`,
  targets: `SELECT json_build_object('job', job_seq, 'no', chunk_no, 'devices', device_ids) FROM jobs.chunk_target ORDER BY 1::text`,
  outcomes: `SELECT json_build_object('job', job_seq, 'n', n, 'state', state, 'status', device_status, 'code', error_code,
    'reason', error_reason, 'payload', convert_from(payload, 'UTF8'), 'started', extract(epoch FROM start_time),
    'ended', extract(epoch FROM end_time)) FROM jobs.outcome`,
  twins: `SELECT json_build_object('device', device_id, 'version', desired_version, 'desired', desired) FROM twin.twin`,
  devices: `SELECT json_build_object('device', device_id, 'connected', connected, 'epoch', presence_epoch) FROM twin.device`,
  slices: `SELECT json_build_object('job', job_seq, 'chunk', chunk, 'slice', slice, 'applied', extract(epoch FROM apply_time))
    FROM twin.applied_slice`,
};

async function dump(stack) {
  const tables = {};
  for (const [name, sql] of Object.entries(QUERIES)) tables[name] = await stack.query(sql);
  return tables;
}

const sampleEpochs = (stack) => stack.query(
  `SELECT json_build_object('device', t.device_id, 'presence', d.presence_epoch, 'reported', t.session_epoch)
   FROM twin.twin t JOIN twin.device d USING (device_id)`);

module.exports = { dump, sampleEpochs };
