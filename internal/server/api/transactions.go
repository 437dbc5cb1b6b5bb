package api

import (
	"net/http"
	"strconv"
	"time"

	"github.com/inkan-auth/inkan/internal/authority"
	"github.com/inkan-auth/inkan/internal/domain/problem"
	"github.com/inkan-auth/inkan/internal/domain/transaction"
	"github.com/inkan-auth/inkan/internal/server/web"
)

// longestWait is how long a call may wait for a transaction; the server's own limit for an answer is 30 seconds.
const longestWait = 25 * time.Second

type newTransaction struct {
	Customer string            `json:"customer"` // the bank's own reference
	Template string            `json:"template"`
	Currency string            `json:"currency"`
	Fields   map[string]string `json:"fields"`
}

type field struct {
	ID    string `json:"id"`
	Value string `json:"value"`
}

type display struct {
	JA string `json:"ja"`
	EN string `json:"en"`
}

type transactionAnswer struct {
	ID            string  `json:"id"`
	State         string  `json:"state"`
	Reference     string  `json:"reference"`
	Customer      string  `json:"customer"`
	Template      string  `json:"template"`
	Currency      string  `json:"currency"`
	Fields        []field `json:"fields"`
	Display       display `json:"display"`
	Created       string  `json:"created"`
	Expires       string  `json:"expires"`
	Decided       string  `json:"decided"`
	ApprovedUntil string  `json:"approved_until"`
	Grade         string  `json:"grade"`
	Reason        string  `json:"reason"`
	Offline       string  `json:"offline"`
}

// answerOf is a transaction as it goes over the wire.
func answerOf(t authority.Transaction) transactionAnswer {
	a := transactionAnswer{ID: t.ID, State: string(t.State), Reference: transaction.Reference(t.ID), Customer: t.Customer, Template: t.Document.Template, Currency: t.Document.Currency,
		Display: display{t.DisplayJA, t.DisplayEN}, Created: stamp(t.Created), Expires: stamp(t.Expires), Decided: stamp(t.Decided), ApprovedUntil: stamp(t.ApprovedUntil),
		Grade: string(t.Grade), Reason: t.Reason, Offline: t.QR, Fields: []field{}}
	for _, f := range t.Document.Fields {
		a.Fields = append(a.Fields, field(f))
	}
	return a
}

func stamp(t time.Time) string {
	if t.IsZero() {
		return ""
	}
	return t.UTC().Format(time.RFC3339)
}

type created transactionAnswer

// StatusCode says that the transaction is there; it is the same for the same request sent again, so that a lost answer makes no difference.
func (created) StatusCode() int { return http.StatusCreated }

func (s *Server) createTransaction(r *http.Request, req newTransaction) (created, error) {
	by, err := s.caller(r, ScopeCreate)
	if err != nil {
		return created{}, err
	}
	t, err := s.Authority.CreateTransaction(r.Context(), by, r.Header.Get("Idempotency-Key"), authority.NewTransaction{Ref: req.Customer, Template: req.Template, Currency: req.Currency, Fields: req.Fields})
	return created(answerOf(t)), err
}

func (s *Server) readTransaction(r *http.Request, _ web.Nothing) (transactionAnswer, error) {
	by, err := s.caller(r, ScopeCreate)
	if err != nil {
		return transactionAnswer{}, err
	}
	wait := r.URL.Query().Get("wait")
	if wait == "" {
		t, err := s.Authority.ReadTransaction(r.Context(), by, r.PathValue("id"))
		return answerOf(t), err
	}
	seconds, err := strconv.Atoi(wait)
	if err != nil || seconds < 0 || seconds > 30 {
		return transactionAnswer{}, problem.New(problem.Malformed, "field", "wait")
	}
	t, err := s.Authority.WaitTransaction(r.Context(), by, r.PathValue("id"), transaction.State(r.URL.Query().Get("state")), min(time.Duration(seconds)*time.Second, longestWait))
	return answerOf(t), err
}

type empty struct{}

func (s *Server) cancelTransaction(r *http.Request, _ empty) (transactionAnswer, error) {
	by, err := s.caller(r, ScopeCreate)
	if err != nil {
		return transactionAnswer{}, err
	}
	t, err := s.Authority.CancelTransaction(r.Context(), by, r.PathValue("id"))
	return answerOf(t), err
}

type offlineCode struct {
	Code string `json:"code"`
}

func (s *Server) confirmOffline(r *http.Request, req offlineCode) (transactionAnswer, error) {
	by, err := s.caller(r, ScopeCreate)
	if err != nil {
		return transactionAnswer{}, err
	}
	t, err := s.Authority.ConfirmOffline(r.Context(), by, r.PathValue("id"), req.Code)
	return answerOf(t), err
}

type execution struct {
	Request  string            `json:"request"`
	Customer string            `json:"customer"`
	Template string            `json:"template"`
	Currency string            `json:"currency"`
	Fields   map[string]string `json:"fields"`
}

type permitAnswer struct {
	Permit      string            `json:"permit"`
	Transaction transactionAnswer `json:"transaction"`
}

func (s *Server) consumeTransaction(r *http.Request, req execution) (permitAnswer, error) {
	by, err := s.caller(r, ScopeConsume)
	if err != nil {
		return permitAnswer{}, err
	}
	t, err := s.Authority.ConsumeTransaction(r.Context(), by, r.PathValue("id"), authority.Execution{Request: req.Request, Ref: req.Customer, Template: req.Template, Currency: req.Currency, Fields: req.Fields})
	return permitAnswer{t.Permit, answerOf(t)}, err
}

func (s *Server) evidence(r *http.Request, _ web.Nothing) (transaction.Evidence, error) {
	by, err := s.caller(r, ScopeEvidence)
	if err != nil {
		return transaction.Evidence{}, err
	}
	return s.Authority.Evidence(r.Context(), by, r.PathValue("id"))
}

type reportsAnswer struct {
	Reports []transactionAnswer `json:"reports"`
}

func (s *Server) reports(r *http.Request, _ web.Nothing) (reportsAnswer, error) {
	by, err := s.caller(r, ScopeReports)
	if err != nil {
		return reportsAnswer{}, err
	}
	var before time.Time
	if text := r.URL.Query().Get("before"); text != "" {
		if before, err = time.Parse(time.RFC3339Nano, text); err != nil {
			return reportsAnswer{}, problem.New(problem.Malformed, "field", "before")
		}
	}
	found, err := s.Authority.Reports(r.Context(), by, before)
	ans := reportsAnswer{Reports: make([]transactionAnswer, len(found))}
	for i, t := range found {
		ans.Reports[i] = answerOf(t)
	}
	return ans, err
}

type authAnswer struct {
	Required bool `json:"required"`
	InUse    bool `json:"in_use"`
	Stopped  bool `json:"stopped"`
}

func (s *Server) transactionAuth(r *http.Request, _ web.Nothing) (authAnswer, error) {
	if _, err := s.caller(r, ScopeCustomer); err != nil {
		return authAnswer{}, err
	}
	got, err := s.Authority.TransactionAuthOf(r.Context(), r.PathValue("ref"))
	return authAnswer(got), err
}
