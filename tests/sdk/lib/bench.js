'use strict';
// A place on the bench for one client: an identity, an address of its own whose port 8883 leads to an edge, and device programs.

const { ca, parts, request, sasToken, uniqueId, waitFor } = require('../../e2e/lib/hub');
const { commandLine, flagOf, pidsNow } = require('../../e2e/lib/processes');
const { Proxy } = require('../../framework/proxy');
const { Device } = require('./device');

const V = 'api-version=2021-04-12';
const addresses = process.env.FLEETCAST_SDK_ADDRESSES.split(',');

// Where the edges listen, by process name.
function edges() {
  const all = Object.entries(pidsNow()).filter(([name]) => name.startsWith('mqtt_edge')).map(([name, pid]) => {
    const [host, port] = flagOf(commandLine(pid), '--tls-listen').split(':');
    return { name, pid, host, port: Number(port) };
  });
  return all.sort((a, b) => a.name.localeCompare(b.name));
}

async function expect(status, ...call) {
  const answer = await request(...call);
  if (answer.status !== status) throw new Error(`${call[0]} ${call[1]}: ${answer.status} ${answer.text}`);
  return answer.json;
}

class Bench {
  constructor(sdk) {
    this.sdk = sdk;
    this.devices = [];
  }

  async open() {
    this.address = addresses.shift();
    const [first] = edges();
    this.proxy = new Proxy(this.address, 8883, first.host, first.port);
    await this.proxy.listening;
  }

  async close() {
    await Promise.all(this.devices.map((device) => device.stop()));
    if (this.proxy) this.proxy.close();
  }

  leadTo(edge) { this.proxy.leadTo(edge.host, edge.port); }

  // A new identity.
  async register() {
    const deviceId = uniqueId('sdk');
    return expect(200, 'PUT', `/devices/${deviceId}?${V}`, { body: { deviceId } });
  }

  // Changes the identity. `change` goes over the registry's document.
  async update(identity, change) {
    const body = { deviceId: identity.deviceId, authentication: identity.authentication, status: 'enabled', ...change };
    return expect(200, 'PUT', `/devices/${identity.deviceId}?${V}`, { body, headers: { 'If-Match': '*' } });
  }

  // A device program for `identity`, not connected yet. `token`: { seconds, margin } of its tokens, else the SDK's own.
  start(identity, { token } = {}) {
    const key = identity.authentication.symmetricKey.primaryKey;
    const hub = parts.HostName;
    const settings = { ca: ca.toString() };
    if (this.sdk.generic) {
      const expiry = Math.floor(Date.now() / 1000) + (token ? token.seconds : 3600);
      Object.assign(settings, { host: this.address, hub, device_id: identity.deviceId, clean: this.sdk.clean,
        password: sasToken({ resource: `${hub}/devices/${identity.deviceId}`, key, policy: '', expiry }) });
    } else {
      settings.connection_string = `HostName=${hub};DeviceId=${identity.deviceId};SharedAccessKey=${key};GatewayHostName=${this.address}`;
      if (token) settings.token = token;
    }
    const device = new Device(this.sdk.command, settings);
    this.devices.push(device);
    return device;
  }

  // Cuts the connection until an attempt to connect is refused: replicas hear of a change of the registry within a second.
  async isRefused() {
    const { proxy } = this;
    await waitFor('it is refused', async () => {
      const connections = proxy.accepted;
      proxy.cut();
      await waitFor('it tries again', () => proxy.accepted > connections, 20, 5);
      await waitFor('it is refused', () => proxy.pairs.size === 0, 0.5, 5).catch(() => {});
      return proxy.pairs.size === 0;
    }, 30);
  }

  // Waits until the client has come back after `before` connections, and the edge has it: a call is answered.
  async comesBack(identity, before, seconds = 30) {
    await waitFor('it connects again', () => this.proxy.accepted > before, seconds, 20)
      .catch((error) => { throw new Error(`${error.message}; it said last: ${JSON.stringify(this.device.events.slice(-8))}`); });
    const answer = await call(identity, 'echo', 'back', { connect: seconds, response: Math.max(30, seconds) });
    if (answer.status !== 200 || answer.json.payload[0] !== 'back') throw new Error(`no answer after it came back: ${answer.status} ${answer.text}`);
  }
}

// One direct method call; resolves to the whole answer. `connect` and `response` in seconds; no `payload`: none is given.
function call(identity, methodName, payload, { connect = 0, response = 30 } = {}) {
  const body = { methodName, connectTimeoutInSeconds: connect, responseTimeoutInSeconds: response };
  if (payload !== undefined) body.payload = payload;
  return request('POST', `/twins/${identity.deviceId}/methods?${V}`, { body });
}

function patchDesired(identity, desired) {
  return expect(200, 'PATCH', `/twins/${identity.deviceId}?${V}`, { body: { properties: { desired } } });
}

function readTwin(identity) { return expect(200, 'GET', `/twins/${identity.deviceId}?${V}`); }

module.exports = { Bench, call, edges, patchDesired, readTwin };
