package customer

import (
	"net/http"
	"time"

	"github.com/inkan-auth/inkan/internal/authority"
	"github.com/inkan-auth/inkan/internal/domain/problem"
	"github.com/inkan-auth/inkan/internal/domain/token"
)

// transactionsPage is where transaction authentication is explained and added.
const transactionsPage = "/security/transaction-authentication"

// transactionsState is how a customer's transactions are confirmed.
type transactionsState struct {
	Since, Stopped time.Time // zero where it was not added, and where nothing was reported
	Always         bool      // the bank asks every customer for it
}

// InUse says whether nothing is carried out before she approves it.
func (t transactionsState) InUse() bool { return t.Always || !t.Since.IsZero() }

type transactionsData struct {
	tokenData
	Transactions transactionsState
	Usable       bool // her token can answer now
	Unread       bool // the box under the explanation was left empty
}

func (s *Server) transactionsState(r *http.Request, on authority.Session) (t transactionsState, err error) {
	t.Since, t.Stopped, t.Always, err = s.Authority.TransactionState(r.Context(), on)
	return t, err
}

func (s *Server) showTransactions(w http.ResponseWriter, r *http.Request, on authority.Session) error {
	t, err := s.Authority.TokenOf(r.Context(), on)
	if err != nil {
		return err
	}
	state, err := s.transactionsState(r, on)
	if err != nil {
		return err
	}
	v := s.page(w, r, on, "transactions")
	if v.kind == problem.StepUp {
		v.At = "read"
	}
	v.Data = s.transactionsData(v, t, on, state)
	s.write(w, r, http.StatusOK, v)
	return nil
}

func (s *Server) transactionsData(v *view, t authority.TokenView, on authority.Session, state transactionsState) transactionsData {
	return transactionsData{s.tokenData(v, t, on), state, t.Token != nil && t.Token.State == token.Active, v.kind == problem.StepUp}
}

// addTransactions adds transaction authentication. A box that was left empty is refused before the code is looked at, so that the code is still good.
func (s *Server) addTransactions(w http.ResponseWriter, r *http.Request, on authority.Session) error {
	if r.PostFormValue("read") == "" {
		return problem.New(problem.StepUp)
	}
	code, err := typedCode(r, "code")
	if err != nil {
		return err
	}
	if err := s.Authority.AddTransactionAuth(r.Context(), on, code); err != nil {
		return err
	}
	return s.done(w, r, "transactions", transactionsPage)
}
