// Records strokes on a 64 x 64 grid and shows them; the picture itself is made from them in canvas.py.
const LETTERS = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
const SIDE = LETTERS.length;

const written = (strokes) =>
  strokes.map((points) => points.map(([x, y]) => LETTERS[x] + LETTERS[y]).join("")).join(".");

const read = (text) =>
  text.split(".").filter(Boolean).map((stroke) => stroke.match(/../g).map((pair) => [...pair].map((c) => LETTERS.indexOf(c))));

export default function ({ data, parentElement, setStateValue }) {
  const canvas = parentElement.querySelector("canvas");
  const pen = canvas.getContext("2d");
  const [undo, clear] = parentElement.querySelectorAll("button");
  const scale = canvas.width / SIDE;
  let strokes = read(data.strokes);
  let pointer = null;

  const paint = () => {
    pen.fillStyle = "#000";
    pen.fillRect(0, 0, canvas.width, canvas.height);
    pen.strokeStyle = "#fff";
    pen.lineCap = pen.lineJoin = "round";
    pen.lineWidth = data.brush * scale;
    for (const points of strokes) {
      pen.beginPath();
      for (const [x, y] of [points[0], ...points]) pen.lineTo((x + 0.5) * scale, (y + 0.5) * scale);
      pen.stroke();
    }
    undo.disabled = clear.disabled = strokes.length === 0;
  };
  const tell = () => {
    paint();
    setStateValue("strokes", written(strokes));
  };
  const cell = (event) => {
    const box = canvas.getBoundingClientRect();
    const place = (at, start, length) => Math.min(SIDE - 1, Math.max(0, Math.floor(((at - start) / length) * SIDE)));
    return [place(event.clientX, box.left, box.width), place(event.clientY, box.top, box.height)];
  };

  canvas.onpointerdown = (event) => {
    if (pointer !== null || event.button !== 0) return;
    pointer = event.pointerId;
    canvas.setPointerCapture(pointer);
    strokes.push([cell(event)]);
    paint();
  };
  canvas.onpointermove = (event) => {
    if (event.pointerId !== pointer) return;
    const points = strokes.at(-1);
    for (const moved of event.getCoalescedEvents?.() ?? [event]) {
      const [x, y] = cell(moved);
      const [lastX, lastY] = points.at(-1);
      if (Math.max(Math.abs(x - lastX), Math.abs(y - lastY)) > 1) points.push([x, y]); // nearer points change nothing
    }
    paint();
  };
  canvas.onpointerup = canvas.onpointercancel = (event) => {
    if (event.pointerId !== pointer) return;
    pointer = null;
    tell();
  };
  undo.onclick = () => {
    strokes.pop();
    tell();
  };
  clear.onclick = () => {
    strokes = [];
    tell();
  };
  paint();
}
