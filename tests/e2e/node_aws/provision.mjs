// A device with AWS IoT's SDK, version 2: provisions itself with a claim certificate, then connects
// with its own and uses its shadow.
// node provision.mjs <port> <ca> <claim certificate> <claim key> <template> <serial>
import sdk from 'aws-iot-device-sdk-v2';

const { mqtt, iot, iotidentity, iotshadow } = sdk;
const [port, ca, claimCert, claimKey, template, serial] = process.argv.slice(2);

function connect(builder, clientId) {
  const config = builder
    .with_certificate_authority_from_path(undefined, ca)
    .with_clean_session(true)
    .with_client_id(clientId)
    .with_endpoint('localhost')
    .with_port(Number(port))
    .with_keep_alive_seconds(30)
    .build();
  return new mqtt.MqttClient().new_connection(config);
}

// The answer to a request: subscribes to accepted and rejected, then asks.
async function ask(subscribeAccepted, subscribeRejected, request) {
  const answer = new Promise((resolve, reject) => {
    const done = (error, response) => (error ? reject(error) : resolve(response));
    const refused = (error, response) => reject(error ?? new Error(JSON.stringify(response)));
    Promise.all([subscribeAccepted(done), subscribeRejected(refused)]).then(request, reject);
  });
  return answer;
}

const QOS = mqtt.QoS.AtLeastOnce;
const claim = connect(
  iot.AwsIotMqttConnectionConfigBuilder.new_mtls_builder_from_path(claimCert, claimKey),
  `factory-${serial}`);
await claim.connect();
const identity = new iotidentity.IotIdentityClient(claim);
const keys = await ask(
  (done) => identity.subscribeToCreateKeysAndCertificateAccepted({}, QOS, done),
  (done) => identity.subscribeToCreateKeysAndCertificateRejected({}, QOS, done),
  () => identity.publishCreateKeysAndCertificate({}, QOS));
const thing = await ask(
  (done) => identity.subscribeToRegisterThingAccepted({ templateName: template }, QOS, done),
  (done) => identity.subscribeToRegisterThingRejected({ templateName: template }, QOS, done),
  () => identity.publishRegisterThing({
    templateName: template,
    certificateOwnershipToken: keys.certificateOwnershipToken,
    parameters: { SerialNumber: serial },
  }, QOS));
console.log(`thing ${thing.thingName}`);
await claim.disconnect();

const device = connect(
  iot.AwsIotMqttConnectionConfigBuilder.new_mtls_builder(keys.certificatePem, keys.privateKey),
  thing.thingName);
await device.connect();
const shadow = new iotshadow.IotShadowClient(device);
const updated = await ask(
  (done) => shadow.subscribeToUpdateShadowAccepted({ thingName: thing.thingName }, QOS, done),
  (done) => shadow.subscribeToUpdateShadowRejected({ thingName: thing.thingName }, QOS, done),
  () => shadow.publishUpdateShadow({
    thingName: thing.thingName, state: { reported: { on: true } }, clientToken: 'first',
  }, QOS));
console.log(`shadow version ${updated.version} ${updated.clientToken}`);
await device.disconnect();
process.exit(0);
