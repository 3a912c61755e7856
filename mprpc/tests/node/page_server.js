// Serves a page whose script is bundled from a file: `page_server.js SCRIPT FOLDER`, with generated code in the folder. Prints
// the origin of the page. Ends when its input ends.

const { createServer } = require("node:http");
const { buildSync } = require("esbuild");

const [script, generated] = process.argv.slice(2);
const { outputFiles } = buildSync({
  entryPoints: [script],
  bundle: true,
  format: "esm",
  nodePaths: [process.env.NODE_PATH, generated],
  write: false,
});
const contents = {
  "/": ["text/html", '<body><script type="module" src="page.js"></script></body>'],
  "/page.js": ["text/javascript", outputFiles[0].contents],
};
const server = createServer(({ url }, response) => {
  const content = contents[url.split("?")[0]];
  response.writeHead(content ? 200 : 404, { "content-type": content?.[0] ?? "text/plain" });
  response.end(content?.[1]);
});
server.listen(0, "127.0.0.1", () => console.log(`http://127.0.0.1:${server.address().port}`));
process.stdin.resume();
process.stdin.on("end", () => process.exit());
