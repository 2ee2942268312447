"""What can go wrong, as one tree; each leaf is also the built-in that a caller would expect.

KlevelsError
├── ParameterError         (ValueError)         an argument outside its range: k = 0, an unknown method
├── DataError              (ValueError)         data that cannot be clustered: empty, NaN, a mask of another shape
│   ├── TooFewLevelsError                       fewer distinct gray levels, or colors, than classes
│   └── NoValleyError                           a histogram without a valley between noise and signal
├── DataTypeError          (TypeError)          complex, object, string or 64-bit integer arrays
├── ReadError              (OSError)            a file whose content is broken, hostile or of no known format
│   └── InputMissingError  (FileNotFoundError)  no such input
├── WriteError             (OSError)            an output that cannot be created
│   ├── OutputExistsError  (FileExistsError)    an output that is there already
│   └── DiskError                               the disk is full, or failed, while writing
├── MissingDependencyError (ImportError)        an optional package that is not installed
└── SchedulerError         (ConnectionError)    a cluster that was lost, or cannot be reached: try again, or resume
"""


class KlevelsError(Exception):
    """The root of all errors that klevels raises on purpose."""


class ParameterError(KlevelsError, ValueError):
    """An argument is outside its range."""


class DataError(KlevelsError, ValueError):
    """The data cannot be clustered as asked."""


class TooFewLevelsError(DataError):
    """There are fewer distinct gray levels, or colors, than classes asked for."""


class NoValleyError(DataError):
    """The histogram has no valley between noise and signal."""


class DataTypeError(KlevelsError, TypeError):
    """The array's dtype has no gray levels."""


class ReadError(KlevelsError, OSError):
    """A file's content is broken, hostile or of no known format."""


class InputMissingError(ReadError, FileNotFoundError):
    """There is no such input."""


class WriteError(KlevelsError, OSError):
    """An output cannot be created."""


class OutputExistsError(WriteError, FileExistsError):
    """An output is there already."""


class DiskError(WriteError):
    """The disk was full, or failed, while writing."""


class MissingDependencyError(KlevelsError, ImportError):
    """An optional package is not installed."""


class SchedulerError(KlevelsError, ConnectionError):
    """The scheduler of a cluster, or too many of its workers, were lost, or cannot be reached."""
