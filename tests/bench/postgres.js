'use strict';
// Sessions on the database of the running Fleetcast, for what is timed: psql costs 20 ms a call.

const crypto = require('node:crypto');
const { Client } = require('pg');

// FLEETCAST_POSTGRES is a libpq string of words (host=… port=…) or a URL; node takes a URL.
function connectionUrl() {
  const text = process.env.FLEETCAST_POSTGRES;
  if (/^postgres(ql)?:/.test(text)) return text;
  const words = Object.fromEntries([...text.matchAll(/(\w+)\s*=\s*('((?:[^'\\]|\\.)*)'|\S+)/g)]
    .map((match) => [match[1], match[3] === undefined ? match[2] : match[3].replace(/\\(.)/g, '$1')]));
  const part = (name) => encodeURIComponent(words[name] || '');
  return `postgres://${part('user')}:${part('password')}@${words.host}:${words.port || 5432}/${part('dbname')}`;
}

// A session. Answers (statement, values) → rows; each statement is prepared once.
async function session() {
  const client = new Client({ connectionString: connectionUrl() });
  await client.connect();
  const run = async (text, values = []) => (await client.query({ name: crypto.createHash('md5').update(text).digest('hex'), text, values })).rows;
  run.end = () => client.end();
  return run;
}

module.exports = { connectionUrl, session };
