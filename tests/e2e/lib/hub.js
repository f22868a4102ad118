'use strict';
// What every end-to-end test needs to know of the running Fleetcast. Everything comes from .local/dev.env (the variables
// FLEETCAST_*), nothing else: a test here does what somebody else's program could do.

const assert = require('node:assert');
const crypto = require('node:crypto');
const fs = require('node:fs');
const https = require('node:https');
const { after } = require('node:test');

// A failed test may leave something open (a client that connects again and again), which would keep the process until the
// limit of the whole stage. So it ends this long after its last test. Programs that are no tests are left alone.
const LEFTOVERS_MS = 60_000;
if (process.env.NODE_TEST_CONTEXT) after(() => { setTimeout(() => process.exit(), LEFTOVERS_MS).unref(); });

function required(name) {
  const value = process.env[name];
  assert.ok(value, `${name} is not set: run the tests with tests/e2e/run, or source .local/dev.env`);
  return value;
}

const host = required('FLEETCAST_HOST');
const restPort = Number(required('FLEETCAST_REST_PORT'));
const mqttsPort = Number(required('FLEETCAST_MQTTS_PORT'));
const connectionString = required('FLEETCAST_CONNECTION_STRING');
const ca = fs.readFileSync(required('FLEETCAST_CA_FILE'));

const parts = Object.fromEntries(connectionString.split(';').map((pair) => {
  const at = pair.indexOf('=');
  return [pair.slice(0, at), pair.slice(at + 1)];
}));

// A SAS token over `resource`; fields that a bad-credentials test wants to bend can be given.
function sasToken({ resource = parts.HostName, key = parts.SharedAccessKey, policy = parts.SharedAccessKeyName,
  expiry = Math.floor(Date.now() / 1000) + 3600 } = {}) {
  const sr = encodeURIComponent(resource);
  const signature = crypto.createHmac('sha256', Buffer.from(key, 'base64')).update(`${sr}\n${expiry}`).digest('base64');
  const token = `SharedAccessSignature sr=${sr}&sig=${encodeURIComponent(signature)}&se=${expiry}`;
  return policy ? `${token}&skn=${policy}` : token;
}

// One raw HTTPS request, for what no SDK would send. Answers { status, headers, text, json }. `port`: another door's.
function request(method, path, { body, headers = {}, token = sasToken(), contentType = 'application/json; charset=utf-8',
  port = restPort } = {}) {
  return new Promise((resolve, reject) => {
    const all = { ...headers };
    if (token) all.Authorization = token;
    const payload = body === undefined ? undefined : Buffer.isBuffer(body) || typeof body === 'string' ? body : JSON.stringify(body);
    if (payload !== undefined) {
      all['Content-Length'] = Buffer.byteLength(payload);
      if (contentType) all['Content-Type'] = contentType;
    }
    const call = https.request({ host, port, method, path, headers: all, ca, agent: false }, (answer) => {
      const chunks = [];
      answer.on('data', (chunk) => chunks.push(chunk));
      answer.on('end', () => {
        const text = Buffer.concat(chunks).toString('utf8');
        let json;
        try { json = JSON.parse(text); } catch { json = undefined; }
        resolve({ status: answer.statusCode, headers: answer.headers, text, json });
      });
    });
    call.on('error', reject);
    call.setTimeout(60000, () => call.destroy(new Error(`${method} ${path}: no answer in 60 s`)));
    if (payload !== undefined) call.write(payload);
    call.end();
  });
}

// Waits until `probe` gives something truthy, asking every `pause` milliseconds; fails with `what` after `seconds`.
async function waitFor(what, probe, seconds = 30, pause = 100) {
  const end = Date.now() + seconds * 1000;
  for (;;) {
    const value = await probe();
    if (value) return value;
    if (Date.now() > end) throw new Error(`not within ${seconds} s: ${what}`);
    await new Promise((resolve) => setTimeout(resolve, pause));
  }
}

// A device id that no other run uses.
function uniqueId(prefix) {
  return `${prefix}-${crypto.randomBytes(4).toString('hex')}`;
}

function deviceConnectionString(deviceId, key) {
  return `HostName=${parts.HostName};DeviceId=${deviceId};SharedAccessKey=${key}`;
}

// The SDKs know no port but these two.
const sdkPorts = restPort === 443 && mqttsPort === 8883;
const skipWithoutSdkPorts = sdkPorts ? false
  : `the Node SDKs only speak to ports 443 and 8883; this Fleetcast listens on ${restPort} and ${mqttsPort}`;

module.exports = { host, restPort, mqttsPort, connectionString, ca, parts, sasToken, request, waitFor, uniqueId,
  deviceConnectionString, skipWithoutSdkPorts };
