'use strict';
// Checks a history against the rules of reliability 2. Pure: the same history gives the same violations.

const { gather } = require('./facts');

const RULES = { ...require('./job_rules'), ...require('./method_rules'), ...require('./twin_rules'), ...require('./session_rules'),
  ...require('./system_rules') };

// `history`: { entries, packets, options }. Gives { rule, evidence } of each violation, in the order of the rules.
function check(history) {
  const facts = gather(history);
  return Object.entries(RULES).flatMap(([rule, of]) => of(facts).map((evidence) => ({ rule, evidence })));
}

module.exports = { check, RULES };
