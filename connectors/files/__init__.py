"""Sources that read files and datasets. No torch: a dataset comes in from outside as a plain sequence."""

from connectors.files.dataset import DatasetSource
from connectors.files.images import ImageFolderSource
from connectors.files.json_lines import JsonLinesSource
from connectors.files.parquet import ParquetSource

__all__ = ["DatasetSource", "ImageFolderSource", "JsonLinesSource", "ParquetSource"]
