'use strict';
// What happened in a run, as JSON lines and in memory. All parties are on one host, and so are their clocks: times are Unix
// seconds. The kinds of entries ("src") are in README.md.

const fs = require('node:fs');

const now = () => (performance.timeOrigin + performance.now()) / 1000;

class History {
  // `path`: the file, or nothing to keep it in memory only.
  constructor(path) {
    this.entries = [];
    this.fd = path ? fs.openSync(path, 'w') : undefined;
    this.calls = 0;
  }

  add(entry) {
    const stamped = { t: now(), ...entry };
    this.entries.push(stamped);
    if (this.fd !== undefined) fs.writeSync(this.fd, `${JSON.stringify(stamped)}\n`);
    return stamped;
  }

  // One API call: an entry when it begins, one when it has ended. `result`: ok (done), fail (certainly not done) or info (nobody
  // knows). Gives what `perform` gave, as { result, status, json, text }.
  async call(op, key, args, perform) {
    const id = ++this.calls;
    this.add({ src: 'api', id, op, key, phase: 'invoke', args });
    let answer;
    try {
      answer = await perform();
    } catch (error) {
      answer = { status: 0, text: error.message };
    }
    const { status } = answer;
    answer.result = status >= 200 && status < 300 ? 'ok' : status >= 400 && status < 500 ? 'fail' : 'info';
    this.add({ src: 'api', id, op, key, phase: answer.result, status, body: answer.json ?? answer.text });
    return answer;
  }

  close() {
    if (this.fd !== undefined) fs.closeSync(this.fd);
  }
}

// The entries of a file of JSON lines; a last line that is not whole is left out.
function readLines(path) {
  return fs.readFileSync(path, 'utf8').split('\n').slice(0, -1).map((line) => JSON.parse(line));
}

module.exports = { History, now, readLines };
