'use strict';
// Who takes part in `edge`: certificates, an edge of our own that serves them, and a Mosquitto that does the same. Simulated devices
// connect to either with the same words: Mosquitto takes any name and password.

const fs = require('node:fs');
const os = require('node:os');
const path = require('node:path');
const { spawn } = require('node:child_process');
const { uniqueId, waitFor } = require('../e2e/lib/hub');
const { commandLine } = require('../e2e/lib/processes');
const { fleetcastPids, freePort, listens, run, startMosquitto } = require('./lib');

const KEY_KINDS = { rsa2048: ['rsa:2048'], p256: ['ec', '-pkeyopt', 'ec_paramgen_curve:P-256'] };

// A certificate for 127.0.0.1 that is its own authority: { chain, key }, files below `scratch`.
async function makeCertificate(scratch, kind) {
  const files = { chain: path.join(scratch, `${kind}.pem`), key: path.join(scratch, `${kind}.key`) };
  await run('openssl', ['req', '-x509', '-newkey', ...KEY_KINDS[kind], '-nodes', '-days', '2', '-subj', '/CN=bench',
    '-addext', 'subjectAltName=IP:127.0.0.1', '-out', files.chain, '-keyout', files.key]);
  return files;
}

// One more edge of the running Fleetcast, with the flags of the one that is there but for its name, its ports and the certificate.
async function startEdge({ chain, key }) {
  const [port, plainPort, grpc, metrics] = await Promise.all([freePort(), freePort(), freePort(), freePort()]);
  const ours = { '--edge-id': uniqueId('bench'), '--tls-listen': `127.0.0.1:${port}`, '--plain-listen': `127.0.0.1:${plainPort}`,
    '--tls-cert-file': chain, '--tls-key-file': key, '--listen': `127.0.0.1:${grpc}`, '--metrics-listen': `127.0.0.1:${metrics}`,
    '--source-connect-rate': '0', '--connect-rate': '0', '--admission-rate': '0' };
  const [program, ...flags] = commandLine(fleetcastPids().mqtt_edge);
  for (const [flag, value] of Object.entries(ours)) {
    const at = flags.indexOf(flag);
    if (at < 0) flags.push(flag, value); else flags[at + 1] = value;
  }
  const child = spawn(program, flags, { stdio: ['ignore', 'ignore', fs.openSync(`${chain}.log`, 'w')] });
  await waitFor('the edge listens', () => listens(plainPort));
  return {
    port,
    plainPort,
    pid: child.pid,
    stop: () => new Promise((resolve) => { child.on('exit', resolve); child.kill('SIGTERM'); }),
  };
}

// Runs `action({ certificate, edge, broker })` with an edge and a Mosquitto that serve a certificate of this kind.
async function withServers(kind, action) {
  const scratch = fs.mkdtempSync(path.join(os.tmpdir(), 'fleetcast-edge-'));
  const certificate = await makeCertificate(scratch, kind);
  const edge = await startEdge(certificate);
  const broker = await startMosquitto(certificate);
  const plainBroker = await startMosquitto();
  try {
    return await action({ certificate, edge, broker: { ...broker, plainPort: plainBroker.port, plainPid: plainBroker.pid } });
  } finally {
    await Promise.all([edge, broker, plainBroker].map((server) => server.stop()));
    fs.rmSync(scratch, { recursive: true, force: true });
  }
}

module.exports = { withServers };
