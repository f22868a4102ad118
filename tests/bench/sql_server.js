'use strict';
// What a team would write without Fleetcast: a plain HTTPS server in a process of its own that runs a prepared statement and answers
// its rows as JSON, with the certificate of the running Fleetcast. POST { text, values } → rows.

const fs = require('node:fs');
const https = require('node:https');
const path = require('node:path');
const { fork } = require('node:child_process');
const { host, ca } = require('../e2e/lib/hub');
const { commandLine, pidsNow } = require('../e2e/lib/processes');
const { session } = require('./postgres');

// Starts the server. Answers { query(text, values) → rows over one kept connection, stop }.
async function startSqlServer() {
  const child = fork(__filename, [], { stdio: ['ignore', 'ignore', 'inherit', 'ipc'] });
  const port = await new Promise((resolve, reject) => {
    child.once('message', resolve);
    child.once('exit', (code) => reject(new Error(`the SQL server ended with ${code}`)));
  });
  const agent = new https.Agent({ keepAlive: true, maxSockets: 1 });
  const query = (text, values = []) => new Promise((resolve, reject) => {
    const body = JSON.stringify({ text, values });
    const call = https.request({ host, port, method: 'POST', path: '/', headers: { 'Content-Length': Buffer.byteLength(body) }, ca, agent }, (answer) => {
      const chunks = [];
      answer.on('data', (chunk) => chunks.push(chunk));
      answer.on('end', () => resolve(JSON.parse(Buffer.concat(chunks).toString('utf8'))));
    });
    call.setNoDelay(true);
    call.on('error', reject);
    call.end(body);
  });
  return { query, stop: () => { agent.destroy(); child.kill('SIGTERM'); } };
}

async function serve() {
  const command = commandLine(pidsNow().rest_gateway);
  const file = (flag) => fs.readFileSync(command[command.indexOf(flag) + 1]);
  const db = await session();
  const server = https.createServer({ cert: file('--tls-cert-file'), key: file('--tls-key-file') }, (request, response) => {
    const chunks = [];
    request.on('data', (chunk) => chunks.push(chunk));
    request.on('end', async () => {
      const { text, values } = JSON.parse(Buffer.concat(chunks).toString('utf8'));
      const body = JSON.stringify(await db(text, values));
      response.writeHead(200, { 'Content-Type': 'application/json', 'Content-Length': Buffer.byteLength(body) });
      response.end(body);
    });
  });
  server.listen(0, host, () => process.send(server.address().port));
}

if (require.main === module) {
  serve().catch((error) => {
    console.error(`${path.basename(__filename)}: ${error.message}`);
    process.exit(1);
  });
}

module.exports = { startSqlServer };
