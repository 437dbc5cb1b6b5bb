package api

import (
	"net/http"

	"github.com/inkan-auth/inkan/internal/server/web"
)

type releaseAnswer struct {
	ID      string   `json:"id"`
	State   string   `json:"state"`
	Items   []string `json:"items"`
	Reason  string   `json:"reason"`
	Created string   `json:"created"`
	Changed string   `json:"changed"`
	Expires string   `json:"expires"` // until then the paper can be handed in
}

type releasesAnswer struct {
	Releases []releaseAnswer `json:"releases"`
}

// releases are the security release requests of a customer, the newest first. The number that stands on the paper is not among it: it is the customer's.
func (s *Server) releases(r *http.Request, _ web.Nothing) (releasesAnswer, error) {
	out := releasesAnswer{Releases: []releaseAnswer{}}
	if _, err := s.caller(r, ScopeCustomer); err != nil {
		return out, err
	}
	got, err := s.Authority.ReleasesOf(r.Context(), r.PathValue("ref"))
	for _, x := range got {
		a := releaseAnswer{ID: x.ID, State: string(x.State), Reason: string(x.Reason), Created: stamp(x.Created), Changed: stamp(x.Changed), Expires: stamp(x.Expires)}
		for _, item := range x.Items {
			a.Items = append(a.Items, string(item))
		}
		out.Releases = append(out.Releases, a)
	}
	return out, err
}
