// Changes that can be undone: pairs of functions that make a change and take it back.

const MOST = 100; // changes that are kept

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

  // A change that has been made already.
  add(redo, undo) {
    this.done = [...this.done.slice(1 - MOST), { redo, undo }];
    this.undone = [];
    this.changed();
  }

  make(redo, undo) {
    redo();
    this.add(redo, undo);
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
