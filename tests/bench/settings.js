'use strict';
// The words behind a benchmark's name. Required before anything that needs a running Fleetcast.

const words = (values) => Object.entries(values).map(([name, value]) => `${name}=${value}`).join(' ');

// `devices=5000 repetitions=3` over the defaults; a word that is no setting ends the program, and so does the last one with
// FLEETCAST_BENCH_CHECK, which is how `run` finds mistakes before it starts anything.
function settings(defaults) {
  const values = { ...defaults };
  for (const argument of process.argv.slice(2)) {
    const [name, value] = argument.split('=');
    if (argument === '--help') {
      console.log(`settings: ${words(defaults)}`);
      process.exit(0);
    }
    if (!(name in defaults) || !/^[0-9]+$/.test(value || '')) {
      console.error(`unknown setting '${argument}'; settings: ${words(defaults)}`);
      process.exit(2);
    }
    values[name] = Number(value);
  }
  if (process.env.FLEETCAST_BENCH_CHECK) process.exit(0);
  return values;
}

module.exports = { settings };
