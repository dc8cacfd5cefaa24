"""What is shown of a translation: on result pages, and of a few pictures during training."""

from dataclasses import replace
from functools import cached_property
from typing import NamedTuple

from data.base_dataset import BaseDataset
from data.direction import Direction
from data.scene import Scene
from models.base_model import BaseModel
from models.contract import Translated


class Shown(NamedTuple):
    """A column of pictures: the name that is part of its files', its title, and the pictures."""

    role: str
    title: str
    scene: Scene


def shown(direction: Direction, moved: Translated) -> list[Shown]:
    """The source, its translations, what else the model made, and the way back."""
    source, target = direction
    columns = [Shown(f"real_{source}", "source", moved.real)]
    for i, (title, fake) in enumerate(zip(moved.titles, moved.fakes, strict=True)):
        style = f"_style_{i}" if i else ""
        columns.append(Shown(f"fake_{target}{style}", title, fake))
    for name, picture in moved.extras.items():
        bare = moved.real.slots(0, 0)
        image = picture.expand(-1, moved.real.image.shape[1], -1, -1)
        columns.append(Shown(f"{name}_{target}", name, replace(bare, image=image)))
    if moved.back:
        columns.append(Shown(f"rec_{source}", "and back", moved.back))
    return columns


class Showcase:
    """The same few scenes, translated by a model in training, which stays as it was."""

    def __init__(self, opt, dataset: BaseDataset, model: BaseModel):
        self.dataset = dataset
        self.model = model
        self.count = opt.display_samples
        self.batch_size = opt.batch_size

    @cached_property
    def samples(self) -> dict[str, list[Scene]]:
        return self.dataset.showcase(self.count)

    def look(self) -> dict[str, list[Shown]]:
        """All columns by the direction in words, on the CPU."""
        with self.model.undisturbed():
            return {way.words: self.translated(way) for way in self.model.directions}

    def translated(self, direction: Direction) -> list[Shown]:
        samples = self.samples[direction.source]
        parts = []
        for start in range(0, len(samples), self.batch_size):
            batch = Scene.cat(samples[start : start + self.batch_size])
            moved = self.model.translate(batch, direction.source)
            parts.append(shown(direction, moved.map(lambda tensor: tensor.detach().cpu())))
        return [
            Shown(*same[0][:2], Scene.cat([one.scene for one in same]))
            for same in zip(*parts, strict=True)
        ]
