package authority_test

import (
	"context"
	"fmt"
	"io"
	"strings"
	"testing"
	"time"

	"golang.org/x/crypto/bcrypt"

	"github.com/inkan-auth/inkan/internal/authority"
	"github.com/inkan-auth/inkan/internal/domain/audit"
	"github.com/inkan-auth/inkan/internal/domain/problem"
	"github.com/inkan-auth/inkan/internal/store"
	"github.com/inkan-auth/inkan/internal/store/db"
	"github.com/inkan-auth/inkan/internal/testkit"
)

// A right password whose hash is weaker than today's is hashed anew inside a session too, once, whatever becomes of what the customer came for.
func TestAWeakHashIsReplacedInsideASession(t *testing.T) {
	testkit.Each(t, func(t *testing.T, w *testkit.World) {
		id := w.Person(1, false)
		b := w.LogIn(id, authority.PC)
		stored := func(which authority.Which) (customer, hash, other string) {
			c, err := w.Store.Reader().CustomerByLoginID(t.Context(), id)
			want(t, "reading the customer", err, "")
			if which == authority.LoginPassword {
				return c.ID, c.LoginPassword, c.ConfirmPassword
			}
			return c.ID, c.ConfirmPassword, c.LoginPassword
		}
		entries := func(customer, factor string) (done int) {
			rows, err := w.Store.Reader().EntriesOf(t.Context(), db.EntriesOfParams{Customer: customer, ID: "ent_~", Limit: 1000})
			want(t, "reading the trail", err, "")
			for _, r := range rows {
				if e := store.Entry(r); e.Action == audit.PasswordRehash && e.Actor.Kind == audit.Server && e.Outcome == audit.Done && e.Detail["factor"] == factor {
					done++
				}
			}
			return done
		}
		for _, c := range []struct {
			which         authority.Which
			factor        string
			own, otherOne string
			wrong         problem.Kind
		}{
			{authority.ConfirmPassword, "confirm_password", testkit.Confirm, testkit.Login, problem.ConfirmRefused},
			{authority.LoginPassword, "login_password", testkit.Login, testkit.Confirm, problem.PasswordRefused},
		} {
			// The new password is the other one she has: that is refused only behind the gate, so that nothing but the gate can have changed the hash.
			try := func(old string) error {
				return second(w.ChangePassword(t.Context(), b.Session, c.which, []byte(old), []byte(c.otherOne), ""))
			}
			customer, today, other := stored(c.which)
			want(t, "a hash of today", try(c.own), problem.PasswordWeak)
			if _, hash, _ := stored(c.which); hash != today || entries(customer, c.factor) != 0 {
				t.Errorf("%s: a hash of today's costs was made anew", c.which)
			}

			foreign, err := bcrypt.GenerateFromPassword([]byte(c.own), bcrypt.MinCost)
			want(t, "a weak hash", err, "")
			weak := string(foreign)
			want(t, "storing a weak hash", w.Store.Write(t.Context(), func(ctx context.Context, tx *store.Tx) (err error) {
				if c.which == authority.LoginPassword {
					_, err = tx.RehashLoginPassword(ctx, db.RehashLoginPasswordParams{ID: customer, LoginPassword: weak, LoginPassword_2: today})
				} else {
					_, err = tx.RehashConfirmPassword(ctx, db.RehashConfirmPasswordParams{ID: customer, ConfirmPassword: weak, ConfirmPassword_2: today})
				}
				if err != nil {
					return err
				}
				return tx.Record(ctx, audit.Entry{ID: "ent_weakened_" + c.factor, At: time.Unix(1, 0), Actor: audit.Actor{Kind: audit.Operator}, Action: audit.CustomerImport, Customer: customer, Outcome: audit.Done})
			}), "")
			want(t, "a wrong password", try("not-"+c.own), c.wrong)
			if _, hash, _ := stored(c.which); hash != weak {
				t.Errorf("%s: a wrong password replaced the hash", c.which)
			}
			for _, err := range together(3, func(int) error { return try(c.own) }) {
				want(t, "a right one among several", err, problem.PasswordWeak)
			}
			_, hash, untouched := stored(c.which)
			if !strings.HasPrefix(hash, "$inkan-argon2id$") || untouched != other {
				t.Errorf("%s: after a right try the hash is %q", c.which, hash)
			}
			if n := entries(customer, c.factor); n != 1 {
				t.Errorf("%s: %d entries of one new hash", c.which, n)
			}
			want(t, "the same password against the new hash", try(c.own), problem.PasswordWeak)
			if _, again, _ := stored(c.which); again != hash || entries(customer, c.factor) != 1 {
				t.Errorf("%s: the new hash was made anew", c.which)
			}
		}
	})
}

// noRoom is a source of randomness that fills the queue of those who hash when a salt is drawn from it: the password has been looked at, and its new hash finds no place.
type noRoom struct {
	io.Reader
	fill func()
}

func (c *noRoom) Read(b []byte) (int, error) {
	if c.fill != nil && len(b) == 16 {
		fill := c.fill
		c.fill = nil
		fill()
	}
	return c.Reader.Read(b)
}

// A right password logs in although there is no room to hash it anew. The weak hash stands until the next login, and no try is lost.
func TestARightPasswordLogsInWhereManyAreHashing(t *testing.T) {
	testkit.Each(t, func(t *testing.T, w *testkit.World) {
		foreign, err := bcrypt.GenerateFromPassword([]byte(testkit.Login), bcrypt.MinCost)
		want(t, "a weak hash", err, "")
		want(t, "importing", w.ImportCustomer(t.Context(), authority.NewCustomer{Ref: testkit.Ref, LoginID: testkit.LoginID, LoginPasswordHash: string(foreign), ConfirmPassword: testkit.Confirm, Name: "山田 花子", Kana: "ヤマダ ハナコ",
			Mail: testkit.HerMail, Phone: "090-0000-1234", Branch: "101", AccountType: "普通", AccountNumber: "1234567", KeepPasswords: true}), "")
		stored := func() string {
			c, err := w.Store.Reader().CustomerByLoginID(t.Context(), testkit.LoginID)
			want(t, "reading the customer", err, "")
			return c.LoginPassword
		}
		before := stored()
		b := &testkit.Browser{W: w, Visit: testkit.Visit(authority.PC)}
		quiet := w.Rand
		for i := range 6 { // as many as would block her, if a try were lost each time
			w.Rand = &noRoom{Reader: quiet, fill: w.FillHasher}
			want(t, fmt.Sprint("login ", i, " among many"), b.Password(testkit.LoginID, testkit.Login), "")
			if stored() != before {
				t.Fatalf("login %d found room for a new hash", i)
			}
			w.Rand = quiet
			w.EmptyHasher()
		}
		want(t, "a login when it is quiet", b.Password(testkit.LoginID, testkit.Login), "")
		if stored() == before {
			t.Error("the weak hash still stands")
		}
	})
}
