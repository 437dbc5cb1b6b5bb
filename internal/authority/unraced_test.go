//go:build !race

package authority_test

// raced says that the race detector is on.
const raced = false
