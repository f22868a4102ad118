'use strict';
// Quick clients for benchmarks: HTTPS on one kept connection, and gRPC from server reflection.

const https = require('node:https');
const grpc = require('@grpc/grpc-js');
const { GrpcReflection } = require('grpc-js-reflection-client');
const { ca, host, restPort, sasToken } = require('../e2e/lib/hub');

// Calls over one connection that stays open. Answers (method, path, body, headers) → { status, headers, text, json }.
function keptHttps() {
  const agent = new https.Agent({ keepAlive: true, maxSockets: 1 });
  const token = sasToken();
  return (method, path, body, more = {}) => new Promise((resolve, reject) => {
    const text = body === undefined ? undefined : JSON.stringify(body);
    const headers = { Authorization: token, ...more };
    if (text !== undefined) Object.assign(headers, { 'Content-Type': 'application/json', 'Content-Length': Buffer.byteLength(text) });
    const call = https.request({ host, port: restPort, method, path, headers, ca, agent }, (answer) => {
      const chunks = [];
      answer.on('data', (chunk) => chunks.push(chunk));
      answer.on('end', () => {
        const received = Buffer.concat(chunks).toString('utf8');
        resolve({ status: answer.statusCode, headers: answer.headers, text: received, json: received ? JSON.parse(received) : undefined });
      });
    });
    call.setNoDelay(true);
    call.on('error', reject);
    call.end(text);
  });
}

// Answers (method, message) → answer of a service, as the contracts say it.
async function grpcClient(address, service) {
  const reflection = new GrpcReflection(address, grpc.ChannelCredentials.createInsecure(), undefined, 'v1alpha');
  const descriptor = await reflection.getDescriptorBySymbol(service);
  const packageObject = descriptor.getPackageObject({ keepCase: false, enums: String, longs: Number, defaults: true });
  const Service = service.split('.').reduce((at, name) => at[name], packageObject);
  const stub = new Service(address, grpc.credentials.createInsecure());
  return (method, message) => new Promise((resolve, reject) => {
    stub[method](message, { deadline: Date.now() + 60000 }, (error, answer) => (error ? reject(error) : resolve(answer)));
  });
}

module.exports = { grpcClient, keptHttps };
