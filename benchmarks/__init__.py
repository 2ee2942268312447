"""What klevels costs, beside its peers; each benchmark asserts its answer before it times it."""
