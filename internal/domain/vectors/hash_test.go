package vectors

import "crypto"

// signingHash tells ecdsa which hash the digest has, which RFC 6979 needs.
type signingHash struct{}

func (signingHash) HashFunc() crypto.Hash { return crypto.SHA256 }
