"use strict";
// Sends images to the server one after another, ranks what comes back, and shows maps and pairs.
const page = document.documentElement.dataset;
const find = (place) => document.querySelector(place);
const status = find("#status");
const bar = find("#bar");
const waiting = [];
let judged = []; // the best first: {file, name, found, row, maps}
let asked = 0;
let answered = 0;
let stopping = new AbortController(); // of the images that are waiting
let ticks = []; // which images are compared, the latest last

const made = (tag, content = {}, ...children) => {
  const element = Object.assign(document.createElement(tag), content);
  element.append(...children);
  return element;
};
const told = (found) => {
  const label = found.predicts.split(",")[0];
  const grade = found.grade === null ? "" :
    `, grade ${found.grade} of ${found.shown.grades} (probability ${found.grade_probability.toFixed(2)})`;
  const unlike = found.outside && `. Unlike what the model has learned from: ${found.outside}`;
  return `${label} ${found.score.toFixed(3)}${grade}${unlike}`;
};
const between = (found) => found.interval_low === null ? [] : [made("span", {
  className: "below", title: "interval around the score; hmtnet info says how many labels it holds",
  textContent: `${found.interval_low.toFixed(3)} to ${found.interval_high.toFixed(3)}`,
})];
const picture = (base64) => `data:image/webp;base64,${base64}`;

// ---- asking the server

async function judge(file, maps, signal = null) {
  if (file.size > Number(page.most)) {
    throw new Error(`The file has ${(file.size / 1e6).toFixed(1)} MB, and the page takes ${page.mostWords}.`);
  }
  try {
    const answer = await fetch(`/score?maps=${maps ? 1 : 0}`, {
      method: "POST", body: file, signal,
      headers: {"Content-Type": "application/octet-stream"},
    });
    const found = await answer.json().catch(() => ({error: "The server has failed; its terminal says why."}));
    if (!answer.ok) throw new Error(found.error);
    return found;
  } catch (error) {
    if (error instanceof TypeError) throw new Error("The server does not answer, or the file cannot be read.");
    throw error;
  }
}

async function work() {
  stopping = new AbortController();
  const {signal} = stopping;
  while (waiting.length) {
    const {file, name} = waiting[0];
    tell();
    try {
      const found = await judge(file, false, signal);
      if (signal.aborted) return;
      rank({file, name, found});
    } catch (error) {
      if (signal.aborted) return;
      find("#failed ul").append(made("li", {}, made("strong", {textContent: name}), `: ${error.message}`));
      find("#failed").hidden = false;
    }
    waiting.shift();
    answered += 1;
  }
  tell();
  if (judged.length === 1 && asked === 1) detail(judged[0]);
  if (judged.length === 2 && asked === 2) judged.forEach((one) => tick(one, true));
}

function tell() {
  const busy = waiting.length > 0;
  const failed = find("#failed ul").children.length;
  const done = `${judged.length} scored${failed ? `, ${failed} not` : ""}`;
  status.textContent = busy ? `Judging ${waiting[0].name} (${answered + 1} of ${asked}) …`
    : asked ? `${done}.` : "No image yet.";
  bar.hidden = find("#stop").hidden = !busy;
  bar.max = asked;
  bar.value = answered;
  find("#clear").hidden = busy || !asked;
}

function take(files) {
  const idle = !waiting.length;
  if (idle) asked = answered = 0;
  for (const file of files) {
    waiting.push({file, name: file.inner || file.webkitRelativePath || file.name});
  }
  asked += files.length;
  if (!files.length && idle) status.textContent = "There is no image in it.";
  else if (idle) work();
}

// ---- the ranking

