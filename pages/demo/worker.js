// Runs models off the page's thread. A message { id, task, model, gpu, … } is answered by messages
// { id, kind }: load, progress, step, done or error.
import { find, translate } from "./translate.js";

const KEPT = 2; // sessions in memory: a model that translates and a mask predictor
const sessions = new Map();
const runtimes = {};

async function runtime(gpu) {
  const kind = gpu ? "webgpu" : "wasm";
  if (!runtimes[kind]) {
    const ort = await import(`./ort/ort.${kind}.min.mjs`);
    ort.env.logLevel = "error";
    ort.env.wasm.wasmPaths = new URL("./ort/", self.location.href).href;
    ort.env.wasm.numThreads = self.crossOriginIsolated ? Math.min(navigator.hardwareConcurrency || 1, 8) : 1;
    runtimes[kind] = ort;
  }
  return runtimes[kind];
}

async function session(model, gpu, answer) {
  const key = `${model.file} ${gpu ? "webgpu" : "wasm"}`;
  if (!sessions.has(key)) {
    const bytes = await fetched(model, (done) => answer({ kind: "load", done, total: model.bytes }));
    const ort = await runtime(gpu);
    const made = await ort.InferenceSession.create(bytes, { executionProviders: [gpu ? "webgpu" : "wasm"] });
    for (const old of [...sessions.keys()].slice(0, sessions.size - KEPT + 1)) {
      const gone = sessions.get(old);
      sessions.delete(old);
      await gone.release();
    }
    sessions.set(key, made);
  }
  return sessions.get(key);
}

async function fetched(model, report) {
  const answer = await fetch(model.file);
  if (!answer.ok) throw new Error(`the server says ${answer.status}`);
  const bytes = new Uint8Array(model.bytes), reader = answer.body.getReader();
  let done = 0;
  for (;;) {
    const part = await reader.read();
    if (part.done) break;
    if (done + part.value.length > bytes.length) throw new Error("it is longer than models.json says");
    bytes.set(part.value, done);
    done += part.value.length;
    report(done);
  }
  if (done < bytes.length) throw new Error("it is shorter than models.json says");
  return bytes;
}

// A session as a function of plain arrays.
function caller(own, ort) {
  return async (feeds) => {
    const tensor = ({ data, dims, type = "float32" }) => new ort.Tensor(type, data, dims);
    return own.run(Object.fromEntries(Object.entries(feeds).map(([name, one]) => [name, tensor(one)])));
  };
}

const TASKS = {
  async translate(call, message, answer) {
    const steps = (made) => answer({ kind: "step", ...made });
    await translate(message.model, call, message, (now) => answer({ kind: "progress", ...now }), steps);
    return {};
  },
  async find(call, message) {
    return { masks: await find(message.model, call, message.picture) };
  },
};

async function work(message, answer) {
  let call;
  try {
    call = caller(await session(message.model, message.gpu, answer), await runtime(message.gpu));
  } catch (error) {
    answer({ kind: "error", text: loadingFailed(message, error) });
    return;
  }
  try {
    const found = await TASKS[message.task](call, message, answer);
    answer({ kind: "done", threads: (await runtime(message.gpu)).env.wasm.numThreads, ...found });
  } catch (error) {
    answer({ kind: "error", text: runningFailed(message, error), broken: true });
  }
}

const NO_MEMORY = /memory|alloc|out of bounds|array length/i;
const reason = (error) => String(error?.message ?? error).split("\n")[0].slice(0, 200);

function loadingFailed({ model }, error) {
  const megabytes = Math.ceil(model.bytes / 1e6);
  if (NO_MEMORY.test(reason(error))) return `Not enough memory for this model of ${megabytes} MB: close other tabs.`;
  return `${model.file} cannot be loaded (${reason(error)}): reload the page, or build it again.`;
}

function runningFailed({ picture }, error) {
  const size = `${picture.width} × ${picture.height} pixels`;
  // What WebAssembly throws without words is a number; there is no memory left then as well.
  if (typeof error === "number" || NO_MEMORY.test(reason(error))) {
    return `Not enough memory for ${size}: choose a smaller size.`;
  }
  return `The model cannot be run at ${size} (${reason(error)}): choose another size.`;
}

let last = Promise.resolve(); // one task after the other
self.onmessage = ({ data }) => {
  last = last.then(() => work(data, (answer) => self.postMessage({ id: data.id, ...answer })));
};
