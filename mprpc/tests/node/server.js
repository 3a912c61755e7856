// A gRPC server with methods of all kinds, for tests of the caller: the methods of `tests/grpc/server.py`. Prints its port, and
// stops when its input ends. Arguments: the streams of a connection, and `gzip`.

const { createInterface } = require("node:readline");
const grpc = require("@grpc/grpc-js");

const method = (name, requestStream, responseStream) => ({
  path: `/test.Peer/${name}`,
  requestStream,
  responseStream,
  requestSerialize: (message) => message,
  requestDeserialize: (bytes) => bytes,
  responseSerialize: (message) => Buffer.from(message),
  responseDeserialize: (bytes) => bytes,
});

const service = {
  Echo: method("Echo", false, false),
  Fail: method("Fail", false, false),
  Sleep: method("Sleep", false, false),
  Large: method("Large", false, false),
  Deadline: method("Deadline", false, false),
  Count: method("Count", false, true),
  Total: method("Total", true, false),
  Talk: method("Talk", true, true),
};

const handlers = {
  Echo(call, reply) {
    const trailer = new grpc.Metadata();
    const head = new grpc.Metadata();
    for (const value of call.metadata.get("tenant")) head.add("tenant", value);
    for (const value of call.metadata.get("blob-bin")) trailer.add("blob-bin", value);
    call.sendMetadata(head);
    reply(null, call.request, trailer);
  },

  Fail(call, reply) {
    const metadata = new grpc.Metadata();
    metadata.add("cost", "7");
    metadata.add("grpc-status-details-bin", call.request);
    reply({ code: grpc.status.FAILED_PRECONDITION, details: "no stock: 100 % gone, caf\u00e9", metadata });
  },

  Sleep(call, reply) {
    const timer = setTimeout(() => reply(null, "awake"), Number(call.request) * 1000);
    call.on("cancelled", () => {
      clearTimeout(timer);
      console.log("cancelled");
    });
  },

  Large: (call, reply) => reply(null, Buffer.alloc(Number(call.request))),

  Deadline: (call, reply) => reply(null, String((call.getDeadline() - Date.now()) / 1000)),

  Count(call) {
    for (let number = 0; number < Number(call.request); number += 1) call.write(String(number));
    call.end();
  },

  Total(call, reply) {
    let bytes = 0;
    call.on("data", (message) => (bytes += message.length));
    call.on("end", () => reply(null, String(bytes)));
  },

  Talk(call) {
    call.on("data", (message) => call.write(message.toString().toUpperCase()));
    call.on("end", () => call.end());
  },
};

const [streams, compression] = process.argv.slice(2);
const server = new grpc.Server({
  "grpc.max_receive_message_length": -1,
  "grpc.max_send_message_length": -1,
  ...(streams && { "grpc.max_concurrent_streams": Number(streams) }),
  ...(compression === "gzip" && { "grpc.default_compression_algorithm": grpc.compressionAlgorithms.gzip }),
});
server.addService(service, handlers);
server.bindAsync("127.0.0.1:0", grpc.ServerCredentials.createInsecure(), (error, port) => {
  if (error) throw error;
  console.log(port);
});
const input = createInterface({ input: process.stdin });
input.on("line", (line) => line === "stop" && server.tryShutdown(() => {}));
input.on("close", () => server.forceShutdown());