function rank(one) {
  const box = made("input", {type: "checkbox", ariaLabel: `Compare ${one.name}`});
  box.addEventListener("change", () => tick(one, box.checked));
  const name = made("button", {type: "button", className: "name", textContent: one.name});
  name.addEventListener("click", () => detail(one));
  const small = made("img", {src: picture(one.found.shown.thumbnail), alt: ""});
  one.row = made("tr", {},
    made("td"),
    made("th", {scope: "row"}, made("div", {className: "named"}, small, name)),
    made("td", {}, one.found.score.toFixed(3), ...between(one.found)),
    made("td", {textContent: one.found.grade ?? "–"}),
    made("td", {}, made("label", {}, box)));
  const worse = judged.findIndex((other) => other.found.unit_score < one.found.unit_score);
  const place = worse < 0 ? judged.length : worse;
  find("#ranking tbody").insertBefore(one.row, judged[place]?.row ?? null);
  judged.splice(place, 0, one);
  judged.slice(place).forEach((other, index) => {
    other.row.cells[0].textContent = place + index + 1;
  });
  const {predicts, shown: {grades}} = one.found;
  find("#means").textContent = `Best first. Score: ${predicts}.${grades ? ` Grade: 1 is worst, ${grades} is best.` : ""}`;
  find("#ranking").hidden = false;
}

// ---- one image and its maps

async function detail(one) {
  const section = find("#detail");
  for (const other of judged) other.row.removeAttribute("aria-current");
  one.row.setAttribute("aria-current", "true");
  section.querySelector("h2").textContent = one.name;
  const says = section.querySelector(".says");
  const panels = section.querySelector(".panels");
  panels.replaceChildren();
  open(section);
  if (!one.maps) {
    says.textContent = "Looking at it again, for its maps …";
    try {
      one.maps = (await judge(one.file, true)).shown;
    } catch (error) {
      says.textContent = error.message;
      return;
    }
  }
  if (section.querySelector("h2").textContent !== one.name) return; // another one was chosen
  const {found, maps} = one;
  says.textContent = `${told(found)}. ${found.width} × ${found.height} pixels, of which the model ` +
    `looked at ${Math.round(100 * found.seen)} %.`;
  panels.append(figure(picture(maps.picture), "image", ""));
  for (const map of maps.maps) panels.append(figure(picture(map.picture), map.title, map.hint, map.scale));
  for (const bars of maps.levels) panels.append(levels(bars));
}

function figure(source, title, hint, scale) {
  const caption = made("figcaption", {}, ...(scale ? [legend(scale)] : []),
    made("strong", {textContent: title}), hint ? `: ${hint}` : "");
  return made("figure", {}, made("img", {src: source, alt: title}), caption);
}

function legend(scale) {
  const coloured = (className, background) => {
    const mark = made("span", {className});
    mark.style.background = background;
    return mark;
  };
  if (scale.steps) {
    const steps = scale.colours.flatMap((colour, index) => [coloured("chip", colour), `${scale.labels[index]} `]);
    return made("span", {className: "scale"}, ...steps);
  }
  const strip = coloured("strip", `linear-gradient(to right, ${scale.colours.join(",")})`);
  return made("span", {className: "scale"}, `${scale.labels[0]} `, strip, ` ${scale.labels.at(-1)}`);
}

function levels(bars) {
  const cells = (tag, texts) => made("tr", {}, ...texts.map(
    (text, index) => made(index ? tag : "th", {textContent: text})));
  const last = bars.shares.length - 1;
  const rows = bars.shares.map((shares, level) => cells("td", [
    `level ${level + 1}${level === 0 ? " (fine)" : level === last ? " (coarse)" : ""}`,
    ...shares.map((share) => `${Math.round(100 * share)} %`)]));
  return made("figure", {},
    made("table", {}, made("thead", {}, cells("th", ["", ...bars.names])), made("tbody", {}, ...rows)),
    made("figcaption", {}, made("strong", {textContent: bars.title}), `: ${bars.hint}`));
}

// ---- two images behind a slider

