"""The commands and their options. Each turns its input into a Recipe, calls one verb, and presents the result."""
