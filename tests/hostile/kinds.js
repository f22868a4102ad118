'use strict';
// Hostile connections by kind (reliability.md 4.1, device-mqtt.md), each with what the edge has to do about it. A kind gets
// { open, identity, other, random, expect }: `open({ secure, as })` connects, and logs in with the words of `as`; `expect(what, good)`
// records what did not happen. `slow`: takes as long as a limit of the edge, up to half a minute.

const { number, packet } = require('../e2e/lib/raw_mqtt');
const { noise } = require('./mutations');
const { METHODS, PINGREQ, TWIN, connect, publish, subscribe, unsubscribe } = require('./packets');

const SOON = 5;
const TLS_LIMIT = 20 + SOON; // D-TLS-7
const CONNECT_LIMIT = 30 + SOON; // D-TLS-7
const DRAIN_LIMIT = 30 + 3 * SOON; // D-FL-2
const NAMES = ['reserved', 'CONNECT', 'CONNACK', 'PUBLISH', 'PUBACK', 'PUBREC', 'PUBREL', 'PUBCOMP', 'SUBSCRIBE', 'SUBACK', 'UNSUBSCRIBE',
  'UNSUBACK', 'PINGREQ', 'PINGRESP', 'DISCONNECT', 'AUTH'];

const closesSoon = async (peer, expect, seconds = SOON) => expect('the edge closes', await peer.closed(seconds));

// Sends `bytes` on a session; the edge closes, having answered nothing.
const violates = (make) => async ({ open, identity, other, random, expect }) => {
  const peer = await open({ as: identity });
  const before = peer.packets.length;
  peer.write(make(identity, other, random));
  await closesSoon(peer, expect);
  expect('no answer', peer.packets.length === before);
};

// Sends `bytes` instead of CONNECT; the edge closes without a word.
const opensWith = (make, seconds = SOON) => async ({ open, identity, random, expect }) => {
  const peer = await open({});
  peer.write(make(identity, random));
  await closesSoon(peer, expect, seconds);
  expect('no answer', peer.bytesRead === 0);
};

// Connects with other words; the edge answers `code` and closes.
const isRefused = (code, change) => async ({ open, identity, other, random, expect }) => {
  const peer = await open({});
  peer.write(connect(identity, change(identity, other, random)));
  await closesSoon(peer, expect, 2 * SOON);
  expect(`CONNACK ${code}`, peer.connack === code);
};

// Sends a byte a second, or nothing, and is closed in time.
const dawdles = (make, pace, seconds, start = {}) => async ({ open, identity, random, expect }) => {
  const peer = await open(start.login ? { as: identity, keepAlive: 2 } : start);
  const bytes = make(identity, random);
  let at = 0;
  const timer = setInterval(() => { if (at < bytes.length && !peer.isClosed) peer.write(bytes.subarray(at, ++at)); }, pace * 1000);
  await closesSoon(peer, expect, seconds);
  clearInterval(timer);
};

async function floods(peer, bytes, times, answers, expect) {
  const before = peer.count(answers);
  for (let i = 0; i < times; ++i) peer.write(bytes);
  await peer.until(() => peer.isClosed || peer.count(answers) >= before + times, 30);
  expect(`all is answered, or the edge closes (${peer.count(answers) - before} of ${times})`, peer.isClosed || peer.hasEnded || peer.count(answers) === before + times);
}

// Reads nothing while it asks for much: its twin, of nearly 32 kB, again and again. What the kernel holds for it is some megabytes.
async function readsNothing({ open, identity, expect }) {
  const peer = await open({ as: identity });
  peer.write(subscribe(1, [TWIN, 0]));
  const reported = Object.fromEntries(Array.from({ length: 7 }, (_, i) => [`k${i}`, 'x'.repeat(4000)]));
  peer.write(publish('$iothub/twin/PATCH/properties/reported/?$rid=1', JSON.stringify(reported)));
  expect('the patch is stored', await peer.until(() => peer.count(3) === 1 || peer.isClosed, 4 * SOON));
  peer.socket.pause();
  for (let i = 0; i < 800; ++i) peer.write(publish(`$iothub/twin/GET/?$rid=${i}`, ''));
  const end = Date.now() + DRAIN_LIMIT * 1000;
  while (!peer.isClosed && Date.now() < end) { // Who reads nothing hears of the end when it writes.
    await new Promise((resolve) => setTimeout(resolve, 500));
    peer.write(PINGREQ);
  }
  expect('the edge closes', peer.isClosed);
}

