'use strict';
// Certificates as fleets have them, made with the openssl command: P-256 keys, self-signed or signed by an authority.

const { execFileSync } = require('node:child_process');
const crypto = require('node:crypto');
const fs = require('node:fs');
const os = require('node:os');
const path = require('node:path');

const directory = fs.mkdtempSync(path.join(os.tmpdir(), 'fleetcast-certificates-'));
process.on('exit', () => fs.rmSync(directory, { recursive: true, force: true }));
let made = 0;

// A certificate for `commonName`: { cert, key } as PEM, and its files. `issuer`: who signs, else itself.
function makeCertificate(commonName, { issuer, isAuthority = false, days = 30 } = {}) {
  const name = path.join(directory, String(made += 1));
  const openssl = (...words) => execFileSync('openssl', words, { stdio: ['ignore', 'ignore', 'pipe'] });
  openssl('ecparam', '-name', 'prime256v1', '-genkey', '-noout', '-out', `${name}.key`);
  openssl('req', '-new', '-key', `${name}.key`, '-subj', `/CN=${commonName.replaceAll('/', '\\/')}`, '-out', `${name}.csr`);
  fs.writeFileSync(`${name}.ext`, isAuthority ? 'basicConstraints=critical,CA:TRUE\nkeyUsage=critical,keyCertSign,cRLSign\n'
    : 'basicConstraints=CA:FALSE\nextendedKeyUsage=clientAuth\n');
  const signer = issuer ? ['-CA', issuer.certFile, '-CAkey', issuer.keyFile, '-CAcreateserial'] : ['-signkey', `${name}.key`];
  openssl('x509', '-req', '-in', `${name}.csr`, ...signer, '-days', String(days), '-extfile', `${name}.ext`, '-out', `${name}.pem`);
  const cert = fs.readFileSync(`${name}.pem`, 'utf8');
  return { cert, key: fs.readFileSync(`${name}.key`, 'utf8'), certFile: `${name}.pem`, keyFile: `${name}.key` };
}

// The thumbprint as the registry wants it: hex without separators.
const thumbprintOf = (cert, algorithm) =>
  crypto.createHash(algorithm).update(new crypto.X509Certificate(cert).raw).digest('hex').toUpperCase();

module.exports = { makeCertificate, thumbprintOf };
