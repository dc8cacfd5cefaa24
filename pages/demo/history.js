// Changes that can be undone: a function that makes a change, one that takes it back, and how many
// bytes the two hold. The oldest are forgotten, but never the last one.

const MOST = 100; // changes that are kept
const MOST_BYTES = 256e6;

export class History {
  constructor(changed) {
    this.changed = changed;
    this.done = [];
    this.undone = [];
  }

  clear() {
    this.done = [];
    this.undone = [];
    this.changed();
  }

  make(redo, undo, bytes) {
    redo();
    this.done = latest([...this.done, { redo, undo, bytes }]);
    this.undone = [];
    this.changed();
  }

  undo() {
    const change = this.done.pop();
    if (!change) return;
    this.undone.push(change);
    change.undo();
    this.changed();
  }

  redo() {
    const change = this.undone.pop();
    if (!change) return;
    this.done.push(change);
    change.redo();
    this.changed();
  }
}

function latest(changes) {
  let first = changes.length - 1, bytes = changes[first].bytes;
  while (first > 0 && changes.length - first < MOST && bytes + changes[first - 1].bytes <= MOST_BYTES) {
    first -= 1;
    bytes += changes[first].bytes;
  }
  return changes.slice(first);
}