async function takesOver({ open, identity, expect }) {
  const peers = [];
  for (let i = 0; i < 8; ++i) {
    const peer = await open({});
    peer.write(connect(identity));
    peers.push(peer);
  }
  const answered = (peer) => peer.isClosed || peer.hasEnded || peer.connack !== undefined;
  for (const peer of peers) expect('a word about each CONNECT', await peer.until(() => answered(peer), 30));
  const isLeft = (peer) => !peer.isClosed && !peer.hasEnded;
  const end = Date.now() + 10_000;
  while (peers.filter(isLeft).length > 1 && Date.now() < end) await new Promise((resolve) => setTimeout(resolve, 50));
  expect('one of them is left', peers.filter(isLeft).length === 1);
}

const kinds = {
  'nothing at all': { slow: true, run: dawdles(() => Buffer.alloc(0), 1, CONNECT_LIMIT) },
  'nothing at all, TLS': { slow: true, run: dawdles(() => Buffer.alloc(0), 1, TLS_LIMIT, { raw: true }) },
  'TLS and then nothing': { slow: true, run: dawdles(() => Buffer.alloc(0), 1, CONNECT_LIMIT, { secure: true }) },
  'a CONNECT byte by byte': { slow: true, run: dawdles((identity) => connect(identity), 1, CONNECT_LIMIT) },
  'half a ClientHello': { slow: true, run: dawdles(() => Buffer.from('160301', 'hex'), 0.1, TLS_LIMIT, { raw: true }) },
  'a PUBLISH byte by byte past the keep-alive': { run: dawdles((identity) => publish(`devices/${identity.id}/messages/events/`, 'x'.repeat(60)), 1, 12, { login: true }) },
  'silence past the keep-alive': { run: dawdles(() => Buffer.alloc(0), 1, 12, { login: true }) },
  'reads nothing': { slow: true, run: readsNothing },

  'no TLS on the TLS port': { run: async ({ open, random, expect }) => {
    const peer = await open({ raw: true });
    peer.write(random.chance(0.5) ? Buffer.from('GET / HTTP/1.1\r\nHost: x\r\n\r\n') : noise(random, 400));
    await closesSoon(peer, expect);
  } },
  'a TLS record that lies': { run: async ({ open, random, expect }) => {
    const peer = await open({ raw: true });
    peer.write(Buffer.concat([Buffer.from([0x16, 3, 1, 0x40, 0]), Buffer.from([1, 0xff, 0xff, 0xff]), noise(random, 0x4000)]));
    await closesSoon(peer, expect);
  } },
  'TLS 1.0': { run: async ({ open, random, expect }) => {
    const peer = await open({ raw: true });
    const body = Buffer.concat([Buffer.from([3, 1]), noise(random, 32), Buffer.from([0, 0, 4, 0, 0x2f, 0, 0x35, 1, 0])]);
    const hello = Buffer.concat([Buffer.from([1, 0, 0, body.length]), body]);
    peer.write(Buffer.concat([Buffer.from([0x16, 3, 1, 0, hello.length]), hello]));
    await closesSoon(peer, expect);
  } },
  'resets at once': { run: async ({ open, random, expect }) => {
    const peer = await open({ raw: random.chance(0.5) });
    peer.socket.resetAndDestroy();
    expect('gone', await peer.until(() => peer.isClosed, SOON));
  } },

  'another packet first': { run: async ({ open, random, expect }) => {
    const type = random.pick([0, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15]);
    const peer = await open({});
    peer.write(packet(type << 4 | (type === 6 || type === 8 || type === 10 ? 2 : 0), number(1)));
    await closesSoon(peer, (what, good) => expect(`${what} after ${NAMES[type]}`, good));
    expect('no answer', peer.bytesRead === 0);
  } },
  'a CONNECT of 256 MB': { run: opensWith(() => Buffer.from('10ffffff7f', 'hex')) },
  'a length of five bytes': { run: opensWith(() => Buffer.from('10ffffffff01', 'hex')) },
  'a CONNECT with reserved flags': { run: opensWith((identity) => connect(identity, { flags: 0xc1 })) },
  'a will that is no will': { run: opensWith((identity) => connect(identity, { flags: 0xd8 })) },
  'a password without a user name': { run: opensWith((identity) => connect(identity, { flags: 0x40 })) },
  'another protocol': { run: opensWith((identity) => connect(identity, { name: 'HTTP' })) },
  'a client id with U+0000': { run: opensWith((identity) => connect(identity, { clientId: `${identity.id}\0` })) },
  'a client id that is not UTF-8': { run: opensWith((identity) => {
    const bytes = connect(identity);
    const at = bytes.indexOf(identity.id);
    bytes[at] = 0xff;
    return bytes;
  }) },

  'level 2': { run: isRefused(1, () => ({ level: 2 })) },
  'level 6': { run: isRefused(1, () => ({ level: 6 })) },
  'no client id': { run: isRefused(2, () => ({ clientId: '' })) },
  'the client id of another': { run: isRefused(2, (_, other) => ({ clientId: other.id })) },
  'a client id of wildcards': { run: isRefused(2, () => ({ clientId: '+/#' })) },
  'a user name of 8 KiB': { run: isRefused(4, () => ({ username: 'x'.repeat(8192) })) },
  'another hub': { run: isRefused(5, (identity) => ({ username: `other.example/${identity.id}/?api-version=2021-04-12` })) },
  'the secret of another': { run: isRefused(5, (_, other) => ({ password: other.password })) },
  'a spoilt secret': { run: isRefused(5, (identity) => ({ password: identity.password.replace(/sig=[^&]+/, `sig=${'A'.repeat(43)}%3D`) })) },
  'product information that is no text': { run: isRefused(4, (identity) => ({ username: `${identity.host}/${identity.id}/?api-version=2021-04-12&DeviceClientType=%FF%FE` })) },
  'a secret that is no text': { run: isRefused(4, (identity) => ({ password: Buffer.from([...Buffer.from(identity.password), 0xff, 0xed, 0xa0]) })) },
  'a device that is unknown': { run: isRefused(5, (identity, _, random) => {
    const id = `nobody-${random.below(1e9)}`;
    return { clientId: id, username: `${identity.host}/${id}/?api-version=2021-04-12` };
  }) },

  'a second CONNECT': { run: violates((identity) => connect(identity)) },
  'QoS 2': { run: violates((identity) => publish(`devices/${identity.id}/messages/events/`, 'x', { qos: 2 })) },
  'QoS 3': { run: violates((identity) => publish(`devices/${identity.id}/messages/events/`, 'x', { flags: 6 })) },
  'DUP at QoS 0': { run: violates((identity) => publish(`devices/${identity.id}/messages/events/`, 'x', { flags: 8 })) },
  'packet id 0': { run: violates((identity) => publish(`devices/${identity.id}/messages/events/`, 'x', { qos: 1, id: 0 })) },
  'a topic with a wildcard': { run: violates(() => publish('$iothub/twin/GET/#', '')) },
  'a topic of another device': { run: violates((_, other) => publish(`devices/${other.id}/messages/events/`, 'x')) },
  'a topic of nobody': { run: violates(() => publish('some/topic', 'x')) },
  'no topic': { run: violates(() => publish('', 'x')) },
  'a PUBLISH of 300 kB': { run: violates((identity) => publish(`devices/${identity.id}/messages/events/`, Buffer.alloc(300_000))) },
  'a subscription to everything': { run: violates(() => subscribe(1, ['#', 0])) },
  'a subscription to another device': { run: violates((_, other) => subscribe(1, [`devices/${other.id}/messages/devicebound/#`, 1])) },
  'a subscription at QoS 3': { run: violates(() => subscribe(1, [METHODS, 3])) },
  'a subscription to nothing': { run: violates(() => subscribe(1)) },
  'a hundred filters': { run: violates(() => subscribe(1, ...Array.from({ length: 100 }, () => [METHODS, 0]))) },
  'an unsubscription from nothing': { run: violates(() => unsubscribe(1)) },
  'what only servers send': { run: violates((_, __, random) => packet(random.pick([0x20, 0x90, 0xb0, 0xd0]), number(0))) },
  'PUBREC, PUBREL, PUBCOMP': { run: violates((_, __, random) => packet(random.pick([0x50, 0x62, 0x70]), number(1))) },
  'a PUBLISH that ends in its topic': { run: violates(() => packet(0x30, Buffer.from([0xff, 0xff]), Buffer.from('abc'))) },

  'a property bag of 10,000 keys': { run: async ({ open, identity, expect }) => {
    const peer = await open({ as: identity });
    const bag = Array.from({ length: 10_000 }, (_, i) => `k${i}=v`).join('&').slice(0, 65_000);
    peer.write(publish(`devices/${identity.id}/messages/events/${bag}`, 'x', { qos: 1, id: 5 }));
    expect('taken or closed', await peer.until(() => peer.isClosed || peer.hasEnded || peer.count(4) === 1, SOON));
  } },
  'answers that nobody asked for': { run: async ({ open, identity, random, expect }) => {
    const peer = await open({ as: identity });
    for (const topic of [`$iothub/methods/res/200/?$rid=${random.below(1e6).toString(16)}`, '$iothub/methods/res/-1/?$rid=1',
      '$iothub/methods/res/100000000000000000000/?$rid=1', '$iothub/methods/res/abc/?$rid=1', '$iothub/methods/res/200/']) {
      peer.write(publish(topic, 'no JSON {'));
    }
    peer.write(PINGREQ);
    expect('ignored', await peer.until(() => peer.count(13) === 1, SOON));
  } },
  'twin requests that make no sense': { run: async ({ open, identity, random, expect }) => {
    const peer = await open({ as: identity });
    peer.write(subscribe(1, [TWIN, 0]));
    expect('SUBACK', await peer.until(() => peer.count(9) === 1 || peer.isClosed, 2 * SOON));
    peer.write(publish('$iothub/twin/PATCH/properties/reported/?$rid=1', '{"not": json'));
    expect('an answer', await peer.until(() => peer.count(3) >= 1 || peer.isClosed, 3 * SOON));
    for (const rid of ['', '$rid=', `$rid=${'r'.repeat(10_000)}`, '$rid=1&$rid=2', '$version=x&$rid=4', `${random.below(100)}`]) {
      if (!peer.isClosed) peer.write(publish(`$iothub/twin/GET/?${rid}`, ''));
    }
    peer.write(PINGREQ);
    expect('it goes on, or closes', await peer.until(() => peer.isClosed || peer.hasEnded || peer.count(13) === 1, 4 * SOON));
  } },
  'unknown PUBACKs': { run: async ({ open, identity, expect }) => {
    const peer = await open({ as: identity });
    for (let id = 1; id <= 200; ++id) peer.write(packet(0x40, number(id)));
    peer.write(PINGREQ);
    expect('ignored', await peer.until(() => peer.count(13) === 1, SOON));
  } },
  'a flood of pings': { run: async ({ open, identity, expect }) => floods(await open({ as: identity }), PINGREQ, 5_000, 13, expect) },
  'a flood of telemetry': { run: async ({ open, identity, expect }) => {
    const bytes = publish(`devices/${identity.id}/messages/events/`, 'x'.repeat(200), { qos: 1, id: 3 });
    await floods(await open({ as: identity }), bytes, 2_000, 4, expect);
  } },
  'a flood of subscriptions': { run: async ({ open, identity, expect }) =>
    floods(await open({ as: identity }), subscribe(9, [METHODS, 0]), 200, 9, expect) },
  'a flood of twin reads': { run: async ({ open, identity, expect }) => {
    const peer = await open({ as: identity });
    peer.write(subscribe(1, [TWIN, 0]));
    await peer.until(() => peer.count(9) === 1 || peer.isClosed, 2 * SOON);
    await floods(peer, publish('$iothub/twin/GET/?$rid=1', ''), 200, 3, expect);
  } },
  'one name eight times at once': { connections: 8, run: takesOver },
  'CONNECT and then much before the answer': { run: async ({ open, identity, expect }) => {
    const peer = await open({});
    peer.write(Buffer.concat([connect(identity), ...Array.from({ length: 40_000 }, () => PINGREQ)]));
    expect('answered in order, or closed',
      await peer.until(() => peer.isClosed || peer.hasEnded || (peer.connack === 0 && peer.packets[0].type === 2), 2 * SOON));
  } },
};

module.exports = { kinds };
