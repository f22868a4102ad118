'use strict';
// One run for each seeded bug: chaos, with the faults that it needs to show; prints a table: bug, rules that caught it, time.
// Exit status 1 when a bug was not caught by the rule that it breaks.

const { spawnSync } = require('node:child_process');
const path = require('node:path');

// Bug -> rules of which one must fail, and for chaos faults and seconds, or else the simulation that meets the bug.
const BUGS = {
  'skip-epoch-check': { rules: ['J10', 'J11'], set: 'none', seconds: 40 },
  'ack-before-commit': { rules: ['J1', 'T1', 'T8'], set: 'postgres crash', seconds: 40 },
  'delete-any-session': { rules: ['S3', 'S5'], set: 'none', seconds: 40 },
  'notify-without-order': { rules: ['T5'], set: 'none', seconds: 30 },
  'count-twice': { rules: ['A11', 'J4', 'J6'], set: 'none', seconds: 30 },
  'answer-from-any-session': { rules: ['M3'], set: 'none', seconds: 40 },
  'continue-after-cancel': { rules: ['J10'], set: 'none', seconds: 40 },
  'drop-notification': { rules: ['T5'], set: 'none', seconds: 30 },
  'wall-clock-lease': { rules: ['M1'], simulation: 'lease_test', test: 'LeaseTest.WhoWasStoppedLongerThanTheLeaseSendsNothing' },
  'lease-forgets-intents': { rules: ['M1'], set: 'kill scheduler', seconds: 40 },
};

// Caught: the test passes in a process without the bug, and fails by one of the rules with it.
function simulate(bug, { rules, simulation, test }) {
  const started = Date.now();
  const program = path.join(process.env.FLEETCAST_BIN_DIR, '..', 'tests', simulation);
  const start = (env) => spawnSync(program, [`--gtest_filter=${test}`], { encoding: 'utf8', timeout: 60_000, env });
  const { FLEETCAST_SEEDED_BUG: _, ...clean } = process.env;
  const without = start(clean);
  const { status, stdout } = start({ ...clean, FLEETCAST_SEEDED_BUG: bug });
  const counts = new Map();
  for (const [, rule] of stdout.matchAll(/"([A-Z]\d+)"/g)) counts.set(rule, (counts.get(rule) || 0) + 1);
  const caught = without.status === 0 && status !== 0 && rules.some((rule) => counts.has(rule));
  const took = Math.round((Date.now() - started) / 1000);
  const found = [...counts].map(([rule, count]) => `${rule} (${count})`).join(', ');
  console.log(`| \`${bug}\` | ${found || 'nothing'} | tests/sim/${simulation} | ${took} s |${caught ? '' : ' NOT CAUGHT'}`);
  if (!caught) console.error(`    without the bug: ${without.status}, with it: ${status}\n${stdout.trim().split('\n').slice(-3).join('\n')}`);
  return caught;
}

function run(bug, { rules, set, seconds }) {
  const started = Date.now();
  const { stdout, stderr } = spawnSync('node', ['chaos.js', `bug=${bug}`, `set=${set}`, `seconds=${seconds}`, 'seed=7', 'devices=1200'],
    { encoding: 'utf8', timeout: 600_000, maxBuffer: 1 << 26 });
  const took = Math.round((Date.now() - started) / 1000);
  const found = [...stdout.matchAll(/^chaos: (\w+): (\d+) violations$/gm)].map(([, rule, count]) => ({ rule, count }));
  const first = rules.map((rule) => (stdout.match(new RegExp(`^VIOLATION ${rule}: .*$`, 'm')) || [])[0]).find(Boolean);
  const caught = found.some(({ rule }) => rules.includes(rule));
  console.log(`| \`${bug}\` | ${found.map(({ rule, count }) => `${rule} (${count})`).join(', ') || 'nothing'} | ${set} | ${took} s |${caught ? '' : ' NOT CAUGHT'}`);
  console.error(first ? `    ${first.slice(0, 300)}` : `    ${(stderr || stdout).trim().split('\n').slice(-3).join('\n    ')}`);
  return caught;
}

const names = process.argv.slice(2).length > 0 ? process.argv.slice(2) : Object.keys(BUGS);
for (const name of names.filter((each) => !(each in BUGS))) {
  console.error(`seeded: unknown bug '${name}'; there are: ${Object.keys(BUGS).join(', ')}`);
  process.exit(2);
}
console.log('| bug | rules that failed (violations) | faults | run |\n|---|---|---|---|');
const missed = names.filter((name) => !(BUGS[name].simulation ? simulate : run)(name, BUGS[name]));
console.log(`${names.length - missed.length} caught, ${missed.length} not${missed.length ? `: ${missed.join(', ')}` : ''}`);
process.exit(missed.length === 0 ? 0 : 1);
