'use strict';
// The HTTPS surface as one client of a run uses it: kept connections, a limit of time, every call in the history.

const fs = require('node:fs');
const https = require('node:https');

const V = 'api-version=2021-04-12';

class Api {
  constructor(history) {
    this.history = history;
    const { sasToken } = require('../../e2e/lib/hub'); // It reads the environment, which the stack has set by now.
    this.token = sasToken();
    this.agent = new https.Agent({ keepAlive: true, maxSockets: 40, ca: fs.readFileSync(process.env.FLEETCAST_CA_FILE) });
  }

  #request(method, path, { body, headers = {}, seconds = 10 } = {}) {
    return new Promise((resolve, reject) => {
      const payload = body === undefined ? undefined : JSON.stringify(body);
      const all = { Authorization: this.token, ...headers };
      if (payload !== undefined) Object.assign(all, { 'Content-Type': 'application/json', 'Content-Length': Buffer.byteLength(payload) });
      const options = { host: process.env.FLEETCAST_HOST, port: process.env.FLEETCAST_REST_PORT, method, path, headers: all, agent: this.agent };
      const call = https.request(options, (answer) => {
        const chunks = [];
        answer.on('data', (chunk) => chunks.push(chunk));
        answer.on('error', reject);
        answer.on('end', () => {
          const text = Buffer.concat(chunks).toString('utf8');
          let json;
          try { json = JSON.parse(text); } catch { json = undefined; }
          resolve({ status: answer.statusCode, headers: answer.headers, text, json });
        });
      });
      call.on('error', reject);
      call.setTimeout(seconds * 1000, () => call.destroy(new Error(`no answer in ${seconds} s`)));
      if (payload !== undefined) call.write(payload);
      call.end();
    });
  }

  #call(op, key, args, method, path, options) {
    return this.history.call(op, key, args, () => this.#request(method, path, options));
  }

  putJob(jobId, body, label = 'first') {
    return this.#call('putJob', jobId, { body, label }, 'PUT', `/jobs/v2/${jobId}?${V}`, { body });
  }

  getJob(jobId) { return this.#call('getJob', jobId, undefined, 'GET', `/jobs/v2/${jobId}?${V}`); }

  cancelJob(jobId) { return this.#call('cancelJob', jobId, undefined, 'POST', `/jobs/v2/${jobId}/cancel?${V}`, { body: {}, seconds: 15 }); }

  async rows(jobId, continuation) {
    const headers = { 'x-ms-max-item-count': '1000', ...(continuation ? { 'x-ms-continuation': continuation } : {}) };
    const body = { query: `SELECT * FROM devices.jobs WHERE devices.jobs.jobId = '${jobId}'` };
    return this.#call('rows', jobId, { continuation }, 'POST', `/devices/query?${V}`, { body, headers });
  }

  patchTwin(deviceId, desired) {
    return this.#call('patchTwin', deviceId, { desired }, 'PATCH', `/twins/${deviceId}?${V}`, { body: { properties: { desired } } });
  }

  getTwin(deviceId) { return this.#call('getTwin', deviceId, undefined, 'GET', `/twins/${deviceId}?${V}`); }

  // `seconds`: how long the caller waits at most; more than the call may take, so that it hears the service's own word.
  method(deviceId, payload, responseSeconds, connectSeconds) {
    const body = { methodName: 'chaos', payload, responseTimeoutInSeconds: responseSeconds, connectTimeoutInSeconds: connectSeconds };
    return this.#call('method', deviceId, { payload, responseSeconds, connectSeconds }, 'POST', `/twins/${deviceId}/methods?${V}`,
      { body, seconds: responseSeconds + connectSeconds + 10 });
  }

  register(deviceIds) {
    const body = deviceIds.map((id) => ({ id, importMode: 'create' }));
    return this.#call('register', deviceIds[0], undefined, 'POST', `/devices?${V}`, { body });
  }
}

module.exports = { Api };
