// The AWS IoT device SDK for JavaScript, version 1, unmodified but for endpoint and CA: an app and
// a device share a thing's shadow; neither of their client ids is the thing's name.
//   node thing_shadow.mjs HOST:PORT CA CERTIFICATE KEY THING
import awsIot from 'aws-iot-device-sdk';

const [address, caPath, certPath, keyPath, thing] = process.argv.slice(2);
const port = Number(address.split(':').pop());
const secondsMax = 60;

function connect(clientId) {
  const shadows = awsIot.thingShadow({host: 'localhost', port, caPath, certPath, keyPath, clientId});
  shadows.seen = [];
  shadows.waiting = [];
  const note = (event) => {
    shadows.seen.push(event);
    shadows.waiting.splice(0).forEach((wake) => wake());
  };
  shadows.on('status', (name, status, token, state) => note({kind: status, token, state}));
  shadows.on('delta', (name, state) => note({kind: 'delta', state}));
  shadows.on('foreignStateChange', (name, operation, state) => note({kind: operation, state}));
  shadows.on('timeout', (name, token) => note({kind: 'timeout', token}));
  shadows.on('error', (error) => fail(`${clientId}: ${error}`));
  return new Promise((resolve) => shadows.on('connect', () => resolve(shadows)));
}

function fail(what) {
  console.error(what);
  process.exit(1);
}

function check(condition, what) {
  if (!condition) fail(what);
  console.log(`ok: ${what}`);
}

function equal(found, wanted, what) {
  const [a, b] = [JSON.stringify(found), JSON.stringify(wanted)];
  check(a === b, a === b ? what : `${what}: expected ${b}, found ${a}`);
}

async function next(shadows, matches) {
  for (;;) {
    const at = shadows.seen.findIndex(matches);
    if (at >= 0) return shadows.seen.splice(at, 1)[0];
    await new Promise((resolve) => shadows.waiting.push(resolve));
  }
}

const answer = (shadows, token) => next(shadows, (event) => event.token === token);
const register = (shadows, options = {}) => new Promise((resolve) => {
  shadows.register(thing, options, (error, failed) => {
    check(!error && !failed, 'the thing is registered: every topic was granted');
    resolve();
  });
});

setTimeout(() => fail(`not done within ${secondsMax} s`), secondsMax * 1000).unref();
const device = await connect(`${thing}-module`);
const app = await connect(`${thing}-app`);
await register(device);
await register(app);

let token = app.get(thing);
let reply = await answer(app, token);
equal([reply.kind, reply.state.code], ['rejected', 404], 'get of a shadow that is not there');

token = device.update(thing, {state: {reported: {power: 'off', level: 10}}});
reply = await answer(device, token);
equal(reply.kind, 'accepted', 'update by the device');
const foreign = await next(app, (event) => event.kind === 'update');
equal(foreign.state.state, {reported: {power: 'off', level: 10}}, 'the app hears of it');

token = app.update(thing, {state: {desired: {power: 'on', level: 10}}});
const delta = await next(device, (event) => event.kind === 'delta');
equal(delta.state.state, {power: 'on'}, 'the device gets the delta');
reply = await answer(app, token);
equal(reply.kind, 'accepted', 'update by the app');

token = device.update(thing, {state: {reported: {power: 'on'}}});
reply = await answer(device, token);
equal(reply.kind, 'accepted', 'the device obeys');

token = app.get(thing);
reply = await answer(app, token);
equal(reply.state.state, {desired: {power: 'on', level: 10}, reported: {power: 'on', level: 10}},
  'get: no delta is left');

// Both name the version they know: one of them is late.
const tokens = [app.update(thing, {state: {desired: {level: 11}}}),
  device.update(thing, {state: {reported: {level: 12}}})];
const both = [await answer(app, tokens[0]), await answer(device, tokens[1])];
equal(both.map((each) => each.state.code ?? each.kind).sort(), [409, 'accepted'],
  'two updates of one version');

token = app.delete(thing);
reply = await answer(app, token);
equal(reply.kind, 'accepted', 'delete');
token = app.get(thing);
reply = await answer(app, token);
equal([reply.kind, reply.state.code], ['rejected', 404], 'get of a deleted shadow');

device.end();
app.end();
process.exit(0);
