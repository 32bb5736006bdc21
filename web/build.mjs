// Builds the page into resource/web: `make web` in the repository's root.
import { createHash } from "node:crypto";
import { cpSync, mkdirSync, readFileSync, readdirSync, rmSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { build } from "esbuild";

const here = dirname(fileURLToPath(import.meta.url));
const out = join(here, "..", "resource", "web");

// What the built page depends on; test/qwen_vla_ros/page/test_bundle.py computes the same.
function hashOfSources() {
  const files = readdirSync(join(here, "src")).map((name) => `src/${name}`);
  files.push("build.mjs", "index.html", "icon.svg", "package.json", "package-lock.json");
  const hash = createHash("sha256");
  for (const name of files.sort()) {
    hash.update(`${name}\n`);
    hash.update(readFileSync(join(here, name)));
  }
  return hash.digest("hex");
}

function licences() {
  const names = Object.keys(JSON.parse(readFileSync(join(here, "package.json"))).dependencies);
  const texts = names.map((name) => {
    const folder = join(here, "node_modules", name);
    const { version, license } = JSON.parse(readFileSync(join(folder, "package.json")));
    const file = readdirSync(folder).find((entry) => entry.startsWith("LICENSE"));
    const text = file ? readFileSync(join(folder, file), "utf8").trim() : "";
    return `${name} ${version}, ${license}\n\n${text}`.trim();
  });
  return `The page is built from these libraries.\n\n${texts.join("\n\n---\n\n")}\n`;
}

rmSync(out, { recursive: true, force: true });
mkdirSync(out, { recursive: true });
await build({
  entryPoints: [join(here, "src", "page.js"), join(here, "src", "page.css")],
  outdir: out,
  bundle: true,
  minify: true,
  format: "esm",
  target: "es2020",
  legalComments: "none",
  // Our robots are drawn in primitive shapes; the loaders of mesh files stay out.
  alias: {
    "three/examples/jsm/loaders/STLLoader.js": join(here, "src", "no_meshes.js"),
    "three/examples/jsm/loaders/ColladaLoader.js": join(here, "src", "no_meshes.js"),
  },
});
cpSync(join(here, "index.html"), join(out, "index.html"));
cpSync(join(here, "icon.svg"), join(out, "icon.svg"));
writeFileSync(join(out, "licences.txt"), licences());
writeFileSync(join(out, "sources.sha256"), `${hashOfSources()}\n`);
