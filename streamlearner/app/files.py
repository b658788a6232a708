"""Files of any format as a source: which class reads which."""

from __future__ import annotations

from typing import Any

from streamlearner.connectors.files import DatasetSource, ImageFolderSource, JsonLinesSource, ParquetSource
from streamlearner.registry.sources import FilesSection
from streamlearner.stream import Source
from streamlearner.vision import torchvision as vision


class Files:
    """The part `files` of the sources."""

    @classmethod
    def build(cls, settings: FilesSection, surroundings: Any = None) -> Source:
        if settings.format == "jsonl":
            return JsonLinesSource(settings.path, follow=settings.follow)
        if settings.format == "image_folder":
            return ImageFolderSource(
                settings.path,
                order="label" if settings.order == "stored" else settings.order,
                seed=settings.seed,
            )
        if settings.format == "parquet":
            return ParquetSource(
                settings.path,
                image_column=settings.image_column,
                label_column=settings.label_column,
                task_column=settings.task_column,
                order=settings.order,
                seed=settings.seed,
            )
        if settings.format == "digits":
            return DatasetSource(digits(), name="digits", order=settings.order, seed=settings.seed)
        dataset = vision.dataset(
            settings.dataset, root=settings.path, train=settings.split == "train", download=settings.download
        )
        return DatasetSource(dataset, name=settings.dataset, order=settings.order, seed=settings.seed)


class digits:
    """The 1,797 handwritten digits bundled with scikit-learn: 8x8 images, 0..16 scaled to 0..255."""

    def __init__(self) -> None:
        from sklearn.datasets import load_digits  # takes a second to import; only the demo needs it

        bundle = load_digits()
        self.images = (bundle.images * (255.0 / 16.0)).round().astype("uint8")
        self.targets = bundle.target.tolist()

    def __len__(self) -> int:
        return len(self.targets)

    def __getitem__(self, index: int) -> tuple[Any, int]:
        return self.images[index], self.targets[index]
