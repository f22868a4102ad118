'use strict';
// Rules of method calls (reliability 2.3).

const { groupBy, isNotOnline, parse } = require('./facts');

const EPS = 0.5;
const TO_COMMIT = 3;     // An answer sent this long before the next fault has been recorded.
const NOT_DELIVERED = [404103, 404001, 403012, 403800, 503005]; // Codes that say that the device was not called.

const keyOf = (job, device) => `${job.id} ${device}`;

// Each execution of a method job with the calls that its device received for it.
function* executionsWithCalls({ jobs }) {
  for (const job of jobs.filter(({ body }) => body.cloudToDeviceMethod)) {
    const calls = groupBy(job.calls, ({ device }) => device);
    for (const execution of job.executions) yield { job, execution, calls: calls.get(execution.device) || [] };
  }
}

// At most once, for jobs and for direct calls.
function M1({ calls }) {
  const bad = [];
  for (const [key, same] of groupBy(calls.filter(({ token }) => token), ({ token, device }) => `${token} ${device}`)) {
    if (same.length > 1) bad.push(`${key}: called ${same.length} times, at ${same.map(({ t, connection, rid }) => `${t} (connection ${connection}, rid ${rid})`).join(', ')}`);
  }
  return bad;
}

// Never after the outcome.
function M2(facts) {
  const bad = [];
  for (const { job, execution, calls } of executionsWithCalls(facts)) {
    if (!execution.outcome) continue;
    for (const { t } of calls.filter((call) => call.t > execution.ended + EPS)) {
      bad.push(`${keyOf(job, execution.device)}: called at ${t}, its outcome is of ${execution.ended}`);
    }
  }
  return bad;
}

const isAnswer = (answer, { status, payload }) => answer.status === status && answer.payload === payload;

// The answer belongs to the question.
function M3(facts) {
  const bad = [];
  for (const { job, execution, calls } of executionsWithCalls(facts)) {
    if (!execution.outcome || execution.state !== 3) continue;
    const given = calls.flatMap(({ answers }) => answers);
    if (!given.some((answer) => isAnswer(answer, execution))) {
      bad.push(`${keyOf(job, execution.device)}: recorded is ${execution.status} ${execution.payload}, the device sent ${JSON.stringify(given)}`);
    }
  }
  for (const op of facts.ops.filter(({ op: name, result }) => name === 'method' && result === 'ok')) {
    const given = facts.calls.filter(({ token, device }) => token === op.args.payload.token && device === op.key).flatMap(({ answers }) => answers);
    const same = given.some((answer) => answer.status === op.body.status && JSON.stringify(parse(answer.payload)) === JSON.stringify(op.body.payload));
    if (!same) bad.push(`direct call ${op.args.payload.token} of ${op.key}: answered ${JSON.stringify(op.body)}, the device sent ${JSON.stringify(given)}`);
  }
  return bad;
}

// No answer is lost unless something broke.
function M5(facts) {
  const bad = [];
  for (const { job, execution, calls } of executionsWithCalls(facts)) {
    if (calls.length !== 1 || calls[0].answers.length === 0) continue;
    const [call] = calls;
    const [answer] = call.answers;
    const connection = facts.connections.get(`${call.device}#${call.connection}`);
    const left = Math.min(connection?.closed ?? Infinity, connection?.abandoned ?? Infinity, connection?.dropped ?? Infinity);
    const inTime = answer.t < call.t + job.body.cloudToDeviceMethod.responseTimeoutInSeconds - 1
      && answer.t < (job.row?.deadline ?? 0) - 1 && left > answer.t + TO_COMMIT;
    if (!inTime || !facts.isHealthy(call.t - 1, answer.t + TO_COMMIT)) continue;
    if (execution.state !== 3 || !isAnswer(answer, execution)) {
      bad.push(`${keyOf(job, execution.device)}: answered ${answer.status} ${answer.payload} at ${answer.t}, recorded is state ${execution.state} ${execution.code ?? ''} ${execution.reason ?? ''} ${execution.payload ?? ''}`);
    }
  }
  return bad;
}

// Request ids are not used again.
function M6({ calls }) {
  const bad = [];
  for (const [key, same] of groupBy(calls, ({ device, rid }) => `${device} rid ${rid}`)) {
    if (same.length > 1) bad.push(`${key}: used for ${same.map(({ token, t }) => `${token} at ${t}`).join(' and ')}`);
  }
  return bad;
}

// Direct calls are honest: "not online" means that nothing arrived.
function M7({ ops, calls }) {
  const byToken = groupBy(calls.filter(({ token }) => token), ({ token }) => token);
  return ops.filter((op) => isNotOnline(op) && byToken.has(op.args.payload.token))
    .map(({ key, args, body }) => `${args.payload.token}: ${key} was called, the caller heard ${JSON.stringify(body)}`);
}

// Unknown is said: what was delivered is never reported as not delivered.
function M9(facts) {
  const bad = [];
  for (const { job, execution, calls } of executionsWithCalls(facts)) {
    if (calls.length > 0 && execution.outcome && execution.state !== 3 && NOT_DELIVERED.includes(execution.code)) {
      bad.push(`${keyOf(job, execution.device)}: called at ${calls[0].t}, recorded is ${execution.code} ${execution.reason}`);
    }
  }
  return bad;
}

module.exports = { M1, M2, M3, M5, M6, M7, M9 };
