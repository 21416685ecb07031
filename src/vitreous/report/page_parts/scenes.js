// The scene browser: the picture, the truth and every run's slots, side by side and linked.
"use strict";
(() => {
  const browser = document.getElementById("browser");
  if (!browser) return;
  const data = JSON.parse(document.getElementById("scene-data").textContent);
  const status = document.getElementById("status");
  const find = (name) => browser.querySelector(`[data-is="${name}"]`);
  const strip = find("strip"), panels = find("panels"), slider = find("frame"), play = find("play");
  const UNDECIDED = 255, SMALL = 0.004; // share below which a region gets no number
  const calm = matchMedia("(prefers-reduced-motion: reduce)");

  const state = {
    scene: 0, frame: 0, follow: null, timer: null,
    opacity: 0.55, borders: true, numbers: true, view: "slots", colours: "object", press: "toggle",
    runs: new Set(data.runs.keys()),
  };
  let open = null; // the scene that is shown, unpacked: layers, pictures, panels

  // -- small helpers ---------------------------------------------------------------------------------------------

  function make(tag, attributes = {}, ...children) {
    const element = document.createElement(tag);
    for (const [name, value] of Object.entries(attributes)) {
      if (name === "text") element.textContent = value;
      else if (name.startsWith("on")) element.addEventListener(name.slice(2), value);
      else if (value !== null) element.setAttribute(name, value);
    }
    element.append(...children);
    return element;
  }

  const percent = (share) => share > 0 && share < 0.01 ? "< 1 %" : `${Math.round(100 * share)} %`;
  const rgb = (hex) => [1, 3, 5].map((i) => parseInt(hex.slice(i, i + 2), 16));
  const say = (text) => { status.textContent = text; };

  async function unpack(text) {
    const packed = Uint8Array.from(atob(text), (letter) => letter.charCodeAt(0));
    const stream = new Blob([packed]).stream().pipeThrough(new DecompressionStream("deflate"));
    return new Uint8Array(await new Response(stream).arrayBuffer());
  }

  // layer -> frame -> labels; a frame is stored as what changed since the one before
  async function unpackLayers(scene) {
    const all = await unpack(scene.labels);
    const pixels = scene.size[0] * scene.size[1], frames = scene.frames.length, layers = [];
    for (let start = 0; start < all.length; start += pixels * frames) {
      const layer = [];
      for (let t = 0; t < frames; t++) {
        const now = all.subarray(start + t * pixels, start + (t + 1) * pixels);
        if (t) for (let i = 0; i < pixels; i++) now[i] ^= layer[t - 1][i];
        layer.push(now);
      }
      layers.push(layer);
    }
    return layers;
  }

  async function decode(source) {
    const image = new Image();
    image.src = source;
    await image.decode();
    return image;
  }

  function count(labels) {
    const counts = new Float64Array(256);
    for (const label of labels) counts[label]++;
    return counts.map((c) => c / labels.length);
  }

  // -- colours: the same for a true object and the slot that shows it --------------------------------------------

  function objectColour(label) {
    return label === 0 ? data.grey : data.palette[(label - 1) % data.palette.length];
  }

  function colours(panel) {
    const found = new Array(256).fill("#ffffff");
    let spare = (open.scene.truth ?? []).length;
    for (let label = 0; label < UNDECIDED; label++) {
      const match = panel.kind === "truth" ? label : panel.match[label] ?? -1;
      if (state.colours === "slot" && panel.kind === "run") found[label] = data.palette[label % data.palette.length];
      else if (match >= 0) found[label] = objectColour(match);
      else if (panel.shares[label] > 0) found[label] = objectColour(++spare);
    }
    return found;
  }

  // -- panels ----------------------------------------------------------------------------------------------------

  function layersOf(scene) {
    const found = [{ kind: "picture", name: "picture", match: [] }];
    let layer = 0;
    if (scene.truth) found.push({ kind: "truth", name: "truth", match: [], layer: layer++ });
    scene.runs.forEach((run, number) => {
      found.push({ kind: "run", name: data.runs[number], match: run.match, scores: run.scores, number, layer: layer++ });
    });
    return found;
  }

  function called(panel, label) {
    if (label === UNDECIDED) return panel.kind === "truth" ? "not scored" : "undecided";
    if (panel.kind === "truth") return open.scene.truth[label];
    const match = panel.match[label] ?? -1;
    return `slot ${label}` + (match < 0 ? "" : `, shows ${open.scene.truth[match]}`);
  }

  function build(panel) {
    const scale = Math.max(1, Math.ceil(512 / Math.max(...open.scene.size)));
    const [height, width] = open.scene.size;
    panel.hidden = new Set();
    panel.shares = new Float64Array(256);
    panel.canvas = make("canvas", { role: "img", width: width * scale, height: height * scale });
    panel.line = make("p", { class: "scores" });
    const head = make("figcaption", {}, make("span", { class: "name", text: panel.name, title: panel.name }));
    panel.figure = make("figure", { class: `panel ${panel.kind}` }, head, panel.canvas, panel.line);
    if (panel.kind === "picture") return;
    for (const frame of open.layers[panel.layer]) {
      count(frame).forEach((share, label) => { panel.shares[label] += share / open.scene.frames.length; });
    }
    panel.canvas.addEventListener("click", (event) => {
      const box = panel.canvas.getBoundingClientRect();
      const x = Math.floor((event.clientX - box.left) / box.width * width);
      const y = Math.floor((event.clientY - box.top) / box.height * height);
      press(panel, open.layers[panel.layer][state.frame][y * width + x]);
    });
    panel.chips = new Map();
    const there = [...panel.shares.keys()].filter((label) => panel.shares[label] > 0);
    there.sort((a, b) => panel.shares[b] - panel.shares[a]);
    const list = make("ul", { class: "chips", "aria-label": panel.kind === "truth" ? "true objects" : "slots" });
    for (const label of there) {
      const chip = {
        swatch: make("span", { class: "swatch", "aria-hidden": "true" }),
        share: make("span", { class: "share" }),
      };
      const match = panel.match[label] ?? -1;
      const what = make("span", { class: "what" }, make("b", { text: label === UNDECIDED ? "–" : label }));
      if (panel.kind === "truth" || label === UNDECIDED) what.append(` ${called(panel, label)}`);
      else if (match >= 0) what.append(` → ${match}`);
      chip.button = make(
        "button", { type: "button", "aria-pressed": "true", onclick: () => press(panel, label) },
        chip.swatch, what, chip.share,
      );
      panel.chips.set(label, chip);
      list.append(make("li", {}, chip.button));
    }
    panel.figure.append(list);
  }

  // -- drawing ---------------------------------------------------------------------------------------------------

  function colourLayer(panel, labels, keep) {
    const [height, width] = open.scene.size;
    const image = new ImageData(width, height), pixels = image.data;
    const shown = colours(panel).map(rgb), alpha = Math.round(255 * state.opacity);
    const errors = state.view === "errors" && panel.kind === "run" && open.scene.truth;
    const truth = open.scene.truth ? open.layers[0][state.frame] : null;
    for (let i = 0; i < labels.length; i++) {
      const label = labels[i], at = 4 * i;
      if (errors) {
        const wrong = truth[i] !== UNDECIDED && (panel.match[label] ?? -1) !== truth[i];
        const stripe = (i % width + Math.floor(i / width)) % 6 < 3; // hatched: not told by colour alone
        if (wrong) pixels.set([213, 94, 0, stripe ? 255 : alpha], at);
      } else if (keep !== null && label !== keep) pixels.set([10, 12, 14, 175], at);
      else if (!panel.hidden.has(label)) pixels.set([...shown[label], alpha], at);
    }
    return image;
  }

  function drawBorders(context, labels, scale) {
    const [height, width] = open.scene.size;
    context.beginPath();
    for (let y = 0; y < height; y++) for (let x = 0; x < width; x++) {
      const i = y * width + x;
      if (x && labels[i] !== labels[i - 1]) { context.moveTo(x * scale, y * scale); context.lineTo(x * scale, (y + 1) * scale); }
      if (y && labels[i] !== labels[i - width]) { context.moveTo(x * scale, y * scale); context.lineTo((x + 1) * scale, y * scale); }
    }
    context.lineWidth = 3;
    context.strokeStyle = "rgb(255 255 255 / 0.9)";
    context.stroke();
  }

  // the region's own pixel that is nearest to its centre of mass, so that a ring has its number on it
  function anchors(labels) {
    const width = open.scene.size[1], sums = new Map();
    labels.forEach((label, i) => {
      const sum = sums.get(label) ?? { x: 0, y: 0, n: 0, best: Infinity, at: i };
      sum.x += i % width; sum.y += Math.floor(i / width); sum.n++;
      sums.set(label, sum);
    });
    labels.forEach((label, i) => {
      const sum = sums.get(label);
      const far = (i % width - sum.x / sum.n) ** 2 + (Math.floor(i / width) - sum.y / sum.n) ** 2;
      if (far < sum.best) { sum.best = far; sum.at = i; }
    });
    return sums;
  }

  function drawNumbers(context, panel, labels, scale, keep) {
    const width = open.scene.size[1];
    context.font = "600 24px system-ui, sans-serif";
    context.textAlign = "center";
    context.textBaseline = "middle";
    context.lineWidth = 5;
    context.lineJoin = "round";
    for (const [label, { n, at }] of anchors(labels)) {
      if (label === UNDECIDED || n / labels.length < SMALL || panel.hidden.has(label)) continue;
      if (keep !== null && keep !== label) continue;
      const x = (at % width + 0.5) * scale, y = (Math.floor(at / width) + 0.5) * scale;
      context.strokeStyle = "rgb(0 0 0 / 0.75)";
      context.strokeText(String(label), x, y);
      context.fillStyle = "#fff";
      context.fillText(String(label), x, y);
    }
  }

  function draw(panel) {
    const context = panel.canvas.getContext("2d"), { width, height } = panel.canvas;
    context.imageSmoothingEnabled = true;
    context.imageSmoothingQuality = "high";
    context.drawImage(open.pictures[state.frame], 0, 0, width, height);
    if (panel.kind === "picture") {
      panel.canvas.setAttribute("aria-label", `Picture of scene ${open.scene.key}`);
      return;
    }
    const labels = open.layers[panel.layer][state.frame], scale = width / open.scene.size[1];
    const keep = kept(panel);
    const [h, w] = open.scene.size, small = new OffscreenCanvas(w, h);
    small.getContext("2d").putImageData(colourLayer(panel, labels, keep), 0, 0);
    context.imageSmoothingEnabled = false;
    context.drawImage(small, 0, 0, width, height);
    if (state.borders) drawBorders(context, labels, scale);
    if (state.numbers) drawNumbers(context, panel, labels, scale, keep);
    describe(panel, count(labels));
  }

  function describe(panel, shares) {
    const shown = colours(panel);
    for (const [label, chip] of panel.chips) {
      const visible = !panel.hidden.has(label);
      chip.swatch.style.setProperty("--colour", shown[label]);
      chip.share.textContent = percent(shares[label]);
      chip.button.setAttribute("aria-pressed", String(visible));
      chip.button.classList.toggle("followed", kept(panel) === label);
      const text = `${called(panel, label)}, ${percent(shares[label])} of the picture`;
      chip.button.setAttribute("aria-label", text);
      chip.button.title = text;
    }
    const parts = [];
    for (const [metric, values] of Object.entries(panel.scores ?? {})) {
      const value = values.length > 1 ? values[state.frame] : values[0];
      parts.push(make("span", {}, make("b", { text: value === null ? "–" : value.toFixed(3) }), ` ${data.names[metric] ?? metric}`));
    }
    const partner = panel.partner ? make("span", { class: "partner", text: panel.partner }) : "";
    panel.line.replaceChildren(...parts, partner);
    const largest = shares.indexOf(Math.max(...shares));
    const what = panel.kind === "truth" ? "True objects" : `Slots of run ${panel.name}`;
    panel.canvas.setAttribute("aria-label",
      `${what} over scene ${open.scene.key}: ${panel.chips.size} regions, ${panel.hidden.size} hidden; ` +
      `the largest is ${called(panel, largest)} with ${percent(shares[largest])}. ${panel.line.textContent}`);
  }

  const visible = () => open.panels.filter((p) => p.kind !== "run" || state.runs.has(p.number));

  function drawAll() {
    if (!open) return;
    linkUp();
    visible().forEach(draw);
    const frames = open.scene.frames, text = `frame ${frames[state.frame]} (${state.frame + 1} of ${frames.length})`;
    slider.value = state.frame;
    slider.setAttribute("aria-valuetext", text);
    find("frame-text").textContent = text;
  }

  // -- following a region over all runs --------------------------------------------------------------------------

  function iou(a, label, b) {
    const both = new Float64Array(256), area = new Float64Array(256);
    let own = 0;
    for (let i = 0; i < a.length; i++) {
      area[b[i]]++;
      if (a[i] === label) { own++; both[b[i]]++; }
    }
    let best = -1, value = 0;
    for (let other = 0; other < UNDECIDED; other++) {
      const share = both[other] / (own + area[other] - both[other] || 1);
      if (share > value) { value = share; best = other; }
    }
    return [best, value];
  }

  function linkUp() {
    for (const panel of open.panels) {
      panel.partner = "";
      panel.partnerLabel = null;
      if (!state.follow || panel.kind === "picture") continue;
      const source = open.panels.find((p) => p.name === state.follow.name && p.kind === state.follow.kind);
      if (panel === source) {
        panel.partnerLabel = state.follow.label;
        panel.partner = "followed";
        continue;
      }
      const [label, value] = iou(
        open.layers[source.layer][state.frame], state.follow.label, open.layers[panel.layer][state.frame]);
      panel.partnerLabel = label < 0 ? UNDECIDED : label;
      panel.partner = label < 0 ? "nothing there" : `${panel.kind === "run" ? "slot" : "object"} ${label}, IoU ${value.toFixed(2)}`;
    }
  }

  const kept = (panel) => state.follow ? panel.partnerLabel : null;

  function press(panel, label) {
    if (!panel.chips.has(label)) return;
    if (state.press === "follow") {
      const again = state.follow && state.follow.name === panel.name && state.follow.label === label;
      state.follow = again ? null : { name: panel.name, kind: panel.kind, label };
      drawAll();
      say(again ? "Nothing is followed." : `${called(panel, label)} of ${panel.name} is followed. ` +
        visible().filter((p) => p.chips && p !== panel).map((p) => `${p.name}: ${p.partner}`).join("; "));
      return;
    }
    const hide = !panel.hidden.has(label);
    if (hide) panel.hidden.add(label); else panel.hidden.delete(label);
    draw(panel);
    say(`${called(panel, label)} of ${panel.name} is ${hide ? "hidden" : "shown"}.`);
  }

  // -- scenes and frames -----------------------------------------------------------------------------------------

  function mean(scene, metric) {
    const all = scene.runs.flatMap((run) => run.scores[metric] ?? []).filter((value) => value !== null);
    return all.length ? all.reduce((a, b) => a + b) / all.length : NaN;
  }

  function buildStrip() {
    const metric = data.metrics[0], order = [];
    for (const why of [...new Set(data.scenes.map((scene) => scene.why))]) {
      const group = make("div", { class: "group", role: "group", "aria-label": why });
      const row = make("div", { class: "thumbs" });
      data.scenes.forEach((scene, number) => {
        if (scene.why !== why) return;
        const value = mean(scene, metric), text = Number.isNaN(value) ? "" : value.toFixed(2);
        const name = data.names[metric] ?? metric;
        scene.button = make(
          "button",
          { type: "button", class: "thumb", tabindex: "-1", title: scene.key, onclick: () => show(number),
            "aria-label": `${scene.key}, ${why}, mean ${name} ${text}` + (scene.frames.length > 1 ? ", clip" : "") },
          make("img", { src: scene.pictures[0], alt: "", width: 64, height: 64 }),
          make("span", { text: (scene.frames.length > 1 ? "▸ " : "") + text }),
        );
        row.append(scene.button);
        order.push(number);
      });
      group.append(make("h3", { text: why }), row);
      strip.append(group);
    }
    strip.addEventListener("keydown", (event) => {
      const at = order.indexOf(state.scene);
      const to = { ArrowRight: at + 1, ArrowLeft: at - 1, Home: 0, End: order.length - 1 }[event.key];
      if (to === undefined || !(to in order)) return;
      event.preventDefault();
      show(order[to]);
      data.scenes[order[to]].button.focus();
    });
    return order;
  }

  async function show(number) {
    stop();
    state.scene = number;
    const scene = data.scenes[number];
    for (const other of data.scenes) {
      other.button.tabIndex = other === scene ? 0 : -1;
      other.button.setAttribute("aria-current", other === scene ? "true" : "false");
    }
    const [layers, pictures] = await Promise.all([unpackLayers(scene), Promise.all(scene.pictures.map(decode))]);
    if (state.scene !== number) return; // another one was asked for meanwhile
    state.frame = 0;
    state.follow = null;
    open = { scene, layers, pictures, panels: layersOf(scene) };
    open.panels.forEach(build);
    arrange();
    find("title").textContent = `${scene.key} – ${scene.why}`;
    find("clip").hidden = scene.frames.length < 2;
    slider.max = scene.frames.length - 1;
    drawAll();
    browser.dataset.shown = number;
    say(`Scene ${scene.key} is shown.`);
  }

  function arrange() {
    panels.replaceChildren(...visible().map((panel) => panel.figure));
  }

  function stop() {
    clearInterval(state.timer);
    state.timer = null;
    play.setAttribute("aria-pressed", "false");
    play.textContent = "Play";
  }

  play.addEventListener("click", () => {
    if (state.timer) return stop();
    play.setAttribute("aria-pressed", "true");
    play.textContent = "Pause";
    state.timer = setInterval(() => {
      state.frame = (state.frame + 1) % open.scene.frames.length;
      drawAll();
    }, calm.matches ? 500 : 125);
  });
  slider.addEventListener("input", () => { stop(); state.frame = Number(slider.value); drawAll(); });
  find("opacity").addEventListener("input", (event) => {
    state.opacity = Number(event.target.value) / 100;
    find("opacity-text").textContent = `${event.target.value} %`;
    drawAll();
  });
  for (const name of ["borders", "numbers"]) {
    find(name).addEventListener("change", (event) => { state[name] = event.target.checked; drawAll(); });
  }
  for (const name of ["view", "colours", "press"]) {
    for (const choice of browser.querySelectorAll(`input[name=${name}]`)) {
      choice.addEventListener("change", () => {
        state[name] = choice.value;
        if (name === "press" && choice.value === "toggle") state.follow = null;
        drawAll();
      });
    }
  }
  find("reset").addEventListener("click", () => {
    state.follow = null;
    open?.panels.forEach((panel) => panel.hidden.clear());
    drawAll();
    say("All slots are shown.");
  });
  browser.addEventListener("keydown", (event) => {
    if (event.key === "Escape" && state.follow) { state.follow = null; drawAll(); say("Nothing is followed."); }
  });
  data.runs.forEach((name, number) => {
    if (data.runs.length < 2) return;
    const button = make("button", { type: "button", "aria-pressed": "true", text: name, onclick: () => {
      if (!state.runs.delete(number)) state.runs.add(number);
      button.setAttribute("aria-pressed", String(state.runs.has(number)));
      arrange();
      drawAll();
    } });
    find("runs").append(make("li", {}, button));
  });
  find("runs-row").hidden = data.runs.length < 2;

  if (typeof DecompressionStream === "undefined" || typeof OffscreenCanvas === "undefined") {
    find("sorry").hidden = false; // Chrome and Edge 80, Firefox 113, Safari 16.4 and later have both
    return;
  }
  find("all").hidden = false;
  show(buildStrip()[0]);
})();
