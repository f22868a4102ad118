'use strict';
// Packets that are spoilt, and what must hold whatever comes of them: the other end closes, or says only what a server may say;
// nobody is let in whose name or secret was changed; who leaves is let go.

const { Peer } = require('./peer');
const { PINGREQ, connect, connects, session } = require('./packets');

const BYTES = [0x00, 0x01, 0x7f, 0x80, 0xfe, 0xff];
const WORDS = [0x0000, 0x0001, 0x007f, 0x0080, 0x7fff, 0x8000, 0xffff];
const PACKETS_PER_SESSION = 24;
const SILENCE = 0.15; // Seconds without an answer: the other end waits for the rest of a packet that looks longer than it is.

const splice = (bytes, at, removed, ...inserted) => Buffer.concat([bytes.subarray(0, at), ...inserted, bytes.subarray(at + removed)]);
const noise = (random, length) => Buffer.from(Array.from({ length }, () => random.below(256)));

// One to three changes, each somewhere.
const CHANGES = [
  (random, bytes) => { const out = Buffer.from(bytes); out[random.below(out.length)] ^= 1 << random.below(8); return out; },
  (random, bytes) => { const out = Buffer.from(bytes); out[random.below(out.length)] = random.pick(BYTES); return out; },
  (random, bytes) => { const out = Buffer.from(bytes); out.writeUInt16BE(random.pick(WORDS), random.below(out.length - 1)); return out; },
  (random, bytes) => bytes.subarray(0, 1 + random.below(bytes.length)),
  (random, bytes) => { const at = random.below(bytes.length); return splice(bytes, at, 1 + random.below(bytes.length - at)); },
  (random, bytes) => splice(bytes, random.below(bytes.length), 0, noise(random, 1 + random.below(40))),
  (random, bytes) => { const at = random.below(bytes.length); return splice(bytes, at, 0, bytes.subarray(at, at + 1 + random.below(30))); },
  (random, bytes) => splice(bytes, 0, 1, Buffer.from([random.below(256)])), // Another type.
  (random, bytes) => splice(bytes, 1, 1, Buffer.from([random.below(256)])), // Another length.
  (random, bytes) => splice(bytes, 1, 1, Buffer.from([0xff, 0xff, 0xff, random.pick([0x7f, 0xff])])),
  (random, bytes) => Buffer.concat([bytes, noise(random, 1 + random.below(20))]),
];

function mutate(random, bytes) {
  let out = bytes;
  for (let i = 1 + random.below(3); i > 0 && out.length > 1; --i) out = random.pick(CHANGES)(random, out);
  return out.length > 0 ? out : Buffer.from([0]);
}

// The signature in a token, decoded: it has several spellings.
function signatureIn(text) {
  const found = /sig=([^&]*)/i.exec(text);
  try { return Buffer.from(decodeURIComponent(found[1]), 'base64').toString('hex'); } catch { return undefined; }
}

// Whether the signature that only the owner of the key can make is still there.
const proves = (bytes, identity) => signatureIn(bytes.toString('latin1')) === signatureIn(identity.password);

// Sends `total` spoilt packets over connections of `identities`, `workers` at a time. Answers what came of them; `fail(what, bytes)` hears
// of each that was not treated as it must be.
async function runMutations({ random, total, workers, identities, door, fail }) {
  const tally = { packets: 0, connections: 0, closed: 0, answered: 0, waited: 0, refused: 0, accepted: 0 };
  let source = 0;
  const open = async () => {
    tally.connections += 1;
    const peer = new Peer({ ...door, source: source++ });
    return (await peer.opened()) && !peer.isClosed ? peer : undefined;
  };
  const finish = async (peer, sent) => {
    if (peer.illegal) fail(`the edge sent what no server may send: ${peer.illegal}`, sent);
    if (!(await peer.leave())) fail('a connection that its client had ended stayed open', sent);
  };

  const connectPhase = async (from, identity) => {
    const bytes = mutate(from, from.pick(connects(identity)));
    const peer = await open();
    if (!peer) return fail('a connection was refused', bytes);
    peer.write(bytes);
    tally.packets += 1;
    await peer.until(() => peer.isClosed || peer.hasEnded || peer.packets.length > 0, SILENCE);
    if (peer.connack === 0) {
      tally.accepted += 1;
      if (!bytes.includes(identity.id) || !proves(bytes, identity)) fail('CONNACK 0 for a CONNECT without its secret', bytes);
    } else if (peer.connack !== undefined) {
      tally.refused += 1;
      if (!(await peer.closed(5))) fail(`the connection stayed open after CONNACK ${peer.connack}`, bytes);
    } else {
      tally[peer.isClosed || peer.hasEnded ? 'closed' : 'waited'] += 1;
    }
    return finish(peer, bytes);
  };

  const sessionPhase = async (from, identity) => {
    const peer = await open();
    if (!peer) return fail('a connection was refused');
    peer.write(connect(identity));
    await peer.until(() => peer.isClosed || peer.connack !== undefined, 30);
    if (peer.connack !== 0) return fail(`a good CONNECT was answered with ${peer.connack}`);
    let bytes;
    for (let i = 0; i < PACKETS_PER_SESSION && tally.packets < total; ++i) {
      bytes = mutate(from, from.pick(session(identity)));
      const before = peer.count(13);
      peer.write(Buffer.concat([bytes, PINGREQ]));
      tally.packets += 1;
      await peer.until(() => peer.isClosed || peer.hasEnded || peer.count(13) > before, SILENCE);
      if (peer.isClosed || peer.hasEnded) { tally.closed += 1; break; }
      if (peer.count(13) === before) { tally.waited += 1; break; } // It takes the ping for the rest of the packet.
      tally.answered += 1;
    }
    return finish(peer, bytes);
  };

  await Promise.all(Array.from({ length: workers }, async (_, worker) => {
    const from = random.fork(); // Each worker repeats its own choices, whatever the others do meanwhile.
    for (let i = worker; tally.packets < total; i += workers) {
      const identity = identities[i % identities.length]; // No two workers use one identity.
      await (from.chance(0.4) ? connectPhase : sessionPhase)(from, identity);
    }
  }));
  return tally;
}

module.exports = { mutate, noise, runMutations };
