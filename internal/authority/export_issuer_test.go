package authority

import "context"

// IssuerWord is the root's word for the key that signed an offer.
func (a *Authority) IssuerWord(ctx context.Context, offer string) (string, error) {
	return a.issuerWord(ctx, a.Store.Reader(), offer)
}
