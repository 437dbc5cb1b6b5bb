package bank

import (
	"crypto/ecdsa"
	"encoding/json"
	"log/slog"
	"net/http"
	"sync"
	"time"

	"github.com/inkan-auth/inkan/demo/signed"
)

// Card is a cash card as the reference bank's core knows it.
type Card struct {
	Ref                                string // whose it is
	Branch, AccountType, AccountNumber string
	PIN                                string
}

// wrongPINs is how many wrong PINs block a card at the bank.
const wrongPINs = 3

// CoreConfig is what the core needs to know.
type CoreConfig struct {
	URL   string            // origin under which it is asked
	Asker *ecdsa.PublicKey  // of inkan, the only one who may ask
	Key   *ecdsa.PrivateKey // signs the answers
	Cards []Card
	Now   func() time.Time
	Log   *slog.Logger
}

// core is the part of the reference bank that customers never see: it knows cash cards and their PINs.
type core struct {
	cfg  CoreConfig
	door *signed.Door

	mu       sync.Mutex
	wrong    map[Card]int // by card without its PIN
	answered map[string]cardReply
}

type cardQuestion struct {
	Request       string `json:"request"`
	Branch        string `json:"branch"`
	AccountType   string `json:"account_type"`
	AccountNumber string `json:"account_number"`
	PIN           string `json:"pin"`
}

type cardReply struct {
	Request string `json:"request"`
	Right   bool   `json:"right"`
	Ref     string `json:"ref"`
}

// NewCore is the core of the reference bank: POST /card-checks.
func NewCore(cfg CoreConfig) http.Handler {
	if cfg.Now == nil {
		cfg.Now = time.Now
	}
	if cfg.Log == nil {
		cfg.Log = slog.New(slog.DiscardHandler)
	}
	c := &core{cfg: cfg, door: &signed.Door{URL: cfg.URL, Key: cfg.Asker, Now: cfg.Now}, wrong: map[Card]int{}, answered: map[string]cardReply{}}
	mux := http.NewServeMux()
	mux.HandleFunc("POST /card-checks", c.check)
	return mux
}

func (c *core) check(w http.ResponseWriter, r *http.Request) {
	body, nonce, err := c.door.Read(r)
	var q cardQuestion
	if err != nil {
		http.Error(w, "not a request of inkan", http.StatusUnauthorized)
		return
	}
	if json.Unmarshal(body, &q) != nil || q.Request == "" {
		http.Error(w, "not a question", http.StatusBadRequest)
		return
	}
	answer, err := json.Marshal(c.look(q))
	if err != nil {
		http.Error(w, "500", http.StatusInternalServerError)
		return
	}
	signature, err := signed.Answer(c.cfg.Key, nonce, answer)
	if err != nil {
		http.Error(w, "500", http.StatusInternalServerError)
		return
	}
	w.Header().Set("Content-Type", "application/json")
	w.Header().Set("Cache-Control", "no-store")
	w.Header().Set(signed.Header, signature)
	_, _ = w.Write(answer)
}

// look answers once for each request, so that a question that comes again costs no try; the third wrong PIN blocks the card. A blocked card is like a wrong one to whoever asks.
func (c *core) look(q cardQuestion) cardReply {
	c.mu.Lock()
	defer c.mu.Unlock()
	if a, ok := c.answered[q.Request]; ok {
		return a
	}
	a := cardReply{Request: q.Request}
	for _, card := range c.cfg.Cards {
		if card.Branch != q.Branch || card.AccountType != q.AccountType || card.AccountNumber != q.AccountNumber {
			continue
		}
		of := card
		of.PIN = ""
		switch {
		case c.wrong[of] >= wrongPINs:
		case card.PIN == q.PIN:
			a.Right, a.Ref, c.wrong[of] = true, card.Ref, 0
		default:
			c.wrong[of]++
		}
		c.cfg.Log.Info("a cash card was asked about", "card", card.Ref, "right", a.Right, "blocked", c.wrong[of] >= wrongPINs)
	}
	if len(c.answered) < 10_000 {
		c.answered[q.Request] = a
	}
	return a
}
