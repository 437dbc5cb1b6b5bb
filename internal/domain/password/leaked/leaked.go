// Package leaked knows the 120,000 passwords of eight characters and more that occur most often in published leaks. It holds five bytes of a hash of each:
// enough to recognise one, and with a chance of about one in ten million to refuse a password that was never leaked.
package leaked

import (
	"bytes"
	"crypto/sha256"
	_ "embed" // the list
	"sort"
)

//go:embed leaked.bin
var list []byte

const width = 5

// Count is how many passwords the list knows.
const Count = 120_000

// Listed says whether a password, folded to NFKC and lower case, is among the leaked ones.
func Listed(folded string) bool {
	sum := sha256.Sum256([]byte("inkan/leaked/v1|" + folded))
	n := len(list) / width
	i := sort.Search(n, func(i int) bool { return bytes.Compare(list[i*width:(i+1)*width], sum[:width]) >= 0 })
	return i < n && bytes.Equal(list[i*width:(i+1)*width], sum[:width])
}
