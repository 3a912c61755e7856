// Calls the board of `main.rs` from a web page: `?transport=connect&server=URL`, or `grpc-web`. The page shows what it gets.

import { Code, ConnectError, createClient } from "@connectrpc/connect";
import { createConnectTransport, createGrpcWebTransport } from "@connectrpc/connect-web";
import { Board, RefusalSchema } from "board_pb.js";

const wanted = new URLSearchParams(location.search);
const baseUrl = wanted.get("server");
const transports = {
  connect: () => createConnectTransport({ baseUrl }),
  "connect-binary": () => createConnectTransport({ baseUrl, useBinaryFormat: true }),
  "grpc-web": () => createGrpcWebTransport({ baseUrl }),
};
const board = createClient(Board, transports[wanted.get("transport")]());

function show(text) {
  const line = document.createElement("div");
  line.textContent = text;
  document.body.append(line);
}

async function failure(call) {
  try {
    await call();
  } catch (error) {
    return ConnectError.from(error);
  }
  throw new Error("the call has not failed");
}

async function unary() {
  const fields = {};
  const { posts } = await board.publish(
    { text: "first" },
    {
      headers: { tenant: "blue" },
      onHeader: (head) => (fields.head = head.get("tenant")),
      onTrailer: (trailer) => (fields.trailer = trailer.get("tenant")),
    },
  );
  show(`published ${posts}, head ${fields.head}, trailer ${fields.trailer}`);
}

async function refused() {
  const error = await failure(() => board.publish({ text: "" }));
  const [{ field, bytesMax }] = error.findDetails(RefusalSchema);
  show(`${Code[error.code]}: ${error.rawMessage}, ${field} ${bytesMax}`);
}

// The server gets a post to send only when the page has shown the one before.
async function stream() {
  const controller = new AbortController();
  const posts = board.follow({ name: "news" }, { signal: controller.signal });
  let had = 0;
  const ended = await failure(async () => {
    for await (const { text } of posts) {
      had += 1;
      show(`had ${had}: ${text}`);
      if (had < 4) await board.publish({ text: `post ${had}` });
      else controller.abort();
    }
  });
  show(`stream: ${Code[ended.code]}`);
}

async function stopped() {
  const late = await failure(() => board.hang({}, { timeoutMs: 200 }));
  show(`late: ${Code[late.code]}`);
  const controller = new AbortController();
  const aborted = failure(() => board.hang({}, { signal: controller.signal }));
  // The second call proves that the first one has arrived.
  await board.publish({ text: "until hang" });
  controller.abort();
  show(`aborted: ${Code[(await aborted).code]}`);
}

try {
  for (const step of [unary, refused, stream, stopped]) await step();
  show("done");
} catch (error) {
  show(`${error}`);
}
