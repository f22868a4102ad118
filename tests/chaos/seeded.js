'use strict';
// One chaos run for each seeded bug, with the faults that it needs to show; prints a table: bug, rules that caught it, time.
// Exit status 1 when a bug was not caught by the rule that it breaks.

const { spawnSync } = require('node:child_process');

// Bug -> rules of which one must fail, faults, seconds.
const BUGS = {
  'skip-epoch-check': { rules: ['J10', 'J11'], set: 'none', seconds: 40 },
  'ack-before-commit': { rules: ['J1', 'T1', 'T8'], set: 'postgres crash', seconds: 40 },
  'delete-any-session': { rules: ['S3', 'S5'], set: 'none', seconds: 40 },
  'notify-without-order': { rules: ['T5'], set: 'none', seconds: 30 },
  'count-twice': { rules: ['A11', 'J4', 'J6'], set: 'none', seconds: 30 },
  'answer-from-any-session': { rules: ['M3'], set: 'none', seconds: 40 },
  'continue-after-cancel': { rules: ['J10'], set: 'none', seconds: 40 },
  'drop-notification': { rules: ['T5'], set: 'none', seconds: 30 },
  'wall-clock-lease': { rules: ['M1'], set: 'pause scheduler at intent', seconds: 120 },
  'lease-forgets-intents': { rules: ['M1'], set: 'kill scheduler', seconds: 40 },
};

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
const missed = names.filter((name) => !run(name, BUGS[name]));
console.log(`${names.length - missed.length} caught, ${missed.length} not${missed.length ? `: ${missed.join(', ')}` : ''}`);
process.exit(missed.length === 0 ? 0 : 1);
