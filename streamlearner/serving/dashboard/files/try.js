/* A picture that is dropped, or numbers, and what the model says of it. */
import { act } from "./api.js";
import { $, bars, known, named, percent, show } from "./format.js";
import { picture } from "./inputs.js";

const MOST_ANSWERS = 6;

/* of the stream, not of what is remembered: with an eye that is features */
let inputShape = null;
export const status = ({ input }) => (inputShape = input ? input.shape : null);

/* the picture in the shape that the stream has */
async function fitted(file, [height, width, channels = 1]) {
  const bitmap = await createImageBitmap(file, {
    resizeWidth: width,
    resizeHeight: height,
    resizeQuality: "high",
  });
  const context = new OffscreenCanvas(width, height).getContext("2d");
  context.drawImage(bitmap, 0, 0);
  const { data } = context.getImageData(0, 0, width, height),
    values = new Uint8Array(height * width * channels);
  for (let i = 0; i < width * height; i++) {
    const [r, g, b] = data.subarray(4 * i, 4 * i + 3);
    if (channels === 3) values.set([r, g, b], 3 * i);
    else values.fill(Math.round(0.299 * r + 0.587 * g + 0.114 * b), channels * i, channels * (i + 1));
  }
  return { shape: [height, width, channels], values };
}

const asInput = ({ shape, values }) => ({
  b64: btoa(Array.from(values, (byte) => String.fromCharCode(byte)).join("")),
  shape,
  dtype: "uint8",
});

async function predict(input, said) {
  const answer = await act("/v1/predict", {
    role: "predict",
    body: { inputs: [input], return: ["probabilities"] },
  });
  if (answer === null) return;
  const [{ label, probability, probabilities, route }] = answer.predictions;
  const several = label !== null && typeof label === "object",
    flat = several
      ? Object.entries(probabilities || {}).flatMap(([factor, all]) =>
          Object.entries(all).map(([name, share]) => [factor + "=" + name, share]),
        )
      : Object.entries(probabilities || {});
  show(
    "tried",
    said +
      named(label) +
      (known(probability) ? " (" + percent(probability) + ")" : "") +
      ", by version " +
      answer.model_version +
      ", " +
      route,
  );
  bars(
    $("answers"),
    flat
      .sort((a, b) => b[1] - a[1])
      .slice(0, MOST_ANSWERS)
      .map(([name, share]) => ({ name, share, text: percent(share) })),
  );
}

async function tried(work) {
  $("tried").dataset.state = "";
  $("seen").replaceChildren();
  $("answers").replaceChildren();
  try {
    await work();
  } catch (error) {
    $("tried").dataset.state = "bad";
    show("tried", error.message);
  }
}

const dropped = (file) =>
  tried(async () => {
    if (!inputShape) throw new Error("Nothing was learned yet: of which size pictures are is not known.");
    if (inputShape.length === 1)
      throw new Error("This stream is of feature vectors: give " + inputShape[0] + " numbers.");
    const one = await fitted(file, inputShape);
    $("seen").replaceChildren(picture(one, { side: 140 }));
    await predict(asInput(one), "Seen as on the left (" + inputShape.join(" × ") + "): ");
  });

$("file").addEventListener("change", ({ target }) => target.files.length && dropped(target.files[0]));
$("numbers").addEventListener("submit", (event) => {
  event.preventDefault();
  tried(() =>
    predict(
      JSON.parse(
        "[" +
          $("vector")
            .value.trim()
            .replace(/^\[|\]$/g, "") +
          "]",
      ),
      "Answer: ",
    ),
  );
});
for (const kind of ["dragover", "dragleave", "drop"]) {
  $("drop").addEventListener(kind, (event) => {
    event.preventDefault();
    $("drop").classList.toggle("over", kind === "dragover");
    if (kind === "drop" && event.dataTransfer.files.length) dropped(event.dataTransfer.files[0]);
  });
}
