// Calls a server of `tests/grpc/main.rs` with grpc-js: `caller.js checks ADDRESS COMPRESSIONS`, or `load ADDRESS ADDRESS`.
//
// `checks` runs every check below and prints its name. `load` prints a line, makes calls until its input ends, and prints how
// many it made; it fails if one of them fails.

const assert = require("node:assert/strict");
const { once } = require("node:events");
const grpc = require("@grpc/grpc-js");

const LARGE = Buffer.alloc(10 << 20, Buffer.from(Array.from({ length: 256 }, (_, byte) => byte)));
const GZIP = { "grpc.default_compression_algorithm": grpc.compressionAlgorithms.gzip };

const method = (name, requestStream, responseStream) => ({
  path: `/test.Grpc/${name}`,
  requestStream,
  responseStream,
  requestSerialize: (message) => Buffer.from(message),
  requestDeserialize: (bytes) => bytes,
  responseSerialize: (message) => message,
  responseDeserialize: (bytes) => bytes,
});

// The methods of the service, with messages as bytes.
const Client = grpc.makeGenericClientConstructor(
  {
    echo: method("Echo", false, false),
    slow: method("Slow", false, false),
    fail: method("Fail", false, false),
    hang: method("Hang", false, false),
    dropped: method("Dropped", false, false),
    nothing: method("Nothing", false, false),
    count: method("Count", false, true),
    total: method("Total", true, false),
    talk: method("Talk", true, true),
  },
  "test.Grpc",
);

function connect(target, options = {}) {
  const unbounded = { "grpc.max_receive_message_length": -1, "grpc.max_send_message_length": -1 };
  return new Client(target, grpc.credentials.createInsecure(), { ...unbounded, ...options });
}

// Makes a unary call. Resolves with the reply, or rejects with the error of the call.
const unary = (service, name, message, ...options) =>
  new Promise((resolve, reject) => {
    service[name](message, ...options, (error, reply) => (error ? reject(error) : resolve(reply)));
  });

const failure = (call) => call.then(() => assert.fail("the call has not failed"), (error) => error);

async function text(service, name, message) {
  return (await unary(service, name, message)).toString();
}

async function collected(stream) {
  const messages = [];
  for await (const message of stream) messages.push(message);
  return messages;
}

// Sends these messages, waiting for room, and ends the stream of requests.
async function send(call, messages) {
  for (const message of messages) {
    if (!call.write(message)) await once(call, "drain");
  }
  call.end();
}

async function total(service, messages) {
  let call;
  const reply = new Promise((resolve, reject) => {
    call = service.total((error, reply) => (error ? reject(error) : resolve(reply.toString())));
  });
  await send(call, messages);
  return reply;
}

async function until(condition) {
  const end = Date.now() + 5000;
  while (!(await condition())) {
    assert(Date.now() < end, "it does not come");
    await new Promise((resolve) => setTimeout(resolve, 10));
  }
}

const numbers = (count) => Array.from({ length: count }, (_, number) => String(number));

