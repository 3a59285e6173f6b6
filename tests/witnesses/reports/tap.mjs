// Reads TAP from stdin with the parser of node-tap, and says as JSON what it made of it.
import { Parser } from "tap-parser";

const read = { strange: [], bailed: false, version: null, points: [], subtests: 0, diagnosed: 0 };

function listen(parser, depth) {
  parser.on("version", (version) => { if (depth === 0) read.version = version; });
  parser.on("extra", (text) => read.strange.push(text));
  parser.on("bailout", () => { read.bailed = true; });
  parser.on("assert", (point) => {
    if (point.diag) read.diagnosed += 1;
    read.points.push({ depth, ok: point.ok, name: point.name, skip: point.skip, diag: point.diag ?? null });
  });
  parser.on("child", (child) => { read.subtests += 1; listen(child, depth + 1); });
}

const parser = new Parser({ strict: true }, (results) => {
  const { ok, count, pass, fail, skip, failures } = results;
  const wrong = failures.filter((failure) => failure.tapError).map((failure) => failure.tapError);
  console.log(JSON.stringify({ ...read, ok, count, pass, fail, skip, wrong }));
});
listen(parser, 0);
process.stdin.pipe(parser);
