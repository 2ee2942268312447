"""The same work over blocks, in threads of this process or on a dask cluster. The room that knows dask."""

from klevels.blocks.shapes import as_blocks, as_dask, blocks_of, for_each, map_blocks, reduce_blocks

__all__ = ["as_blocks", "as_dask", "blocks_of", "for_each", "map_blocks", "reduce_blocks"]
