"""Whether instances reach the training: those of the files may vanish when pictures are cut."""

from collections.abc import Mapping

from data.scene import Scene
from training.distributed import share


class InstanceWatch:
    """Looks at the batches of a run until each domain has shown an instance.

    One that fills its whole picture marks nothing, and does not count.
    """

    def __init__(self):
        self.missing: set[str] = set()
        self.seen: set[str] = set()
        self.alarms: list[str] = []
        self.epochs = 0

    def look(self, batch: Mapping[str, Scene]) -> None:
        """Take a batch as it comes from the loader, with bool masks on the CPU."""
        for domain, scene in batch.items():
            if domain not in self.seen:
                self.missing.add(domain)
                if marks_anything(scene):
                    self.seen.add(domain)

    def end_epoch(self) -> list[str]:
        """Alarms of domains that have shown no instance to any process; all of them have to ask."""
        self.epochs += 1
        if self.epochs == 1 or self.alarms:
            self.missing -= set().union(*share(self.seen))
            self.alarms = [
                f"domain {domain}: no picture of {self.epochs} epochs had an instance left, so "
                "nothing of it is trained; are they cut away by --crop_size, or too small?"
                for domain in sorted(self.missing)
            ]
        return self.alarms


def marks_anything(scene: Scene) -> bool:
    """Whether a batch has an instance that covers some of its picture, and not all of it."""
    masks = scene.masks[scene.present].flatten(1)
    return bool((masks.any(1) & ~masks.all(1)).any())
