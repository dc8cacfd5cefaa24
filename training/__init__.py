"""How any model is trained: the loop, its updates, saving, recovery, and several processes."""
