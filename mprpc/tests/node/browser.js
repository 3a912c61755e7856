// Opens pages in headless Chromium: a line of the input is a URL, and each line of text that the page shows is printed as soon as
// it is there. An error that the page does not catch is printed too. Ends when its input ends.
//
// Chromium is spoken to in its DevTools protocol over two pipes: JSON, with a NUL at the end of each message.

const { spawn } = require("node:child_process");
const { once } = require("node:events");
const { mkdtempSync, rmSync } = require("node:fs");
const { join } = require("node:path");
const { createInterface } = require("node:readline");

const profile = mkdtempSync(join(process.env.NODE_PATH, "..", "profile-"));
const flags = [
  "--headless=new",
  "--no-sandbox",
  "--disable-gpu",
  "--disable-quic",
  "--disable-sync",
  "--disable-background-networking",
  "--disable-component-update",
  "--no-first-run",
  `--user-data-dir=${profile}`,
  "--remote-debugging-pipe",
];
const chromium = spawn(process.env.MPRPC_TEST_CHROMIUM ?? "chromium", flags, {
  // It keeps files outside of its profile too.
  env: { ...process.env, HOME: profile, XDG_CONFIG_HOME: profile, XDG_CACHE_HOME: profile },
  stdio: ["ignore", "ignore", "ignore", "pipe", "pipe"],
});
chromium.on("error", (error) => {
  console.error(`chromium cannot be started: ${error.message}; run cargo xtask test`);
  process.exit(1);
});
// Processes of Chromium may still write into the folder.
process.on("exit", () => rmSync(profile, { recursive: true, force: true, maxRetries: 10, retryDelay: 50 }));
const [, , , commands, answers] = chromium.stdio;
commands.on("error", () => {});

const waiting = new Map();
let lastId = 0;

// Sends a command, and resolves with its result.
function command(method, params = {}, sessionId = undefined) {
  lastId += 1;
  commands.write(`${JSON.stringify({ id: lastId, method, params, sessionId })}\0`);
  return new Promise((resolve, reject) => waiting.set(lastId, { resolve, reject }));
}

let unread = "";
answers.setEncoding("utf8");
answers.on("data", (data) => {
  const messages = (unread + data).split("\0");
  unread = messages.pop();
  messages.map((message) => JSON.parse(message)).forEach(handle);
});

function handle({ id, result, error, method, params }) {
  if (id) {
    const { resolve, reject } = waiting.get(id);
    waiting.delete(id);
    if (error) reject(new Error(error.message));
    else resolve(result);
  } else if (method === "Runtime.bindingCalled") {
    show(params.payload);
  } else if (method === "Runtime.exceptionThrown") {
    const { text, exception } = params.exceptionDetails;
    console.log(`error: ${exception?.description ?? text}`);
  }
}

// Prints the lines that the page has shown since the last time.
let shown = 0;
function show(text) {
  const lines = text.split("\n").filter((line) => line !== "");
  lines.slice(shown).forEach((line) => console.log(line));
  shown = lines.length;
}

const WATCH = `
  const tell = () => document.body && shown(document.body.innerText);
  new MutationObserver(tell).observe(document, { childList: true, subtree: true, characterData: true });
`;

async function open(url) {
  shown = 0;
  const { targetId } = await command("Target.createTarget", { url: "about:blank" });
  const { sessionId } = await command("Target.attachToTarget", { targetId, flatten: true });
  await command("Page.enable", {}, sessionId);
  await command("Runtime.enable", {}, sessionId);
  await command("Runtime.addBinding", { name: "shown" }, sessionId);
  await command("Page.addScriptToEvaluateOnNewDocument", { source: WATCH }, sessionId);
  const { errorText } = await command("Page.navigate", { url }, sessionId);
  if (errorText) console.log(`error: ${url}: ${errorText}`);
}

const input = createInterface({ input: process.stdin });
input.on("line", (url) => open(url).catch((error) => console.log(`error: ${url}: ${error.message}`)));
input.on("close", async () => {
  const ended = once(chromium, "exit");
  command("Browser.close").catch(() => {});
  await ended;
});
