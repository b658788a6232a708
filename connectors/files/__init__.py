"""Sources that read files and datasets. No torch: a dataset is handed in as a plain sequence."""

from streamlearner.connectors.files.dataset import DatasetSource
from streamlearner.connectors.files.images import ImageFolderSource
from streamlearner.connectors.files.json_lines import JsonLinesSource
from streamlearner.connectors.files.parquet import ParquetSource

__all__ = ["DatasetSource", "ImageFolderSource", "JsonLinesSource", "ParquetSource"]
