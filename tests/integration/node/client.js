// A foreign OPC UA client: looks at the plant as an engineer would and prints what it saw as one JSON object.
"use strict";

const {
  AttributeIds, BrowseDirection, DataType, HistoryReadRequest, MessageSecurityMode, OPCUAClient, ReadEventDetails,
  SecurityPolicy, TimestampsToReturn, UserTokenType, constructEventFilter, makeBrowsePath,
} = require("node-opcua-client");

const [, , url, password] = process.argv;
const LINE = "urn:conche:chocolate-line";
const TYPES = "urn:conche:types";

async function connected(options, user, work) {
  const client = OPCUAClient.create({
    endpointMustExist: false, connectionStrategy: { maxRetry: 2, initialDelay: 200 }, ...options,
  });
  await client.connect(url);
  try {
    const session = await client.createSession(user);
    try {
      return await work(session);
    } finally {
      await session.close();
    }
  } finally {
    await client.disconnect();
  }
}

async function browse(session, nodeId) {
  const found = await session.browse({
    nodeId, browseDirection: BrowseDirection.Forward, referenceTypeId: "HierarchicalReferences",
    includeSubtypes: true, resultMask: 63,
  });
  return found.references.map((reference) => reference.browseName.name);
}

async function subscribed(session, work) {
  const subscription = await session.createSubscription2({
    requestedPublishingInterval: 200, requestedLifetimeCount: 100, requestedMaxKeepAliveCount: 10,
    maxNotificationsPerPublish: 0, publishingEnabled: true, priority: 1,
  });
  try {
    return await work(subscription);
  } finally {
    await subscription.terminate();
  }
}

function within(milliseconds, what, start) {
  return new Promise((resolve, reject) => {
    const late = setTimeout(() => reject(new Error(`no ${what} within ${milliseconds} ms`)), milliseconds);
    start((value) => { clearTimeout(late); resolve(value); });
  });
}

function watch(subscription, nodeId, attributeId, filter) {
  return subscription.monitor(
    { nodeId, attributeId }, { samplingInterval: 0, queueSize: 100, discardOldest: true, filter },
    TimestampsToReturn.Both,
  );
}

async function count(session, nodeId, wanted) {
  return subscribed(session, async (subscription) => {
    const values = [];
    const item = await watch(subscription, nodeId, AttributeIds.Value);
    await within(20_000, `${wanted} values`, (done) => item.on("changed", (data) => {
      values.push(data.value.value[1]); // 64 bits: high and low
      if (values.length >= wanted) done();
    }));
    return values;
  });
}

async function failure(watcher, operator, index, types) {
  const fields = ["EventType", "SourceName", "Message", "Severity", `${types}:Station`, `${types}:Fault`];
  return subscribed(watcher, async (subscription) => {
    const item = await watch(subscription, "i=2253", AttributeIds.EventNotifier, constructEventFilter(fields));
    const event = within(20_000, "machine failure", (done) => item.on("changed", (values) => {
      if (values[5].value) done(values.map((one) => one.value));
    }));
    const injected = await inject(operator, index);
    const [type, source, message, severity, station, fault] = await event;
    const [name] = await watcher.read([{ nodeId: type, attributeId: AttributeIds.BrowseName }]);
    const past = await pastFailures(watcher, fields);
    return { injected, type: name.value.value.name, source, message: message.text, severity, station, fault, past };
  });
}

async function pastFailures(session, fields) { // the stations, from the server's event history
  const now = Date.now();
  const answer = await session.historyRead(new HistoryReadRequest({
    historyReadDetails: new ReadEventDetails({
      startTime: new Date(now - 86400_000), endTime: new Date(now + 1000), numValuesPerNode: 0,
      filter: constructEventFilter(fields),
    }),
    timestampsToReturn: TimestampsToReturn.Source, releaseContinuationPoints: false,
    nodesToRead: [{ nodeId: "i=2253" }],
  }));
  const events = answer.results[0].historyData.events.map((one) => one.eventFields.map((field) => field.value));
  return events.map((values) => values[4]).filter((station) => station);
}

async function inject(session, index) { // a station that has failed already cannot fail
  for (const words of [["Cleaning", "SieveJam"], ["Roasting", "BurnerFault"], ["Wrapper1", "WrapperFault"]]) {
    const status = await call(session, index, "InjectFault", words);
    if (status !== "BadInvalidState") return status;
  }
  return "BadInvalidState";
}

async function call(session, index, method, words) {
  const result = await session.call({
    objectId: `ns=${index};s=Simulation`, methodId: `ns=${index};s=Simulation.${method}`,
    inputArguments: words.map((value) => ({ dataType: DataType.String, value })),
  });
  return result.statusCode.name;
}

async function write(session, nodeId, value) {
  const status = await session.write({
    nodeId, attributeId: AttributeIds.Value, value: { value: { dataType: DataType.Double, value } },
  });
  return status.name;
}

async function look(session, id, index) {
  const temperature = id("Line1.Tempering.Process.Zone2Temperature");
  const state = id("Line1.Tempering.Status.State");
  const [value, description, number] = await session.read([
    { nodeId: temperature, attributeId: AttributeIds.Value },
    { nodeId: temperature, attributeId: AttributeIds.Description },
    { nodeId: state, attributeId: AttributeIds.Value },
  ]);
  const now = new Date();
  const history = await session.readHistoryValue(temperature, new Date(now - 3600_000), now);
  return {
    properties: await browse(session, temperature),
    value: value.value.value,
    status: value.statusCode.name,
    sourceTimestamp: value.sourceTimestamp,
    description: description.value.value.text,
    state: (await enumeration(session, state))[number.value.value],
    historyStatus: history.statusCode.name,
    history: history.historyData ? history.historyData.dataValues.length : 0,
    heartbeats: await count(session, id("Simulation.Heartbeat"), 30),
    anonymousWrite: await write(session, id("Simulation.Speed"), 30),
    anonymousCall: await call(session, index, "Pause", []),
  };
}

async function enumeration(session, nodeId) {
  const path = await session.translateBrowsePath(makeBrowsePath(nodeId, ".EnumStrings"));
  const texts = await session.read({ nodeId: path.targets[0].targetId, attributeId: AttributeIds.Value });
  return texts.value.value.map((one) => one.text);
}

async function operate(operator, id) {
  const nodeId = id("Simulation.Speed");
  const usual = await operator.read({ nodeId, attributeId: AttributeIds.Value });
  return {
    operatorWrite: await write(operator, nodeId, usual.value.value),
    outOfRange: await write(operator, nodeId, -1),
  };
}

async function main() {
  const operator = { type: UserTokenType.UserName, userName: "operator", password };
  const secure = { securityMode: MessageSecurityMode.SignAndEncrypt, securityPolicy: SecurityPolicy.Basic256Sha256 };
  const seen = await connected({ securityMode: MessageSecurityMode.None }, undefined, async (guest) => {
    const namespaces = await guest.readNamespaceArray();
    const [index, types] = [namespaces.indexOf(LINE), namespaces.indexOf(TYPES)];
    const id = (name) => `ns=${index};s=${name}`;
    const looked = await look(guest, id, index);
    return connected(secure, operator, async (session) => ({
      ...looked, ...await operate(session, id), failure: await failure(guest, session, index, types),
    }));
  });
  console.log(JSON.stringify(seen));
}

main().then(() => process.exit(0), (error) => { console.error(error); process.exit(1); });
