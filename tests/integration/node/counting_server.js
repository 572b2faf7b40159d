// A foreign OPC UA server whose every tag counts its own changes: tests/faults/counting_server.py by other hands.
// Commands come as JSON lines on standard input, each is answered by a line; the end of input ends the server.
"use strict";

const fs = require("node:fs");
const path = require("node:path");
const readline = require("node:readline");
const { DataType, MessageSecurityMode, SecurityPolicy, StatusCodes, Variant } = require("node-opcua-client");
const { DataValue } = require("node-opcua-data-value");
const { OPCUACertificateManager } = require("node-opcua-certificate-manager");
const { OPCUAServer } = require("node-opcua-server");

const FOLDER = 100; // tags in a folder
const ROW = 16; // bytes of a change in the ledger: tag, number (uint32), time (int64, Unix ns)

const named = (name) => process.argv[process.argv.indexOf(`--${name}`) + 1];
const options = {
  port: Number(named("port")), ledger: named("ledger"), tags: Number(named("tags")),
  history: process.argv.includes("--history"),
};
const numbers = new Uint32Array(options.tags);
const past = Array.from({ length: options.tags }, () => []); // of each tag [milliseconds, number]
const nodes = [];
const tagName = (tag) => `T${String(tag).padStart(4, "0")}`;

function remember() {
  const book = fs.existsSync(options.ledger) ? fs.readFileSync(options.ledger) : Buffer.alloc(0);
  for (let at = 0; at + ROW <= book.length; at += ROW) {
    const tag = book.readUInt32LE(at);
    numbers[tag] = book.readUInt32LE(at + 4);
    past[tag].push([Number(book.readBigInt64LE(at + 8) / 1000000n), numbers[tag]]);
  }
}

function counted(number, milliseconds) {
  return new DataValue({
    value: new Variant({ dataType: DataType.Double, value: number }), statusCode: StatusCodes.Good,
    sourceTimestamp: new Date(milliseconds),
  });
}

// What a tag counted to before: from the ledger, so that it outlives the process.
class Historian {
  constructor(tag) { this.tag = tag; }

  async push() {} // the ledger has it

  extractDataValues(details, most, _isReversed, _reverses, callback) {
    const [start, end] = [details.startTime.getTime(), details.endTime.getTime()];
    const found = past[this.tag].filter(([when]) => when >= start && when <= end);
    callback(null, found.slice(0, most || found.length).map(([when, number]) => counted(number, when)));
  }
}

function build(addressSpace) {
  const space = addressSpace.registerNamespace("urn:conche:counting");
  let folder;
  for (let tag = 0; tag < options.tags; tag++) {
    if (tag % FOLDER === 0) {
      folder = space.addFolder(addressSpace.rootFolder.objects, { browseName: `Group${tag / FOLDER}` });
    }
    const node = space.addVariable({
      organizedBy: folder, browseName: tagName(tag), nodeId: `s=${tagName(tag)}`, dataType: "Double",
      minimumSamplingInterval: 0,
    });
    const [when] = past[tag].at(-1) ?? [Date.now()];
    node.setValueFromSource({ dataType: DataType.Double, value: numbers[tag] }, StatusCodes.Good, new Date(when));
    if (options.history) {
      addressSpace.installHistoricalDataNode(node, { historian: new Historian(tag) });
    }
    nodes.push(node);
  }
}

function change(ledger) {
  const now = Date.now();
  const tags = nodes.map((_, tag) => tag).filter(() => Math.random() < 0.5);
  const rows = Buffer.alloc(tags.length * ROW);
  tags.forEach((tag, i) => {
    rows.writeUInt32LE(tag, i * ROW);
    rows.writeUInt32LE(++numbers[tag], i * ROW + 4);
    rows.writeBigInt64LE(BigInt(now) * 1000000n, i * ROW + 8);
    past[tag].push([now, numbers[tag]]);
  });
  fs.writeSync(ledger, rows);
  for (const tag of tags) {
    nodes[tag].setValueFromSource({ dataType: DataType.Double, value: numbers[tag] }, StatusCodes.Good, new Date(now));
  }
}

function commands(server, ledger) {
  let timer;
  return {
    run({ hz }) {
      clearInterval(timer);
      timer = hz ? setInterval(() => change(ledger), 1000 / hz) : undefined;
    },
    raise_event({ message }) {
      const text = new Variant({ dataType: DataType.LocalizedText, value: message });
      server.engine.addressSpace.rootFolder.objects.server.raiseEvent("BaseEventType", { message: text });
    },
    end_sessions() {
      for (const session of server.engine.getSessions()) {
        server.engine.closeSession(session.authenticationToken, true, "Terminated");
      }
    },
    end_subscriptions() {
      for (const session of server.engine.getSessions()) {
        for (const subscription of [...session.publishEngine.subscriptions]) {
          session.deleteSubscription(subscription.id);
        }
      }
    },
  };
}

async function main() {
  remember();
  const ledger = fs.openSync(options.ledger, "a");
  const pki = new OPCUACertificateManager({ rootFolder: path.join(path.dirname(options.ledger), "server-pki") });
  const server = new OPCUAServer({
    port: options.port, hostname: "127.0.0.1", resourcePath: "/", allowAnonymous: true, serverCertificateManager: pki,
    securityModes: [MessageSecurityMode.None], securityPolicies: [SecurityPolicy.None],
  });
  await server.initialize();
  build(server.engine.addressSpace);
  await server.start();
  const can = commands(server, ledger);
  console.log("ready");
  for await (const line of readline.createInterface({ input: process.stdin })) {
    const order = JSON.parse(line);
    can[order.do](order);
    console.log("done");
  }
  await server.shutdown(0);
  process.exit(0);
}

main();