const checks = {
  async four_call_types(service) {
    assert.equal(await text(service, "echo", "hello"), "hello");
    assert.equal(await text(service, "echo", ""), "");
    assert.deepEqual((await collected(service.count("1000"))).map(String), numbers(1000));
    assert.deepEqual(await collected(service.count("0")), []);
    assert.equal(await total(service, Array(1000).fill(Buffer.alloc(1000, 7))), "1000000");
    assert.equal(await total(service, []), "0");
    const talk = service.talk();
    const [replies] = await Promise.all([collected(talk), send(talk, numbers(1000))]);
    assert.deepEqual(replies.map(String), numbers(1000));
  },

  async stream_alternates(service) {
    const talk = service.talk();
    const replies = talk[Symbol.asyncIterator]();
    for (const number of numbers(100)) {
      talk.write(number);
      assert.equal(String((await replies.next()).value), number);
    }
    talk.end();
    assert((await replies.next()).done);
  },

  async deadline_stops_the_handler(service) {
    const before = Number(await text(service, "dropped", ""));
    const begin = Date.now();
    const failed = await failure(unary(service, "hang", "", { deadline: begin + 300 }));
    assert.equal(failed.code, grpc.status.DEADLINE_EXCEEDED, failed);
    const took = Date.now() - begin;
    assert(200 < took && took < 3000, `${took} ms`);
    await until(async () => Number(await text(service, "dropped", "")) === before + 1);
  },

  async cancel_stops_the_handler(service) {
    const before = Number(await text(service, "dropped", ""));
    const call = service.hang("", () => {});
    await text(service, "slow", "");
    call.cancel();
    await until(async () => Number(await text(service, "dropped", "")) === before + 1);
    const replies = service.count("100000000");
    assert.equal(String((await once(replies, "data"))[0]), "0");
    replies.on("error", () => {});
    replies.cancel();
    assert.equal(await text(service, "echo", "on"), "on");
  },

  async metadata_passes_both_ways(service) {
    const everyByte = LARGE.subarray(0, 256);
    const sent = new grpc.Metadata();
    sent.add("key", "value");
    sent.add("key-bin", everyByte);
    sent.add("key-bin", Buffer.alloc(0));
    let call;
    const reply = new Promise((resolve, reject) => {
      call = service.echo("x", sent, (error, reply) => (error ? reject(error) : resolve(reply.toString())));
    });
    const arrived = Promise.all([once(call, "metadata"), once(call, "status")]);
    assert.equal(await reply, "x");
    const [[head], [{ metadata: trailer }]] = await arrived;
    assert.deepEqual(head.get("key"), ["value"]);
    assert.deepEqual(head.get("key-bin"), [everyByte, Buffer.alloc(0)]);
    assert.deepEqual(trailer.get("last"), ["one"]);
    assert.deepEqual(trailer.get("last-bin"), [Buffer.from([0, 255])]);
  },

  async failures_carry_message_details_and_trailers(service) {
    const failed = await failure(unary(service, "fail", ""));
    assert.equal(failed.code, grpc.status.FAILED_PRECONDITION, failed);
    assert.equal(failed.details, "zu früh: 50 %\n");
    assert.deepEqual(failed.metadata.get("why"), ["because"]);
    const [details] = failed.metadata.get("grpc-status-details-bin");
    assert(details.includes("type.googleapis.com/google.rpc.ErrorInfo"), details);
    assert.equal((await failure(unary(service, "nothing", ""))).code, grpc.status.UNIMPLEMENTED);
  },

  async large_messages_pass_both_ways(service) {
    assert((await unary(service, "echo", LARGE)).equals(LARGE));
    const talk = service.talk();
    const sent = [LARGE, Buffer.from("small"), LARGE];
    const [replies] = await Promise.all([collected(talk), send(talk, sent)]);
    assert.equal(replies.length, 3);
    replies.forEach((reply, index) => assert(reply.equals(sent[index])));
  },

  async messages_beyond_the_limit_fail_their_call(service) {
    const failed = await failure(unary(service, "echo", Buffer.concat([LARGE, LARGE])));
    assert.equal(failed.code, grpc.status.RESOURCE_EXHAUSTED, failed);
    assert(failed.details.includes("message_bytes_max"), failed);
    assert.equal(await text(service, "echo", "on"), "on");
  },

  async many_calls_share_the_channel(service) {
    const begin = Date.now();
    const replies = await Promise.all(numbers(64).map((number) => text(service, "slow", number)));
    assert.deepEqual(replies, numbers(64));
    assert(Date.now() - begin < 5000, "they run one after the other");
  },

  async compressed_messages_pass_both_ways(service) {
    for (const message of [Buffer.from("short"), LARGE]) {
      assert((await unary(service, "echo", message)).equals(message));
      const talk = service.talk();
      const [replies] = await Promise.all([collected(talk), send(talk, [message, message])]);
      assert(replies.length === 2 && replies.every((reply) => reply.equals(message)));
    }
  },
};

async function check(address, compressions) {
  for (const [name, check] of Object.entries(checks)) {
    const isCompressed = name.startsWith("compressed");
    if (isCompressed && !compressions.split(",").includes("gzip")) continue;
    const service = connect(address, isCompressed ? GZIP : {});
    await check(service);
    service.close();
    console.log(name);
  }
}

async function load(...addresses) {
  const policy = JSON.stringify({ loadBalancingConfig: [{ round_robin: {} }] });
  const service = connect(`ipv4:${addresses.join(",")}`, { "grpc.service_config": policy });
  const [made, failed] = [Array(64).fill(0), []];
  let ended = false;
  const makeCalls = async (place) => {
    while (!ended) {
      try {
        assert.equal(String(await unary(service, "slow", "x", { deadline: Date.now() + 20_000 })), "x");
        made[place] += 1;
      } catch (error) {
        failed.push(error);
      }
    }
  };
  const callers = made.map((_, place) => makeCalls(place));
  await until(() => made.every((count) => count > 0));
  console.log("under load");
  process.stdin.resume();
  await once(process.stdin, "end");
  const before = [...made];
  // Each caller makes another call after the stop.
  await until(() => failed.length > 0 || made.every((count, place) => count > before[place]));
  ended = true;
  await Promise.all(callers);
  service.close();
  assert.deepEqual(failed, []);
  console.log(made.reduce((sum, count) => sum + count));
}

const [what, ...rest] = process.argv.slice(2);
({ checks: check, load })[what](...rest);
