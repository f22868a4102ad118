'use strict';
// T8 with the grace of the edge (--token-grace) shortened from ten minutes to six seconds by tests/sdk/run: a connection is closed at
// the end of its token + grace ± 10 %. Clients that renew by waiting for that come back with a new token; calls go on meanwhile.

const assert = require('node:assert');
const { after, before, describe, test } = require('node:test');
const { waitFor } = require('../e2e/lib/hub');
const { Bench, call } = require('./lib/bench');
const { SDKS } = require('./lib/sdks');

const GRACE = 6;
const LIFE = 3;

describe('T8 the end of a token', { concurrency: SDKS.length }, () => {
  for (const sdk of SDKS.filter(({ renews, clean }) => !renews && !clean)) {
    describe(sdk.name, { concurrency: 1 }, () => {
      const bench = new Bench(sdk);
      before(() => bench.open());
      after(() => bench.close());

      test('closes the connection, and not before', { timeout: 60_000 }, async () => {
        const identity = await bench.register();
        const device = bench.start(identity, { token: { seconds: LIFE } });
        const now = () => Date.now() / 1000;
        const asked = now(); // The token is made between this
        await device.do('open');
        const opened = now(); // and this.
        const connections = bench.proxy.accepted;
        await waitFor('the token is over', () => now() > opened + LIFE);
        assert.strictEqual((await call(identity, 'echo', 8)).status, 200, 'calls go on during the grace');
        await waitFor('it is closed', () => bench.proxy.accepted > connections || bench.proxy.pairs.size === 0, 20, 10);
        assert.ok(now() > asked + LIFE + GRACE * 0.9 - 1, `${now() - asked} s after the token was asked for`);
        assert.ok(now() < opened + LIFE + GRACE * 1.1 + 5, `${now() - opened} s after it was used`);
        if (!sdk.generic) await bench.comesBack(identity, connections);
      });
    });
  }
});
