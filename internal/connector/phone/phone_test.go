package phone

import (
	"context"
	"encoding/json"
	"errors"
	"testing"
	"time"

	"github.com/inkan-auth/inkan/internal/domain/phone"
)

// carrier is an answer that is always the same.
type carrier struct {
	status int
	err    error
	path   string
	asked  map[string]string
}

// Post keeps what was ordered.
func (c *carrier) Post(_ context.Context, path string, body []byte) (int, []byte, error) {
	c.path, c.asked = path, map[string]string{}
	return c.status, nil, errors.Join(c.err, json.Unmarshal(body, &c.asked))
}

func TestOrders(t *testing.T) {
	at := time.Date(2026, 11, 22, 1, 2, 3, 0, time.UTC)
	everything := phone.Kinds{Calls: true, Messages: true, Dial: "0120-111-222"}
	for _, c := range []struct {
		carrier carrier
		ok      bool
		gone    bool
	}{{carrier{status: 202}, true, false}, {carrier{status: 200}, true, false}, {carrier{status: 409}, true, false}, {carrier{status: 422}, false, true}, {carrier{status: 401}, false, false}, {carrier{status: 500}, false, false},
		{carrier{status: 302}, false, false}, {carrier{err: errors.New("no answer")}, false, false}} {
		g := New(&c.carrier, everything)
		err := g.PlaceCall(t.Context(), phone.Call{ID: "tel_1", To: "09012345678", Expires: at})
		if (err == nil) != c.ok || errors.Is(err, phone.ErrUnreached) != c.gone || c.carrier.path != "/calls" || len(c.carrier.asked) != 3 || c.carrier.asked["to"] != "+819012345678" || c.carrier.asked["expires"] != "2026-11-22T01:02:03Z" {
			t.Errorf("a call, %+v: %v", c.carrier, err)
		}
		err = g.SendMessage(t.Context(), phone.Message{ID: "tel_2", To: "09012345678", Text: "番号は 123456", Expires: at})
		if (err == nil) != c.ok || errors.Is(err, phone.ErrUnreached) != c.gone || c.carrier.path != "/messages" || c.carrier.asked["id"] != "tel_2" || c.carrier.asked["text"] != "番号は 123456" {
			t.Errorf("a message, %+v: %v", c.carrier, err)
		}
	}
	alone := New(nil, everything)
	if k := alone.Kinds(); k.Calls || k.Messages || k.Dial == "" {
		t.Errorf("without a gateway: %+v", k)
	}
	if err := alone.PlaceCall(t.Context(), phone.Call{}); !errors.Is(err, phone.ErrUnreached) {
		t.Errorf("without a gateway: %v", err)
	}
}
