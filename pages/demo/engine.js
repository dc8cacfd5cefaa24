// The worker, from the page's side: tasks as promises, one that hangs or breaks is replaced.

export class Engine {
  constructor() {
    this.number = 0;
    this.waiting = new Map();
    this.worker = null;
  }

  // Gives { steps, masks, threads }; rejects with an Error whose text is for the reader. report gets
  // what comes before: load, progress and step messages.
  run(task, message, report = () => {}) {
    const id = ++this.number;
    return new Promise((resolve, reject) => {
      this.waiting.set(id, { resolve, reject, report, steps: [] });
      this.started().postMessage({ id, task, ...message });
    });
  }

  started() {
    if (!this.worker) {
      this.worker = new Worker("worker.js", { type: "module" });
      this.worker.onmessage = ({ data }) => this.answered(data);
      this.worker.onerror = (event) => {
        event.preventDefault();
        const reason = event.message || "worker.js is not there";
        this.end(new Error(`The page's worker cannot run (${reason}): reload the page.`));
      };
    }
    return this.worker;
  }

  answered({ id, kind, ...rest }) {
    const task = this.waiting.get(id);
    if (!task) return;
    if (kind === "step") task.steps.push(rest);
    if (kind === "done" || kind === "error") this.waiting.delete(id);
    if (kind === "done") task.resolve({ steps: task.steps, ...rest });
    else if (kind === "error") task.reject(new Error(rest.text));
    else task.report(kind, rest);
    if (rest.broken) this.end(new Error(rest.text)); // its memory may be spoilt
  }

  // Stops whatever runs. The next task starts a fresh worker, which loads its model again.
  end(error) {
    this.worker?.terminate();
    this.worker = null;
    for (const task of this.waiting.values()) task.reject(error);
    this.waiting.clear();
  }
}
