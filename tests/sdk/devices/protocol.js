'use strict';
// How a device program in JavaScript is driven: a line of JSON in is a command, `{id, do, …}`; a line out is its answer,
// `{id, ok}` or `{id, error}`, or an event, `{event, …}`. The first line is the settings.

const readline = require('node:readline');

// What a device answers: `size` with the length of the text it got, `big` with a text of the length asked for, `hold` when the
// command `answer` comes, `echo` with its payload in an array.
const METHODS = ['echo', 'size', 'big', 'hold'];

// Makes a device of the settings with `build(settings, emit)` and obeys.
function serve(build) {
  const print = (line) => process.stdout.write(`${JSON.stringify(line)}\n`);
  const emit = (event, more = {}) => print({ event, ...more });
  let device;
  readline.createInterface({ input: process.stdin })
    .on('line', async (line) => {
      const command = JSON.parse(line);
      if (!device) { device = build(command, emit); return; }
      try {
        print({ id: command.id, ok: await device[command.do](command) });
      } catch (error) {
        print({ id: command.id, error: `${error.name}: ${error.message}` });
      }
    })
    .on('close', () => process.exit(0));
}

module.exports = { serve, METHODS };
