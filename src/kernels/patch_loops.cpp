namespace klevels {}