function tick(one, chosen) {
  ticks = ticks.filter((other) => other !== one);
  if (chosen) ticks.push(one);
  if (ticks.length > 2) ticks.shift(); // a third one is not refused: the oldest gives way
  for (const other of judged) other.row.querySelector("input").checked = ticks.includes(other);
  const section = find("#pair");
  if (ticks.length < 2) {
    section.hidden = true;
    return;
  }
  const [left, right] = ticks;
  shown(section.querySelector(".over"), left);
  shown(section.querySelector(".under"), right);
  section.querySelector(".left").textContent = `left: ${left.name}, ${told(left.found)}`;
  section.querySelector(".right").textContent = `right: ${right.name}, ${told(right.found)}`;
  slide();
  open(section);
}

// The browser shows the file itself; of a format that it does not know, the server's small picture.
function shown(image, one) {
  image.alt = one.name;
  image.onerror = async () => {
    image.onerror = null;
    try {
      one.maps ??= (await judge(one.file, true)).shown;
      image.src = picture(one.maps.picture);
    } catch (error) {
      status.textContent = error.message;
    }
  };
  if (image.src.startsWith("blob:")) URL.revokeObjectURL(image.src);
  image.src = URL.createObjectURL(one.file);
}

function slide() {
  const share = find("#share").value;
  find(".slider").style.setProperty("--share", `${share}%`);
  find(".slider .over").style.clipPath = `inset(0 ${100 - share}% 0 0)`;
}

// ---- sections, buttons, drops

function open(section) {
  section.hidden = false;
  section.querySelector("h2").focus({preventScroll: true});
  section.scrollIntoView();
}

for (const button of document.querySelectorAll(".close")) {
  button.addEventListener("click", () => {
    const section = button.closest("section");
    section.hidden = true;
    if (section.id === "pair") ticks.forEach((one) => tick(one, false));
    (find("tr[aria-current] button") ?? find("#ranking button"))?.focus();
  });
}
find("#share").addEventListener("input", slide);
find("#actual").addEventListener("change", (event) => {
  find(".stage").classList.toggle("actual", event.target.checked);
});
find("#stop").addEventListener("click", () => {
  waiting.length = 0;
  stopping.abort();
  tell();
});
find("#clear").addEventListener("click", () => {
  judged = [];
  ticks = [];
  asked = answered = 0;
  find("#ranking tbody").replaceChildren();
  find("#failed ul").replaceChildren();
  for (const section of document.querySelectorAll("section")) section.hidden = true;
  tell();
  find("#choose-images").focus();
});
for (const [button, input] of [["#choose-images", "#images"], ["#choose-folder", "#folder"]]) {
  find(button).addEventListener("click", () => find(input).click());
  find(input).addEventListener("change", ({target}) => {
    const files = [...target.files];
    take(input === "#folder" ? files.filter((file) => isImage(file.webkitRelativePath)) : files);
    target.value = "";
  });
}

// As hmtnet score takes them of a folder: by their suffix, none that is hidden.
const isImage = (path) => page.suffixes.split(" ").some((end) => path.toLowerCase().endsWith(end)) &&
  !path.split("/").some((part) => part.startsWith("."));

const drop = find("#drop");
for (const name of ["dragover", "dragleave", "drop"]) {
  // Anywhere on the page: a browser would open what is dropped beside the field.
  addEventListener(name, (event) => {
    event.preventDefault();
    drop.classList.toggle("over", name === "dragover");
  });
}
addEventListener("drop", async (event) => {
  const entries = [...event.dataTransfer.items].map((item) => item.webkitGetAsEntry()).filter(Boolean);
  const files = await Promise.all(entries.map((entry) => filesOf(entry, true)));
  take(files.flat());
});

async function filesOf(entry, named) {
  if (entry.isFile) {
    if (!named && !isImage(entry.fullPath)) return [];
    const file = await new Promise((found, failed) => entry.file(found, failed));
    file.inner = entry.fullPath.slice(1);
    return [file];
  }
  const reader = entry.createReader();
  const found = [];
  for (;;) { // a reader gives a hundred at a time
    const some = await new Promise((read, failed) => reader.readEntries(read, failed));
    if (!some.length) break;
    found.push(...some);
  }
  const inner = await Promise.all(found.map((one) => filesOf(one, false)));
  return inner.flat();
}
