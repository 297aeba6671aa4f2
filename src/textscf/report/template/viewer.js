"use strict";
const NAMES = ["fixed", "moving", "warped"];
const STEPS = {
  ArrowLeft: [1, 0, 0], ArrowRight: [-1, 0, 0], ArrowUp: [0, 1, 0], ArrowDown: [0, -1, 0],
  PageUp: [0, 0, 1], PageDown: [0, 0, -1],
};
const element = (id) => document.getElementById(id);
const shown = JSON.parse(element("shown").textContent);
const views = {};
const state = { pair: null, centred: null };

function wanted() {
  const asked = new URLSearchParams(location.hash.slice(1));
  const find = (run) => shown.methods.find((method) => method.run === run);
  const method = find(asked.get("run")) || find(shown.first);
  const which = Object.hasOwn(method.pairs, asked.get("pair")) ? asked.get("pair") : "median";
  return { method, which, pair: method.pairs[which] };
}

async function runScript(compressed) {
  const bytes = Uint8Array.from(atob(compressed), (character) => character.charCodeAt(0));
  const stream = new Blob([bytes]).stream().pipeThrough(new DecompressionStream("gzip"));
  const script = document.createElement("script");
  script.textContent = await new Response(stream).text();
  document.head.append(script);
}

function colours() {
  const part = (start) => [0, ...shown.structures.map(({ colour }) => parseInt(colour.slice(start, start + 2), 16))];
  const labels = ["", ...shown.structures.map(({ name }) => name)];
  return { R: part(1), G: part(3), B: part(5), I: [0, ...shown.structures.map(({ label }) => label)], labels };
}

async function makeView(name) {
  const view = new niivue.Niivue({
    isRadiologicalConvention: true, sagittalNoseLeft: true, isNearestInterpolation: true, isColorbar: false,
    backColor: [0, 0, 0, 1], fontColor: [1, 1, 1, 1], crosshairColor: [1, 1, 1, 1], crosshairWidth: 0.4, crosshairWidthUnit: "percent",
    tileMargin: 8, multiplanarLayout: niivue.MULTIPLANAR_TYPE.GRID, multiplanarShowRender: niivue.SHOW_RENDER.NEVER,
    dragAndDropEnabled: false, scrollRequiresFocus: true, loadingText: "", logLevel: "error",
  });
  await view.attachToCanvas(element(name));
  view.onLocationChange = tellPlace;
  return view;
}

function volume(name, options) {
  return niivue.NVImage.loadFromBase64({ base64: element(name).textContent, name: `${name}.nii.gz`, ...options });
}

async function volumesOf(scan, [low, high]) {
  const image = await volume(scan.image, { colormap: "gray", cal_min: low, cal_max: high });
  const labels = await volume(scan.labels, { opacity: Number(element("opacity").value) });
  labels.setColormapLabel(colours());
  return [image, labels];
}

function tellPlace() {
  if (!state.pair) return;
  const mm = views.fixed.frac2mm(views.fixed.scene.crosshairPos);
  const structure = (view) => {
    const [labels, voxel] = [view.volumes[1], view.volumes[1].mm2vox([...mm].slice(0, 3))];
    const found = shown.structures.find(({ label }) => label === labels.getValue(...voxel, 0));
    return found ? found.name : "no structure";
  };
  const place = [...mm].slice(0, 3).map((x) => x.toFixed(0).replace("-", "−")).join(", ");
  const told = NAMES.map((name) => `${name}: ${structure(views[name])}`).join("; ");
  element("place").textContent = `At the crosshair (${place} mm): ${told}.`;
}

function moveTo(mm) {
  for (const view of Object.values(views)) {
    view.scene.crosshairPos = view.mm2frac(mm);
    view.drawScene();
  }
  tellPlace();
}

async function show() {
  const { method, which, pair } = wanted();
  element("method").value = method.run;
  document.querySelector(`input[value="${which}"]`).checked = true;
  element("words").textContent = pair.words;
  const loaded = await Promise.all(NAMES.map((name) => volumesOf(pair[name], pair.window)));
  if (wanted().pair !== pair) return;
  state.pair = null;
  NAMES.forEach((name, n) => {
    element(`${name}-title`).textContent = pair[name].title;
    views[name].volumes = [];
    loaded[n].forEach((each) => views[name].addVolume(each));
  });
  state.pair = pair;
  if (state.centred !== pair.fixed.image) moveTo(pair.centre);
  state.centred = pair.fixed.image;
  tellPlace();
}

function choose() {
  const which = document.querySelector("input[name=pair]:checked").value;
  location.replace(`#${new URLSearchParams({ run: element("method").value, pair: which })}`);
}

function moveByKey(event) {
  event.stopPropagation();
  const step = STEPS[event.key];
  if (!step || event.type === "keyup") return;
  event.preventDefault();
  const view = views[event.target.id];
  view.moveCrosshairInVox(...step);
  moveTo([...view.frac2mm(view.scene.crosshairPos)].slice(0, 3));
}

function connect() {
  element("method").addEventListener("change", choose);
  document.querySelectorAll("input[name=pair]").forEach((input) => input.addEventListener("change", choose));
  element("opacity").addEventListener("input", () => {
    Object.values(views).forEach((view) => view.setOpacity(1, Number(element("opacity").value)));
  });
  element("planes").addEventListener("change", () => {
    Object.values(views).forEach((view) => view.setSliceType(Number(element("planes").value)));
  });
  for (const name of NAMES) {
    views[name].broadcastTo(NAMES.filter((other) => other !== name).map((other) => views[other]), { "2d": true, "3d": false });
    for (const type of ["keydown", "keyup"]) element(name).parentElement.addEventListener(type, moveByKey, true);
  }
  addEventListener("hashchange", () => show().catch(tellProblem));
}

function tellProblem(error) {
  element("problem").hidden = false;
  element("problem").textContent = `The scans cannot be drawn here (${error.message || error}). They need a recent browser with WebGL 2.`;
}

async function start() {
  if (!document.createElement("canvas").getContext("webgl2")) throw new Error("no WebGL 2");
  await runScript(element("niivue").textContent);
  for (const name of NAMES) views[name] = await makeView(name);
  connect();
  await show();
}

start().catch(tellProblem);
