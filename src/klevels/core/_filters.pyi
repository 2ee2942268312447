"""The typed face of what looks at neighborhoods; the files that filters.hpp lists bind it."""
