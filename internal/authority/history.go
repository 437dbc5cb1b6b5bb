package authority

import (
	"context"
	"strings"

	"github.com/inkan-auth/inkan/internal/domain/audit"
	"github.com/inkan-auth/inkan/internal/domain/ident"
	"github.com/inkan-auth/inkan/internal/domain/problem"
	"github.com/inkan-auth/inkan/internal/store"
	"github.com/inkan-auth/inkan/internal/store/db"
)

// HistoryPage is how many entries one page of the history has.
const HistoryPage = 30

// shown are the acts that a customer's own history tells of; the rest is for the bank's auditors.
var shown = map[audit.Action]bool{audit.LoginPassword: true, audit.LoginOTP: true, audit.Logout: true, audit.SessionEnd: true, audit.PasswordChange: true, audit.TokenApply: true,
	audit.TokenCancel: true, audit.NumberResend: true, audit.AddressTest: true, audit.AddressCorrect: true, audit.AddressBounce: true, audit.TokenRegister: true, audit.TokenStart: true,
	audit.TokenStop: true, audit.TokenLock: true, audit.TokenExpire: true, audit.RenewalOrder: true, audit.RenewalBurn: true, audit.TokenRenew: true, audit.TokenResync: true, audit.EnrolmentExpire: true, audit.EnrolmentBurn: true, audit.TransactionAuthAdd: true,
	audit.TransactionDecide: true, audit.TransactionOffline: true, audit.TransactionExpire: true, audit.TransfersStop: true, audit.TransfersResume: true, audit.PushChange: true,
	audit.LoginPasskey: true, audit.ErrandAsk: true, audit.ErrandProve: true, audit.PasskeyRegister: true, audit.PasskeyRename: true, audit.PasskeyRemove: true, audit.PasskeyHold: true,
	audit.VerifierSet: true, audit.VerifierRemove: true, audit.VerifierHold: true,
	audit.ServiceStop: true, audit.ServiceRestart: true, audit.AddressChange: true, audit.AddressRestore: true, audit.MailChoose: true, audit.FactorBlock: true,
	audit.ReleaseReceive: true, audit.ReleaseGrant: true, audit.ReleaseDecline: true, audit.LetterShow: true, audit.TokenRelease: true, audit.TokenRevoke: true}

// asked says whether an entry tells of anything to her: what somebody of hers, or the bank's page for her, was refused is worth knowing; what time or the bank's own people
// tried in vain has not happened.
func asked(e audit.Entry) bool {
	switch e.Actor.Kind {
	case audit.Clock, audit.Operator, audit.Server, audit.Staff:
		return e.Outcome == audit.Done
	}
	return true
}

// afterAll sorts after every identifier of a kind, in whatever order of letters a database keeps: an identifier begins with a digit up to 7 and has small letters and digits only.
func afterAll(kind string) string { return kind + "_" + strings.Repeat("z", 27) }

// History is the customer's own trail, the newest first, from before an entry on; next is where the following page begins, empty at the end.
func (a *Authority) History(ctx context.Context, s Session, before string) (entries []audit.Entry, next string, err error) {
	if before == "" {
		before = afterAll(ident.Entry)
	} else if ident.Check(ident.Entry, before) != nil {
		return nil, "", problem.New(problem.NotFound)
	}
	for len(entries) < HistoryPage {
		rows, err := a.Store.Reader().EntriesOf(ctx, db.EntriesOfParams{Customer: s.Customer, ID: before, Limit: HistoryPage})
		if err != nil {
			return nil, "", err
		}
		for _, r := range rows {
			before = r.ID
			if e := store.Entry(r); shown[e.Action] && asked(e) {
				entries = append(entries, e)
			}
			if len(entries) == HistoryPage {
				return entries, before, nil
			}
		}
		if len(rows) < HistoryPage {
			break
		}
	}
	return entries, "", nil
}
