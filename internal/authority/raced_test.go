//go:build race

package authority_test

// raced says that the race detector is on: it finds what it is for in a few rounds, and each takes many times as long.
const raced = true
